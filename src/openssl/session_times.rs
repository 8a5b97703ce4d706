//! The times of an `SSL_SESSION`: what a ticket's client is told of its lifetime, and what OpenSSL
//! is told of its age when it comes back.
//!
//! OpenSSL measures a session's age by the wall clock, which steps. The age of a ticket that this
//! process has sealed goes by the ring's clock instead (`resume/iv_timestamp.rs`).

use std::ffi::{c_long, c_void};
use std::ptr;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::asn1::Asn1Time;
use openssl::ssl::SslSessionRef;
use openssl_sys::{self as sys, SSL, SSL_CTX, SSL_SESSION};

use super::ffi;
use super::session::client_certificate;
use crate::Time;
use crate::resume::{AgeCheck, Issuance, Limits, SessionRecord, SessionTimes, millis};
use crate::tickets::{RingKey, TicketPolicy, TicketRing};

/// How long sessions live.
pub(super) struct Lifetimes {
    pub(super) limits: Limits,
    /// How long sessions live, in seconds, unless as their context has it.
    pub(super) session_timeout: Option<c_long>,
}

impl Lifetimes {
    /// Checks a session that came out of a ticket, and corrects the time that OpenSSL is about to
    /// measure its age from.
    ///
    /// # Safety
    ///
    /// `session` is alive, and no other thread can reach it.
    pub(super) unsafe fn check(
        &self,
        session: *mut SSL_SESSION,
        times: &SessionTimes,
        age: u64,
        unix: Duration,
    ) -> AgeCheck {
        let check = self.limits.check(times, age);
        // OpenSSL compares in whole seconds. Which of them have begun may differ by one where no
        // clock has stepped.
        let age = age / 1_000;
        let valid = matches!(check, AgeCheck::Valid { .. });
        if valid && age != times.age_by_wall_clock(unix) / 1_000 {
            let true_time = seconds(unix).saturating_sub(age as i64);
            // SAFETY: by contract.
            unsafe {
                ffi::SSL_SESSION_set_time(session, true_time as c_long);
                if let Some(record) = times.record {
                    let record = SessionRecord {
                        session_time: true_time,
                        lineage: times.lineage_before(),
                        ..record
                    };
                    write_record(session, record);
                }
            }
        }
        check
    }

    /// Gives a session that is about to become a ticket the lifetime that can be kept: the least of
    /// the configured one, of `left` (in milliseconds, what is left of the key), and of what is
    /// left of the lineage and of the client's certificate.
    ///
    /// # Safety
    ///
    /// - `ssl` is a live connection, and `context` the one that it was made from.
    /// - `session` is alive, and no other thread can reach it.
    pub(super) unsafe fn limit(
        &self,
        ssl: *const SSL,
        context: *const SSL_CTX,
        session: *mut SSL_SESSION,
        issuance: Issuance,
        left: u64,
        ring: &TicketRing,
    ) {
        // SAFETY: by contract.
        unsafe {
            let left = left.min(left_of_certificate(session, ring));
            let given = sys::SSL_SESSION_get_timeout(session);
            let timeout = match self.session_timeout {
                Some(timeout) => timeout,
                // The ticket before may have had less.
                None if issuance.renews => match ffi::SSL_CTX_get_timeout(context) {
                    0 => ffi::SSL_get_default_timeout(ssl),
                    timeout => timeout,
                },
                None => given,
            };
            let lifetime = self.limits.lifetime(&issuance, timeout as i64, left) as c_long;
            if lifetime != given {
                ffi::SSL_SESSION_set_timeout(session, lifetime);
            }
        }
    }

    /// Ends a session that is about to be cached no later than the client's certificate, nor than
    /// the lineage that its full handshake has begun.
    ///
    /// # Safety
    ///
    /// `session` is alive, and no other thread can reach it.
    pub(super) unsafe fn limit_cached(&self, session: *mut SSL_SESSION, ring: &TicketRing) {
        // SAFETY: by contract.
        unsafe {
            let left = left_of_certificate(session, ring) / 1_000;
            let left = left.min(self.limits.full_handshake_max_age.as_secs());
            let left = c_long::try_from(left).unwrap_or(c_long::MAX).max(1);
            if left < sys::SSL_SESSION_get_timeout(session) {
                ffi::SSL_SESSION_set_timeout(session, left);
            }
        }
    }

    /// Whether the lineage of a cached session has ended.
    ///
    /// # Safety
    ///
    /// `session` is alive.
    pub(super) unsafe fn has_ended(&self, session: *mut SSL_SESSION, ring: &TicketRing) -> bool {
        // SAFETY: by contract.
        let times = unsafe { times(session) };
        self.limits.has_ended(&times, ring.unix_time())
    }
}

/// What a session says of its times.
///
/// # Safety
///
/// `session` is alive.
pub(super) unsafe fn times(session: *mut SSL_SESSION) -> SessionTimes {
    // SAFETY: by contract.
    unsafe {
        SessionTimes {
            time: sys::SSL_SESSION_get_time(session) as i64,
            timeout: sys::SSL_SESSION_get_timeout(session) as i64,
            record: read_record(session),
        }
    }
}

/// How long a key that seals at `now` still opens, in milliseconds.
pub(super) fn left_of_key(key: &RingKey, policy: &TicketPolicy, now: Time) -> u64 {
    // A ticket is to open at the very end of its lifetime, and `open_until` is the first moment at
    // which it would not.
    let open_until = key.times.open_until;
    let left = open_until.as_millis().saturating_sub(now.as_millis() + 1);
    if !key.is_local() {
        return left;
    }
    // A local key opens for no longer once a provider brings keys again.
    left.min(policy.lifetime.as_millis() as u64)
}

/// How long the client's certificate is still valid, in milliseconds; `u64::MAX` without one.
///
/// # Safety
///
/// `session` is alive.
unsafe fn left_of_certificate(session: *mut SSL_SESSION, ring: &TicketRing) -> u64 {
    // SAFETY: by contract.
    let session = unsafe { SslSessionRef::from_ptr(session) };
    let Some(certificate) = client_certificate(session) else {
        return u64::MAX;
    };
    let now = Asn1Time::from_unix(seconds(ring.unix_time()) as _);
    let left = now.and_then(|now| now.diff(certificate.not_after()));
    // A date that OpenSSL cannot read has passed.
    left.map_or(0, |left| {
        millis(i64::from(left.days) * 86_400 + i64::from(left.secs))
    })
}

fn seconds(unix: Duration) -> i64 {
    i64::try_from(unix.as_secs()).unwrap_or(i64::MAX)
}

/// # Safety
///
/// `session` is alive.
pub(super) unsafe fn read_record(session: *mut SSL_SESSION) -> Option<SessionRecord> {
    let (mut data, mut len) = (ptr::null_mut::<c_void>(), 0);
    // SAFETY: by contract; the data lives until the session is given other data.
    unsafe {
        if ffi::SSL_SESSION_get0_ticket_appdata(session, &mut data, &mut len) != 1 || data.is_null()
        {
            return None;
        }
        SessionRecord::from_bytes(std::slice::from_raw_parts(data.cast(), len))
    }
}

/// # Safety
///
/// `session` is alive, and no other thread can reach it.
pub(super) unsafe fn write_record(session: *mut SSL_SESSION, record: SessionRecord) {
    let bytes = record.to_bytes();
    // SAFETY: by contract; OpenSSL copies the bytes. Without memory for them the handshake fails
    // soon after in any case.
    unsafe { ffi::SSL_SESSION_set1_ticket_appdata(session, bytes.as_ptr().cast(), bytes.len()) };
}
