//! When the certificate is valid, in the metrics and in the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_duration;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use tracing::warn;

use super::identity::Identity;
use crate::admin::Metrics;

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

/// Puts the end of the server's own certificate into the metrics, and warns if it is invalid or
/// ends soon.
pub(crate) fn report(identity: &Identity, certificate: String, metrics: &Metrics) {
    let sha256 = identity.fingerprint();
    let (not_before, not_after) = (identity.leaf.not_before(), identity.leaf.not_after());
    let validity = match Validity::new(not_before, not_after) {
        Ok(validity) => validity,
        Err(error) => return warn!(sha256, %error, "cannot read the dates of the certificate"),
    };
    metrics.certificate_ends(certificate, validity.not_after);
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
    fn fault_at(self, now: i64) -> Option<Fault> {
        let Self {
            not_before,
            not_after,
        } = self;
        let seconds = not_after - now;
        if seconds < 0 {
            Some(Fault::Ended)
        } else if now < not_before {
            Some(Fault::NotYetValid)
        } else if seconds < SOON.min((not_after - not_before) / 3) {
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
