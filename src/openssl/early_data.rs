//! Early data (0-RTT): who decides whether a flight is accepted, and what a program asks for.
//!
//! OpenSSL asks last, after the binder, which shows that the client has the session's secret and
//! that its ClientHello was not changed. It asks only if nothing else speaks against the flight:
//! what does is found out when the next ticket is issued.

use std::time::Duration;

use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::client_hello;
use super::connection::{client_random, client_random_hash, session_id};
use super::ffi;
use super::handshake_state::{EarlyDataState, HandshakeState, hash};
use crate::resume::{EarlyDataCounters, EarlyDataOutcome, Strike, StrikeRegister};
use crate::state::{Reader, StateError, Writer};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::tickets::{RingKey, TicketRing};
use crate::{ConfigError, SessionId, Time};

/// How long a flight is remembered. OpenSSL takes one for eleven seconds: the age of the ticket
/// that it states may be a second too much and ten seconds too little.
const WINDOW: Duration = Duration::from_secs(30);

/// How long before OpenSSL asks it may have checked the flight's age, in milliseconds: callbacks of
/// the program run in between. With those eleven seconds it stays within [`WINDOW`].
const LONGEST_WAIT: u64 = 10_000;

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
    /// Up to this number of bytes in each flight; clients are told. At zero, none.
    pub fn up_to(bytes: u32) -> Self {
        Self {
            bytes,
            flights_per_second: 1_000,
        }
    }

    /// For how many flights a second there is room, by default 1,000. Up to four times as many are
    /// accepted for all but some of them; above that, most are refused. 7 to 11 MB for each
    /// thousand.
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
    /// Milliseconds by the ring's clock until which no flight is accepted.
    refuses_until: AtomicU64,
    /// A process that has forked off has a register and a cache of its own, and its parent's
    /// tickets and sessions.
    process: u32,
}

impl EarlyDataGate {
    pub(super) fn new(
        wanted: EarlyData,
        ring: &TicketRing,
        started: Time,
    ) -> Result<Self, ConfigError> {
        let clock = ring.clock_source().clone();
        Ok(Self {
            bytes: wanted.bytes,
            counters: EarlyDataCounters::default(),
            register: StrikeRegister::with_source(wanted.flights_per_second, WINDOW, clock)?,
            started,
            refuses_until: AtomicU64::new(0),
            process: std::process::id(),
        })
    }

    pub(super) fn maintain(&self) {
        self.register.maintain();
    }

    /// Accepts no flight from now on: each that was, or will have been, is in the register. Returns
    /// what [`reopen`](Self::reopen) takes.
    pub(super) fn close(&self) -> u64 {
        let before = self.refuses_until.swap(u64::MAX, Ordering::Relaxed);
        // Paired with the fence in `refuses`: of a flight that is struck now, either that thread
        // sees this, or this one finds the flight. As in `Shared::close`.
        fence(Ordering::SeqCst);
        before
    }

    pub(super) fn reopen(&self, before: u64) {
        self.refuses_until.store(before, Ordering::Relaxed);
    }

    /// Accepts none until no flight could come again that another process has accepted.
    pub(super) fn refuse_for_now(&self, now: Time) {
        let until = now.saturating_add(WINDOW).as_millis();
        self.refuses_until.fetch_max(until, Ordering::Relaxed);
    }

    /// After a strike: whether no flight is accepted any more.
    fn refuses(&self, now: Time) -> bool {
        fence(Ordering::SeqCst);
        now.as_millis() < self.refuses_until.load(Ordering::Relaxed)
    }

    pub(super) fn write_flights(&self, out: &mut Writer) {
        self.register.write(out);
    }

    /// Goes on for a process that has accepted these flights, and since it started. Without room
    /// for one of them, all are refused until none of them could come again.
    pub(super) fn inherit(&self, flights: Reader<'_>, now: Time) -> Result<(), StateError> {
        if !self.register.add(flights)? {
            self.refuse_for_now(now);
        }
        Ok(())
    }

    pub(super) fn started(&self) -> Time {
        self.started
    }

    /// A client that offers a session which may be resumed, and which this process has made or not:
    /// remembers what is needed to judge its early data, if it sends some.
    ///
    /// # Safety
    ///
    /// OpenSSL has called the callback for sessions or tickets of `ssl`; `session` is alive.
    pub(super) unsafe fn on_found(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        is_own: bool,
        now: Time,
    ) {
        // SAFETY: by contract.
        unsafe {
            let before = EarlyDataState::read(ssl);
            let random = client_random_hash(ssl);
            if before.found && before.offers && !before.counted && is_rejected(ssl) {
                // The second ClientHello of a connection, which carries no early data.
                self.count(ssl, before, EarlyDataOutcome::Retried);
                return;
            }
            let state = EarlyDataState {
                found: true,
                offers: offers_early_data(ssl),
                is_own,
                is_used: before.is_used || before.found && before.random != random,
                counted: before.counted && before.random == random,
                alpn: hash(session_alpn(session)),
                random,
            };
            state.write(ssl);
            EarlyDataState::write_found_at(ssl, now.as_millis());
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
                self.count(
                    ssl,
                    EarlyDataState::read(ssl),
                    EarlyDataOutcome::NameDiffers,
                );
            }
        }
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    unsafe fn count(&self, ssl: *mut SSL, state: EarlyDataState, outcome: EarlyDataOutcome) {
        self.counters.count(outcome);
        let state = EarlyDataState {
            counted: true,
            ..state
        };
        // SAFETY: by contract.
        unsafe { state.write(ssl) };
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
        let now = ring.now();
        // SAFETY: by contract.
        let (state, found, id, random, waited) = unsafe {
            (
                EarlyDataState::read(ssl),
                HandshakeState::read(ssl).found,
                session_id(sys::SSL_get_session(ssl)),
                client_random(ssl),
                EarlyDataState::since_found(ssl, now.as_millis()),
            )
        };
        // OpenSSL itself keeps some of what an earlier handshake on the object has found out.
        let is_of_this_hello = state.found && !state.is_used && state.random == hash(&random);
        let is_own = state.is_own && is_of_this_hello && std::process::id() == self.process;
        let outcome = match found {
            _ if !is_own => EarlyDataOutcome::Foreign,
            _ if waited > LONGEST_WAIT => EarlyDataOutcome::TooOld,
            Some(found) => {
                let is_cached = found.is_cached();
                match self.strike(random, is_cached, ring, now) {
                    // Both: another thread may have put the session back.
                    EarlyDataOutcome::Accepted if is_cached && !id.is_ok_and(|id| take(&id)) => {
                        EarlyDataOutcome::Replayed
                    }
                    outcome => outcome,
                }
            }
            None => EarlyDataOutcome::Foreign,
        };
        // SAFETY: by contract.
        unsafe { self.count(ssl, state, outcome) };
        outcome == EarlyDataOutcome::Accepted
    }

    /// What becomes of a flight with a session that this process has made. The binder covers the
    /// ClientHello, and so the client's random bytes, of which no two ClientHellos have the same.
    fn strike(
        &self,
        client_random: [u8; 32],
        is_cached: bool,
        ring: &TicketRing,
        now: Time,
    ) -> EarlyDataOutcome {
        // Tickets of before the start are foreign. But they are told by chance, one in 2^50.
        let is_starting = now.duration_since(self.started) <= WINDOW;
        if is_starting && !is_cached && !ring.load().iter().all(RingKey::is_local) {
            return EarlyDataOutcome::Starting;
        }
        let flight = SessionId::new(&client_random).expect("32 bytes");
        match self.register.strike(&flight) {
            Strike::First if self.refuses(now) => EarlyDataOutcome::Handover,
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
            if state.counted || !is_rejected(ssl) {
                return;
            }
            let outcome = if !state.found || sys::SSL_session_reused(ssl) != 1 {
                EarlyDataOutcome::NotResumed
            } else if state.alpn != hash(chosen_alpn(ssl)) {
                EarlyDataOutcome::AlpnDiffers
            } else {
                EarlyDataOutcome::TooOld
            };
            self.count(ssl, state, outcome);
        }
    }
}

/// # Safety
///
/// As [`client_hello::extension`].
unsafe fn offers_early_data(ssl: *mut SSL) -> bool {
    // SAFETY: by contract.
    unsafe { client_hello::extension(ssl, ffi::TLSEXT_TYPE_EARLY_DATA).is_some() }
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
