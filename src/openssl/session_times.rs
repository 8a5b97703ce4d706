//! How long a ticket may open: what its client is told, and what is done about it when it comes back.
//!
//! OpenSSL measures a session's age by the time of day, which steps, and begins a new life with each
//! renewal of TLS 1.3, without end (openssl #32227). So the age of our own tickets goes by the ring's clock
//! (`mark.rs`); and a renewed session carries a stamp, in its ticket's application data, of how old its
//! lineage is: the chain of renewals that a full handshake began.

use std::ffi::{c_long, c_void};
use std::ptr;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::asn1::Asn1Time;
use openssl::x509::X509Ref;
use openssl_sys::{self as sys, SSL, SSL_CTX, SSL_SESSION};

use super::ffi;
use crate::tickets::TicketRing;

/// What a stamp begins with: ours, and which version.
const MAGIC: [u8; 4] = *b"RKT\x01";
const LEN: usize = MAGIC.len() + 8 + 8;

/// What a session carries of its lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// The session's time, in seconds since 1970, when this was written: another one shows that a server
    /// of another kind has renewed the ticket and taken the stamp along.
    time: i64,
    /// How old the lineage was at that time, in milliseconds.
    lineage: u64,
}

impl Stamp {
    fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.time.to_be_bytes());
        bytes[12..].copy_from_slice(&self.lineage.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (time, lineage) = bytes[4..].split_first_chunk().expect("16 bytes");
        (bytes[..4] == MAGIC).then(|| Self {
            time: i64::from_be_bytes(*time),
            lineage: u64::from_be_bytes(lineage.try_into().expect("eight bytes")),
        })
    }

    /// How old the lineage was when a session of this time was born, in milliseconds.
    fn lineage_at(self, time: i64) -> u64 {
        self.lineage
            .saturating_add(millis(time.saturating_sub(self.time)))
    }
}

/// Judges and limits lives.
pub(super) struct Lifetimes {
    /// How long a chain of renewals may go on after its full handshake.
    full_handshake_max_age: Duration,
    /// How long sessions live, if not as their context has it.
    session_timeout: Option<c_long>,
}

/// How a session that came out of a ticket is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is alive: its age and its lineage's. In TLS 1.3, whether there is time left for another ticket.
    Alive {
        age: Duration,
        lineage: Duration,
        renew: bool,
    },
    /// Its lifetime is over.
    Expired,
    /// Its lineage is.
    LineageEnded,
}

impl Lifetimes {
    pub(super) fn new(full_handshake_max_age: Duration, session_timeout: Option<c_long>) -> Self {
        Self {
            full_handshake_max_age,
            session_timeout,
        }
    }

    /// Judges a session that has just come out of a ticket, and tells OpenSSL its true age: the one given,
    /// if the ticket is of this process, or the one by the time of day.
    ///
    /// # Safety
    ///
    /// `session` is alive, and this call's alone.
    pub(super) unsafe fn judge(
        &self,
        session: *mut SSL_SESSION,
        ring: &TicketRing,
        age: Option<u64>,
    ) -> Verdict {
        // SAFETY: by contract.
        let (stamp, time, timeout) = unsafe {
            (
                read_stamp(session),
                sys::SSL_SESSION_get_time(session) as i64,
                sys::SSL_SESSION_get_timeout(session) as i64,
            )
        };
        let by_day = age_by_day(ring, time);
        let age = age.unwrap_or(by_day);
        let lineage = stamp.map_or(0, |stamp| stamp.lineage_at(time));
        let lineage = Duration::from_millis(lineage.saturating_add(age));
        // First, for at its lineage's end a ticket's lifetime ends as well.
        let Some(left) = self.full_handshake_max_age.checked_sub(lineage) else {
            return Verdict::LineageEnded;
        };
        if (age / 1_000) as i64 > timeout {
            return Verdict::Expired;
        }
        // OpenSSL is about to compare the session's time with the time of day, in whole seconds. Which of
        // them have begun may differ by one where no clock has stepped.
        if age / 1_000 != by_day / 1_000 {
            let true_time = unix(ring).saturating_sub((age / 1_000) as i64);
            // SAFETY: by contract.
            unsafe { ffi::SSL_SESSION_set_time(session, true_time as c_long) };
        }
        Verdict::Alive {
            age: Duration::from_millis(age),
            lineage,
            renew: left.as_secs() > 0,
        }
    }

    /// Gives a session that is about to become a ticket the lifetime that can be kept: the least of the
    /// configured one, of what is left of the key that seals, of the lineage and of the client's
    /// certificate.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection, `context` the one that it was made from; `session` is alive, and nobody
    /// else has it.
    pub(super) unsafe fn limit(
        &self,
        ssl: *const SSL,
        context: *const SSL_CTX,
        session: *mut SSL_SESSION,
        ring: &TicketRing,
        beginning: Beginning,
    ) {
        // SAFETY: by contract.
        unsafe {
            let lineage = match beginning.lineage {
                Some(lineage) => lineage,
                // From the cache: the stamp has come along, and the session's time is that of the new one.
                None => read_stamp(session).map_or(0, |stamp| {
                    stamp.lineage_at(sys::SSL_SESSION_get_time(session) as i64)
                }),
            };
            // In TLS 1.2 the session's own time tells. A full handshake's further tickets come at once.
            let tells = beginning.renews || beginning.stateful || lineage >= 1_000;
            if tells && !beginning.goes_on {
                let time = sys::SSL_SESSION_get_time(session) as i64;
                write_stamp(session, Stamp { time, lineage });
            }
            let mut left = self.full_handshake_max_age.as_millis() as u64;
            left = left.saturating_sub(lineage);
            if !beginning.stateful {
                left = left.min(left_of_key(ring));
            }
            left = left.min(left_of_certificate(session, || unix(ring)));
            let given = sys::SSL_SESSION_get_timeout(session);
            let policy = match self.session_timeout {
                Some(timeout) => timeout,
                // What the ticket before was told may have been less.
                None if beginning.renews => match ffi::SSL_CTX_get_timeout(context) {
                    0 => ffi::SSL_get_default_timeout(ssl),
                    timeout => timeout,
                },
                None => given,
            };
            let age = if beginning.goes_on { lineage } else { 0 };
            let can_be_kept = age.saturating_add(left) / 1_000;
            let told = policy.min(c_long::try_from(can_be_kept).unwrap_or(c_long::MAX));
            // OpenSSL cannot encode a session of 0 seconds, and fails the handshake.
            let told = told.max(1);
            if told != given {
                ffi::SSL_SESSION_set_timeout(session, told);
            }
        }
    }

    /// Ends a session that is about to be cached no later than the client's certificate, nor than the
    /// lineage that a full handshake has begun with it.
    ///
    /// # Safety
    ///
    /// `session` is alive, and nobody else's yet.
    pub(super) unsafe fn limit_cached(&self, session: *mut SSL_SESSION, ring: &TicketRing) {
        // SAFETY: by contract.
        unsafe {
            let left = left_of_certificate(session, || unix(ring)) / 1_000;
            let left = left.min(self.full_handshake_max_age.as_secs());
            let left = c_long::try_from(left).unwrap_or(c_long::MAX).max(1);
            if left < sys::SSL_SESSION_get_timeout(session) {
                ffi::SSL_SESSION_set_timeout(session, left);
            }
        }
    }

    /// Whether the lineage of a cached session that renews another is over. Its timeout alone would not
    /// end it: OpenSSL has none below one second, and who comes back within that gets the next one.
    ///
    /// # Safety
    ///
    /// `session` is alive.
    pub(super) unsafe fn has_ended(&self, session: *mut SSL_SESSION, ring: &TicketRing) -> bool {
        // SAFETY: by contract.
        let (stamp, time) = unsafe {
            (
                read_stamp(session),
                sys::SSL_SESSION_get_time(session) as i64,
            )
        };
        stamp.is_some_and(|stamp| {
            let lineage = stamp.lineage_at(time);
            let lineage = lineage.saturating_add(age_by_day(ring, time));
            Duration::from_millis(lineage) > self.full_handshake_max_age
        })
    }
}

/// How a session comes to its ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// How old its lineage is, in milliseconds, if that is known.
    pub(super) lineage: Option<u64>,
    /// Its life is that of the ticket before, and goes on: TLS 1.2.
    pub(super) goes_on: bool,
    /// It is a new life after a resumption: TLS 1.3.
    pub(super) renews: bool,
    /// The ticket is but an id, the session stays here.
    pub(super) stateful: bool,
}

/// How old a session of that time is, in milliseconds, by the time of day. Up to a second more than it is,
/// since its time is in whole seconds; never less, or a chain of renewals could go on by changing machines
/// within seconds.
pub(super) fn age_by_day(ring: &TicketRing, time: i64) -> u64 {
    let now = u64::try_from(ring.unix_time().as_millis()).unwrap_or(u64::MAX);
    now.saturating_sub(millis(time))
}

fn unix(ring: &TicketRing) -> i64 {
    i64::try_from(ring.unix_time().as_secs()).unwrap_or(i64::MAX)
}

/// Seconds as milliseconds; what lies ahead is now.
fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

/// How long the key that seals now still opens.
fn left_of_key(ring: &TicketRing) -> u64 {
    let (keys, now) = ring.load_to_seal();
    let Some(key) = keys.sealing(now) else {
        return 0;
    };
    // A ticket is to open at the very end of its lifetime, and this is the first moment at which it would
    // not.
    let open_until = key.times().open_until;
    let left = open_until.as_millis().saturating_sub(now.as_millis() + 1);
    if !key.is_local() {
        return left;
    }
    // One of our own opens for no longer once somebody provides keys again.
    left.min(keys.policy().lifetime_of_tickets().as_millis() as u64)
}

/// How long the client's certificate is still valid; for ever if it showed none.
///
/// # Safety
///
/// `session` is alive.
unsafe fn left_of_certificate(session: *mut SSL_SESSION, unix: impl FnOnce() -> i64) -> u64 {
    // SAFETY: by contract; the certificate lives as long as the session.
    let certificate = unsafe {
        let peer = ffi::SSL_SESSION_get0_peer(session);
        if peer.is_null() {
            return u64::MAX;
        }
        X509Ref::from_ptr(peer)
    };
    let now = Asn1Time::from_unix(unix() as _);
    let left = now.and_then(|now| now.diff(certificate.not_after()));
    // A date that cannot be read has passed.
    left.map_or(0, |left| {
        millis(i64::from(left.days) * 86_400 + i64::from(left.secs))
    })
}

/// # Safety
///
/// `session` is alive.
unsafe fn read_stamp(session: *mut SSL_SESSION) -> Option<Stamp> {
    let (mut data, mut len) = (ptr::null_mut::<c_void>(), 0);
    // SAFETY: by contract; the data lives as long as the session is not told to carry other.
    unsafe {
        if ffi::SSL_SESSION_get0_ticket_appdata(session, &mut data, &mut len) != 1 || data.is_null()
        {
            return None;
        }
        Stamp::from_bytes(std::slice::from_raw_parts(data.cast(), len))
    }
}

/// # Safety
///
/// `session` is alive, and nobody else looks at it.
unsafe fn write_stamp(session: *mut SSL_SESSION, stamp: Stamp) {
    let bytes = stamp.to_bytes();
    // SAFETY: by contract; OpenSSL copies the bytes. Without memory for them the handshake will not get
    // far either.
    unsafe { ffi::SSL_SESSION_set1_ticket_appdata(session, bytes.as_ptr().cast(), bytes.len()) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_it_was_written_and_nothing_else_is_one() {
        let stamp = Stamp {
            time: -2,
            lineage: u64::MAX,
        };
        let bytes = stamp.to_bytes();
        assert_eq!(Stamp::from_bytes(&bytes), Some(stamp));
        assert_eq!(Stamp::from_bytes(&bytes[..LEN - 1]), None);
        assert_eq!(Stamp::from_bytes(&[0; LEN]), None);
        assert_eq!(Stamp::from_bytes(b"another program's"), None);
    }
}
