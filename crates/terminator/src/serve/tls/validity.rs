//! When the certificate is valid, in the metrics and in the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_duration;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509Ref;
use tracing::warn;

use super::identity::Identity;
use super::names::names_of;
use crate::admin::ServerCertificate;

const DAY: i64 = 24 * 60 * 60;

/// A certificate with less left than this ends soon, unless its life is short as a whole.
const SOON: i64 = 14 * DAY;

/// A certificate's first and last moment, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Validity {
    not_before: i64,
    not_after: i64,
}

/// Why an operator has to look at a certificate.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Ended,
    NotYetValid,
    EndsSoon { seconds: i64 },
}

/// What the admin address shows of the server's own certificate; warns if it is invalid or ends
/// soon. `None` if its dates cannot be read.
pub(crate) fn report(identity: &Identity, name: String) -> Option<ServerCertificate> {
    let sha256 = identity.fingerprint();
    let (not_before, not_after) = (identity.leaf.not_before(), identity.leaf.not_after());
    let validity = match Validity::new(not_before, not_after) {
        Ok(validity) => validity,
        Err(error) => {
            warn!(sha256, %error, "cannot read the dates of the certificate");
            return None;
        }
    };
    // A clock before 1970 makes no certificate valid.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    match validity.fault_at(now.map_or(0, |now| now.as_secs() as i64)) {
        None => {}
        Some(Fault::Ended) => warn!(sha256, %not_after, "the certificate has ended"),
        Some(Fault::NotYetValid) => warn!(sha256, %not_before, "the certificate is not valid yet"),
        Some(Fault::EndsSoon { seconds }) => {
            let left = format_duration(Duration::from_secs(seconds.unsigned_abs()));
            warn!(sha256, %not_after, %left, "the certificate ends soon")
        }
    }
    Some(ServerCertificate {
        name,
        subject: subject(&identity.leaf),
        names: names_of(&identity.leaf),
        sha256,
        not_after: validity.not_after,
        soon_after: validity.soon_after(),
    })
}

/// The subject as text, `CN=shop.example, O=Shop`.
fn subject(certificate: &X509Ref) -> String {
    let entries = certificate.subject_name().entries().map(|entry| {
        let kind = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string();
        format!("{kind}={}", value.unwrap_or_default())
    });
    entries.collect::<Vec<_>>().join(", ")
}

impl Validity {
    fn new(not_before: &Asn1TimeRef, not_after: &Asn1TimeRef) -> Result<Self, ErrorStack> {
        let epoch = Asn1Time::from_unix(0)?;
        let seconds = |time: &Asn1TimeRef| {
            let since = epoch.diff(time)?;
            Ok(i64::from(since.days) * DAY + i64::from(since.secs))
        };
        Ok(Self {
            not_before: seconds(not_before)?,
            not_after: seconds(not_after)?,
        })
    }

    /// A certificate ends soon if less is left of it than [`SOON`] and than a third of its life:
    /// one that lives for six days is renewed when two are left, and must not warn before.
    fn soon_after(self) -> i64 {
        self.not_after - SOON.min((self.not_after - self.not_before) / 3)
    }

    fn fault_at(self, now: i64) -> Option<Fault> {
        let seconds = self.not_after - now;
        if seconds < 0 {
            Some(Fault::Ended)
        } else if now < self.not_before {
            Some(Fault::NotYetValid)
        } else if now > self.soon_after() {
            Some(Fault::EndsSoon { seconds })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_ends_soon_when_fourteen_days_or_a_third_of_its_life_are_left() {
        let after = |life: i64, seconds: i64| {
            let validity = Validity {
                not_before: 1_000,
                not_after: 1_000 + life,
            };
            validity.fault_at(1_000 + seconds)
        };
        let soon = |seconds| Some(Fault::EndsSoon { seconds });
        let (quarter, week) = (90 * DAY, 6 * DAY);
        assert_eq!(after(quarter, -1), Some(Fault::NotYetValid));
        assert_eq!(after(quarter, 0), None);
        assert_eq!(after(quarter, 76 * DAY), None);
        assert_eq!(after(quarter, 76 * DAY + 1), soon(14 * DAY - 1));
        assert_eq!(after(week, 0), None);
        assert_eq!(after(week, 4 * DAY), None);
        assert_eq!(after(week, 4 * DAY + 1), soon(2 * DAY - 1));
        assert_eq!(after(week, week), soon(0), "the last second is valid");
        assert_eq!(after(week, week + 1), Some(Fault::Ended));
    }

    #[test]
    fn dates_before_1970_and_after_2038_are_read() {
        let date = |text| Asn1Time::from_str(text).expect("a date");
        let (before, after) = (date("19691231235958Z"), date("99991231235959Z"));
        let validity = Validity::new(&before, &after).expect("both are dates");
        assert_eq!(validity.not_before, -2);
        assert_eq!(validity.not_after, 253_402_300_799);
    }
}
