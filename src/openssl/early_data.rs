//! Early data (0-RTT): who decides whether a flight is accepted, and what a program asks for.
//!
//! OpenSSL asks last, after the binder, which shows that the client has the session's secret and
//! that its ClientHello was not changed. It asks only if nothing else speaks against the flight:
//! what does is found out when the next ticket is issued.

use std::time::Duration;

use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::binding::hello_extension;
use super::connection::{client_random, opened_in_this_handshake, session_id};
use super::ffi;
use super::handshake_state::{EarlyDataState, HandshakeState, hash};
use crate::resume::{EarlyDataCounters, EarlyDataOutcome, ResumedBy, Strike, StrikeRegister};
use crate::tickets::{RingKey, TicketRing};
use crate::{ConfigError, SessionId, Time};

/// How long a flight is remembered. OpenSSL takes one for eleven seconds: the age of the ticket
/// that it states may be a second too much and ten seconds too little.
const WINDOW: Duration = Duration::from_secs(30);

/// Early data (0-RTT) of clients that come back: how much, and how many flights.
///
/// A flight is accepted once, by the process that has sealed its ticket, or that has its session in
/// the cache. `docs/early-data.md` tells what that promises, and what a program has to do itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct EarlyData {
    pub(super) bytes: u32,
    pub(super) flights_per_second: usize,
}

impl EarlyData {
    /// Up to so many bytes in each flight; clients are told. At zero, none.
    pub fn up_to(bytes: u32) -> Self {
        Self {
            bytes,
            flights_per_second: 1_000,
        }
    }

    /// For how many flights a second there is room, by default 1,000. Up to four times as many are
    /// accepted for all but some of them; above that, most are refused. 5 MB for each thousand.
    pub fn flights_per_second(mut self, flights: usize) -> Self {
        self.flights_per_second = flights;
        self
    }
}

/// What OpenSSL says of a connection's early data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyDataStatus {
    /// The client sent none, or has not yet.
    NotSent,
    /// It was refused, and OpenSSL has skipped it: the client sends it again.
    Rejected,
    /// It was accepted, and the handshake is not complete: an observer may have sent it, who had
    /// held it back from its client's connection.
    Accepted,
    /// It was accepted, and the handshake is complete by now: the client itself is at the other
    /// end.
    Completed,
}

/// Decides on early data for one resumption.
pub(super) struct EarlyDataGate {
    pub(super) bytes: u32,
    pub(super) counters: EarlyDataCounters,
    register: StrikeRegister,
    started: Time,
    /// A process that has forked off has a register of its own, and its parent's tickets.
    process: u32,
}

impl EarlyDataGate {
    pub(super) fn new(wanted: EarlyData, ring: &TicketRing) -> Result<Self, ConfigError> {
        let clock = ring.clock_source().clone();
        Ok(Self {
            bytes: wanted.bytes,
            counters: EarlyDataCounters::default(),
            register: StrikeRegister::with_source(wanted.flights_per_second, WINDOW, clock)?,
            started: ring.now(),
            process: std::process::id(),
        })
    }

    pub(super) fn maintain(&self) {
        self.register.maintain();
    }

    /// A client that offers a session which may be resumed: remembers what is needed to tell why
    /// its early data, if it sends some, is not accepted.
    ///
    /// # Safety
    ///
    /// OpenSSL has called the callback for sessions or tickets of `ssl`; `session` is alive.
    pub(super) unsafe fn on_found(&self, ssl: *mut SSL, session: *mut SSL_SESSION) {
        // SAFETY: by contract.
        unsafe {
            if self.count_retried(ssl) || !offers_early_data(ssl) {
                return;
            }
            EarlyDataState::Offered {
                alpn: hash(session_alpn(session)),
            }
            .write(ssl);
        }
    }

    /// A session that is not resumed since its server name is another.
    ///
    /// # Safety
    ///
    /// OpenSSL has called the callback for sessions or tickets of `ssl`.
    pub(super) unsafe fn on_other_name(&self, ssl: *mut SSL) {
        // SAFETY: by contract.
        unsafe {
            if offers_early_data(ssl) {
                self.counters.count(EarlyDataOutcome::NameDiffers);
                EarlyDataState::Counted.write(ssl);
            }
        }
    }

    /// The second ClientHello of a connection, which carries no early data.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    unsafe fn count_retried(&self, ssl: *mut SSL) -> bool {
        // SAFETY: by contract.
        unsafe {
            let is_first = matches!(EarlyDataState::read(ssl), EarlyDataState::Offered { .. });
            let retried = is_first && is_rejected(ssl);
            if retried {
                self.counters.count(EarlyDataOutcome::Retried);
                EarlyDataState::Counted.write(ssl);
            }
            retried
        }
    }

    /// Whether a flight is accepted. Counts it. `take` takes a session out of the cache.
    ///
    /// # Safety
    ///
    /// OpenSSL asks whether to accept the early data of `ssl`.
    pub(super) unsafe fn accepts(
        &self,
        ssl: *mut SSL,
        ring: &TicketRing,
        take: impl FnOnce(&SessionId) -> bool,
    ) -> bool {
        // SAFETY: by contract.
        let (state, id, random, was_opened) = unsafe {
            (
                HandshakeState::read(ssl),
                session_id(sys::SSL_get_session(ssl)),
                client_random(ssl),
                // `SSL_clear` keeps what the handshake before has left.
                opened_in_this_handshake(ssl).is_some(),
            )
        };
        let outcome = if state.found == Some(ResumedBy::StatefulTicket) {
            match id.is_ok_and(|id| take(&id)) {
                true => EarlyDataOutcome::Accepted,
                false => EarlyDataOutcome::Replayed,
            }
        } else if state.ticket.is_own() && was_opened {
            // The binder covers the ClientHello, and so the client's random bytes, of which no two
            // ClientHellos have the same.
            self.strike(random, ring)
        } else {
            EarlyDataOutcome::Foreign
        };
        self.counters.count(outcome);
        // SAFETY: by contract.
        unsafe { EarlyDataState::Counted.write(ssl) };
        outcome == EarlyDataOutcome::Accepted
    }

    /// What becomes of the flight of a ticket that this process has sealed, or one that it has
    /// forked off.
    fn strike(&self, client_random: [u8; 32], ring: &TicketRing) -> EarlyDataOutcome {
        if std::process::id() != self.process {
            return EarlyDataOutcome::Foreign;
        }
        // Tickets of before the start are foreign. But they are told by chance, one in 2^50.
        let is_starting = ring.now().duration_since(self.started) <= WINDOW;
        if is_starting && !ring.load().iter().all(RingKey::is_local) {
            return EarlyDataOutcome::Starting;
        }
        let flight = SessionId::new(&client_random).expect("32 bytes");
        match self.register.strike(&flight) {
            Strike::First => EarlyDataOutcome::Accepted,
            Strike::Again => EarlyDataOutcome::Replayed,
            Strike::Full => EarlyDataOutcome::Full,
        }
    }

    /// A ticket is about to be issued: if early data was refused and [`accepts`](Self::accepts) was
    /// not asked, OpenSSL had another reason.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn on_issue(&self, ssl: *mut SSL) {
        // SAFETY: by contract.
        unsafe {
            let state = EarlyDataState::read(ssl);
            if state == EarlyDataState::Counted || !is_rejected(ssl) {
                return;
            }
            let outcome = match state {
                EarlyDataState::Offered { .. } if sys::SSL_session_reused(ssl) != 1 => {
                    EarlyDataOutcome::NotResumed
                }
                EarlyDataState::Offered { alpn } if alpn != hash(chosen_alpn(ssl)) => {
                    EarlyDataOutcome::AlpnDiffers
                }
                EarlyDataState::Offered { .. } => EarlyDataOutcome::TooOld,
                _ => EarlyDataOutcome::NotResumed,
            };
            self.counters.count(outcome);
            EarlyDataState::Counted.write(ssl);
        }
    }
}

/// # Safety
///
/// As [`hello_extension`].
unsafe fn offers_early_data(ssl: *mut SSL) -> bool {
    // SAFETY: by contract.
    unsafe { hello_extension(ssl, ffi::TLSEXT_TYPE_EARLY_DATA).is_some() }
}

/// # Safety
///
/// `ssl` is a live connection.
unsafe fn is_rejected(ssl: *const SSL) -> bool {
    // SAFETY: by contract.
    unsafe { ffi::SSL_get_early_data_status(ssl) == ffi::SSL_EARLY_DATA_REJECTED }
}

/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn status(ssl: *const SSL) -> EarlyDataStatus {
    // SAFETY: by contract.
    unsafe {
        match ffi::SSL_get_early_data_status(ssl) {
            ffi::SSL_EARLY_DATA_REJECTED => EarlyDataStatus::Rejected,
            ffi::SSL_EARLY_DATA_ACCEPTED if sys::SSL_is_init_finished(ssl) == 1 => {
                EarlyDataStatus::Completed
            }
            ffi::SSL_EARLY_DATA_ACCEPTED => EarlyDataStatus::Accepted,
            _ => EarlyDataStatus::NotSent,
        }
    }
}

/// The protocol that was chosen when a session was made; empty without one.
///
/// # Safety
///
/// `session` is alive for `'a`.
unsafe fn session_alpn<'a>(session: *const SSL_SESSION) -> &'a [u8] {
    let (mut bytes, mut len) = (std::ptr::null(), 0);
    // SAFETY: by contract.
    unsafe {
        ffi::SSL_SESSION_get0_alpn_selected(session, &mut bytes, &mut len);
        ffi::bytes(bytes, len)
    }
}

/// The protocol that was chosen on a connection; empty without one.
///
/// # Safety
///
/// `ssl` is alive for `'a`, and no handshake goes on.
unsafe fn chosen_alpn<'a>(ssl: *const SSL) -> &'a [u8] {
    let (mut bytes, mut len) = (std::ptr::null(), 0);
    // SAFETY: by contract.
    unsafe {
        sys::SSL_get0_alpn_selected(ssl, &mut bytes, &mut len);
        ffi::bytes(bytes, len as usize)
    }
}
