//! How long a ticket may open: what its client is told, and what is done about it when it comes back.
//!
//! OpenSSL measures a session's age by the time of day, which steps, and begins a new life with each
//! renewal of TLS 1.3, without end (openssl #32227). So a session carries a stamp of ours, in its ticket's
//! application data: by the ring's own clock, since when it lives, and how old its lineage was then, the
//! chain of renewals that a full handshake began.

use std::ffi::{c_long, c_void};
use std::ptr;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::asn1::Asn1Time;
use openssl::x509::X509Ref;
use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::ffi;
use crate::tickets::TicketRing;

/// What a stamp begins with: ours, and which version.
const MAGIC: [u8; 4] = *b"RKT\x01";
const LEN: usize = MAGIC.len() + 4 * 8;

/// What a session carries of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// Whose clock `born` is of.
    clock: u64,
    /// When the session's life began, in milliseconds.
    born: u64,
    /// The session's time, in seconds since 1970, when this was written: another one shows that somebody
    /// else has renewed the ticket and taken the stamp along.
    time: i64,
    /// How old the lineage was when the session was born, in milliseconds.
    lineage: u64,
}

impl Stamp {
    fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.clock.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.born.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.time.to_be_bytes());
        bytes[28..].copy_from_slice(&self.lineage.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let number = |at: usize| {
            let number = bytes[at..]
                .first_chunk()
                .expect("eight bytes before the end");
            u64::from_be_bytes(*number)
        };
        (bytes[..4] == MAGIC).then(|| Self {
            clock: number(4),
            born: number(12),
            time: number(20) as i64,
            lineage: number(28),
        })
    }
}

/// Measures lives by a ring's clock.
pub(super) struct Lifetimes {
    /// Random: tells this clock's stamps from those of other processes and machines.
    clock: u64,
    /// How long a chain of renewals may go on after its full handshake.
    lineage_limit: Duration,
    /// How long sessions live, if not as their context has it.
    session_timeout: Option<c_long>,
}

/// How a session that came out of a ticket is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is alive, and so old. In TLS 1.3, whether there is time left for another ticket.
    Alive { age: Duration, renew: bool },
    /// Its lifetime is over.
    Expired,
    /// Its lineage is.
    LineageEnded,
}

/// A moment, by both clocks.
struct Now {
    clock: u64,
    unix: i64,
}

impl Now {
    fn of(ring: &TicketRing) -> Self {
        Self {
            clock: ring.now().as_millis(),
            unix: i64::try_from(ring.unix_time().as_secs()).unwrap_or(i64::MAX),
        }
    }
}

impl Lifetimes {
    pub(super) fn new(
        clock: u64,
        lineage_limit: Duration,
        session_timeout: Option<c_long>,
    ) -> Self {
        Self {
            clock,
            lineage_limit,
            session_timeout,
        }
    }

    /// Judges a session that has just come out of a ticket, and tells OpenSSL its true age.
    ///
    /// # Safety
    ///
    /// `session` is alive, and this call's alone.
    pub(super) unsafe fn judge(&self, session: *mut SSL_SESSION, ring: &TicketRing) -> Verdict {
        let now = Now::of(ring);
        // SAFETY: by contract.
        let (stamp, time, timeout) = unsafe {
            (
                read_stamp(session),
                sys::SSL_SESSION_get_time(session) as i64,
                sys::SSL_SESSION_get_timeout(session) as i64,
            )
        };
        let by_day = millis(now.unix.saturating_sub(time));
        let ours = stamp.filter(|stamp| stamp.clock == self.clock && stamp.time == time);
        let age = ours.map_or(by_day, |stamp| now.clock.saturating_sub(stamp.born));
        let lineage = match stamp {
            Some(stamp) => {
                let renewed = millis(time.saturating_sub(stamp.time));
                stamp.lineage.saturating_add(renewed).saturating_add(age)
            }
            None => age,
        };
        if (age / 1_000) as i64 > timeout {
            return Verdict::Expired;
        }
        let left = self
            .lineage_limit
            .checked_sub(Duration::from_millis(lineage));
        let Some(left) = left else {
            return Verdict::LineageEnded;
        };
        // OpenSSL is about to compare the session's time with the time of day.
        let true_time = if age.abs_diff(by_day) < 1_000 {
            time
        } else {
            now.unix.saturating_sub((age / 1_000) as i64)
        };
        let born = now.clock.saturating_sub(age);
        // SAFETY: by contract.
        unsafe {
            if true_time != time {
                ffi::SSL_SESSION_set_time(session, true_time as c_long);
            }
            if ours.is_none() || true_time != time {
                write_stamp(session, self.stamp(born, true_time, lineage - age));
            }
        }
        Verdict::Alive {
            age: Duration::from_millis(age),
            renew: left.as_secs() > 0,
        }
    }

    /// Gives a session that is about to become a ticket the lifetime that can be kept: the least of the
    /// configured one, of what is left of the key that seals (unless the ticket is but an id), of the
    /// lineage and of the client's certificate.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection, and `session` its own.
    pub(super) unsafe fn limit(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        ring: &TicketRing,
        stateful: bool,
    ) {
        let now = Now::of(ring);
        // SAFETY: by contract.
        unsafe {
            let reused = sys::SSL_session_reused(ssl) == 1;
            let tls13 = sys::SSL_version(ssl) == sys::TLS1_3_VERSION;
            let time = sys::SSL_SESSION_get_time(session) as i64;
            let stamp = read_stamp(session).filter(|_| reused);
            let lineage = stamp.map_or(0, |stamp| self.lineage(stamp, &now));
            // TLS 1.3 begins a new life with each ticket; in TLS 1.2 the one of the full handshake goes on.
            let goes_on = stamp.filter(|_| !tls13);
            let age = goes_on.map_or(0, |stamp| now.clock.saturating_sub(stamp.born));
            if goes_on.is_none() {
                write_stamp(session, self.stamp(now.clock, time, lineage));
            }
            let mut left = self.lineage_limit.as_millis() as u64;
            left = left.saturating_sub(lineage);
            if !stateful {
                left = left.min(left_of_key(ring));
            }
            left = left.min(left_of_certificate(session, now.unix));
            let given = sys::SSL_SESSION_get_timeout(session);
            let policy = match self.session_timeout {
                Some(timeout) => timeout,
                // What the ticket before was told may have been less.
                None if reused && tls13 => ffi::SSL_CTX_get_timeout(sys::SSL_get_SSL_CTX(ssl)),
                None => given,
            };
            let can_be_kept =
                c_long::try_from(age.saturating_add(left) / 1_000).unwrap_or(c_long::MAX);
            let told = policy.min(can_be_kept);
            if told != given {
                ffi::SSL_SESSION_set_timeout(session, told);
            }
        }
    }

    /// Ends a session that is about to be cached no later than the client's certificate.
    ///
    /// # Safety
    ///
    /// `session` is alive, and nobody else's yet.
    pub(super) unsafe fn limit_to_certificate(session: *mut SSL_SESSION, ring: &TicketRing) {
        // SAFETY: by contract.
        unsafe {
            if ffi::SSL_SESSION_get0_peer(session).is_null() {
                return;
            }
            let left = left_of_certificate(session, Now::of(ring).unix) / 1_000;
            let left = c_long::try_from(left).unwrap_or(c_long::MAX);
            if left < sys::SSL_SESSION_get_timeout(session) {
                ffi::SSL_SESSION_set_timeout(session, left);
            }
        }
    }

    fn stamp(&self, born: u64, time: i64, lineage: u64) -> Stamp {
        Stamp {
            clock: self.clock,
            born,
            time,
            lineage,
        }
    }

    /// How old a stamp's lineage is now.
    fn lineage(&self, stamp: Stamp, now: &Now) -> u64 {
        let since = if stamp.clock == self.clock {
            now.clock.saturating_sub(stamp.born)
        } else {
            millis(now.unix.saturating_sub(stamp.time))
        };
        stamp.lineage.saturating_add(since)
    }
}

/// Seconds as milliseconds; what lies ahead is now.
fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

/// How long the key that seals now still opens.
fn left_of_key(ring: &TicketRing) -> u64 {
    let (keys, now) = ring.load_to_seal();
    let open_until = keys.sealing(now).map_or(now, |key| key.times().open_until);
    open_until.as_millis().saturating_sub(now.as_millis())
}

/// How long the client's certificate is still valid; for ever if it showed none.
///
/// # Safety
///
/// `session` is alive.
unsafe fn left_of_certificate(session: *mut SSL_SESSION, unix: i64) -> u64 {
    // SAFETY: by contract; the certificate lives as long as the session.
    let certificate = unsafe {
        let peer = ffi::SSL_SESSION_get0_peer(session);
        if peer.is_null() {
            return u64::MAX;
        }
        X509Ref::from_ptr(peer)
    };
    let now = Asn1Time::from_unix(unix as _);
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
    // SAFETY: by contract; OpenSSL copies the bytes. Without memory for them the session has no stamp,
    // and goes by the time of day.
    unsafe { ffi::SSL_SESSION_set1_ticket_appdata(session, bytes.as_ptr().cast(), bytes.len()) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_it_was_written_and_nothing_else_is_one() {
        let stamp = Stamp {
            clock: u64::MAX,
            born: 1,
            time: -2,
            lineage: 3,
        };
        let bytes = stamp.to_bytes();
        assert_eq!(Stamp::from_bytes(&bytes), Some(stamp));
        assert_eq!(Stamp::from_bytes(&bytes[..LEN - 1]), None);
        assert_eq!(Stamp::from_bytes(&[0; LEN]), None);
        assert_eq!(Stamp::from_bytes(b"another program's"), None);
    }
}
