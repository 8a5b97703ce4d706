//! Tickets that carry their session: sealed and opened with the keys of a ring.
//!
//! OpenSSL asks in this order. A ticket that a client shows: [`Sealer::open`], then
//! [`Sealer::on_decrypted`]. A ticket that the server issues: [`Sealer::on_issue`], then
//! [`Sealer::seal`], on the same thread with nothing but OpenSSL in between.

use std::ffi::c_int;
use std::sync::Arc;

use openssl_sys::{self as sys, SSL, SSL_CTX, SSL_SESSION};

use super::binding::{Bindings, Unbound};
use super::cipher::{Ciphers, Contexts, Direction};
use super::conflicts::{Conflict, ConflictCounters};
use super::connection::{
    client_random_hash, fits_suite, id_context, is_tls13, opened_in_this_handshake,
};
use super::early_data::EarlyDataGate;
use super::handshake_state::{HandshakeState, TicketState, hash};
use super::issuing::{Decided, ISSUING, Issuing};
use super::session_times::{Lifetimes, left_of_key, read_record, times, write_record};
use super::{ffi, last_second, quic};
use crate::Time;
use crate::resume::{
    AgeCheck, Began, Issuance, IvTimestamps, Outcome, PositionIndex, ResumedBy, TicketCounters,
};
use crate::tickets::{KeyLookup, TicketRing};

pub(super) struct Sealer {
    pub(super) ring: Arc<TicketRing>,
    pub(super) lifetimes: Lifetimes,
    pub(super) counters: TicketCounters,
    pub(super) conflicts: ConflictCounters,
    pub(super) bindings: Bindings,
    pub(super) early_data: Option<EarlyDataGate>,
    pub(super) timestamps: IvTimestamps,
    ciphers: Ciphers,
}

impl Sealer {
    pub(super) fn new(
        ring: Arc<TicketRing>,
        lifetimes: Lifetimes,
        bindings: Bindings,
        early_data: Option<EarlyDataGate>,
        timestamps: IvTimestamps,
        ciphers: Ciphers,
    ) -> Self {
        Self {
            ring,
            lifetimes,
            counters: TicketCounters::new(),
            conflicts: ConflictCounters::default(),
            bindings,
            early_data,
            timestamps,
            ciphers,
        }
    }

    /// Prepares to seal a ticket. In OpenSSL's terms: 1, or 0 when it cannot be sealed (no ticket).
    ///
    /// # Safety
    ///
    /// - `ssl` is a live connection.
    /// - `contexts` are alive, and no other thread uses them.
    pub(super) unsafe fn seal(
        &self,
        ssl: *mut SSL,
        name: &mut [u8; 16],
        iv: &mut [u8; 16],
        contexts: Contexts,
    ) -> c_int {
        let issuing = ISSUING.take().filter(|issuing| issuing.ssl == ssl);
        quic::forget_opening();
        let (loaded, current);
        loaded = self.ring.load();
        let (key, now) = match issuing.and_then(|issuing| issuing.decided?.find(&loaded)) {
            Some(found) => found,
            // Only if an update has dropped that key in between.
            None => {
                current = self.ring.load_to_seal();
                let (keys, now) = &current;
                let Some(sealing) = keys.sealing(*now) else {
                    return 0;
                };
                (sealing.key(), *now)
            }
        };
        *name = *key.name();
        let random = self.ciphers.randomize(&mut iv[..IvTimestamps::RANDOM]);
        // SAFETY: by contract.
        let ready = unsafe {
            let time = sys::SSL_SESSION_get_time(sys::SSL_get_session(ssl)) as i64;
            self.timestamps
                .write(self.issued_at(ssl, now.as_millis()), time, iv);
            random && self.ciphers.set_key(contexts, key, iv, Direction::Seal)
        };
        if !ready {
            return 0;
        }
        if issuing.is_none() {
            self.conflicts.count(Conflict::SessionTicketCallback);
        }
        self.counters.count(Outcome::Sealed);
        1
    }

    /// Prepares to open a ticket with the key of that name. In OpenSSL's terms: 1 for a key that
    /// seals or will, 2 for one that no longer does (renew the ticket), 0 without one (full
    /// handshake).
    ///
    /// # Safety
    ///
    /// As [`seal`](Self::seal).
    pub(super) unsafe fn open(
        &self,
        ssl: *mut SSL,
        name: &[u8; 16],
        iv: &[u8; 16],
        contexts: Contexts,
    ) -> c_int {
        // SAFETY: by contract.
        if unsafe { opened_in_this_handshake(ssl) }.is_some() {
            // The ticket before, of several or in the client's first hello, was of no use.
            self.counters.count(Outcome::Unusable);
        }
        // SAFETY: by contract.
        unsafe { quic::begin_opening(ssl) };
        let (keys, now) = self.ring.load_to_open(name);
        let missing = |outcome: Option<Outcome>| {
            outcome.inspect(|outcome| self.counters.count(*outcome));
            // SAFETY: by contract.
            unsafe { HandshakeState::from(TicketState::NoKey).write(ssl) };
            0
        };
        let (key, position) = match keys.opening(name, now) {
            KeyLookup::Key(key, position) => (key.key(), PositionIndex::from(position)),
            KeyLookup::Retired => return missing(Some(Outcome::RetiredKey)),
            KeyLookup::Unknown => return missing(Some(Outcome::UnknownKey)),
        };
        // SAFETY: as in `seal`.
        if !unsafe { self.ciphers.set_key(contexts, key, iv, Direction::Open) } {
            // An error would end the handshake; a full one may still succeed.
            return missing(None);
        }
        let now = now.as_millis();
        let ticket = match self.timestamps.age(iv, now) {
            Some(age) => {
                // SAFETY: by contract.
                unsafe { HandshakeState::write_age(ssl, now, age) };
                TicketState::Own(position)
            }
            None => TicketState::Foreign(position),
        };
        // SAFETY: by contract.
        unsafe { HandshakeState::from(ticket).write(ssl) };
        1 + c_int::from(position.is_previous())
    }

    /// What OpenSSL is to do with a ticket that it has tried to open; `session` is what was in it,
    /// or null. In TLS 1.3 the client gets a new ticket in any case: each is for one use.
    ///
    /// # Safety
    ///
    /// - `ssl` is a live connection.
    /// - `session` is null, or alive and out of reach of other threads.
    pub(super) unsafe fn on_decrypted(
        &self,
        ssl: *mut SSL,
        status: c_int,
        session: *mut SSL_SESSION,
    ) -> c_int {
        // SAFETY: by contract.
        unsafe {
            let ssl = quic::of_program(ssl);
            self.check(ssl, status, session).unwrap_or_else(|outcome| {
                outcome.inspect(|outcome| self.counters.count(*outcome));
                HandshakeState::default().write(ssl);
                ffi::SSL_TICKET_RETURN_IGNORE_RENEW
            })
        }
    }

    /// What OpenSSL is to do, or the outcome to count for a ticket that it is to ignore, if any.
    ///
    /// # Safety
    ///
    /// As [`on_decrypted`](Self::on_decrypted).
    unsafe fn check(
        &self,
        ssl: *mut SSL,
        status: c_int,
        session: *mut SSL_SESSION,
    ) -> Result<c_int, Option<Outcome>> {
        let opens = [ffi::SSL_TICKET_SUCCESS, ffi::SSL_TICKET_SUCCESS_RENEW];
        // SAFETY: by contract.
        let ticket = unsafe { HandshakeState::read(ssl) }.ticket;
        let position = match ticket {
            TicketState::Own(position) | TicketState::Foreign(position) => position,
            TicketState::NoKey => return Err(None),
            _ if status == ffi::SSL_TICKET_NO_DECRYPT => return Err(Some(Outcome::Malformed)),
            _ => {
                if opens.contains(&status) {
                    self.conflicts.count(Conflict::TicketKeyCallback);
                }
                return Err(None);
            }
        };
        if session.is_null() || !opens.contains(&status) {
            return Err(Some(Outcome::BadMac));
        }
        let (now, unix) = (self.ring.now().as_millis(), self.ring.unix_time());
        // SAFETY: by contract.
        let (times, own_age) = unsafe {
            let own_age = match ticket {
                TicketState::Own(_) => Some(HandshakeState::age(ssl, now)),
                _ => None,
            };
            (times(session), own_age)
        };
        let is_own = |age: &u64| {
            let issued_at = now.wrapping_sub(*age);
            self.timestamps.is_own(issued_at, times.time, now, unix)
        };
        let own_age = own_age.filter(is_own);
        let age = own_age.unwrap_or_else(|| times.age_by_wall_clock(unix));
        // SAFETY: by contract.
        let check = unsafe { self.lifetimes.check(session, &times, age, unix) };
        let (age, lineage, renewable) = match check {
            AgeCheck::Expired => return Err(Some(Outcome::Expired)),
            AgeCheck::LineageEnded => return Err(Some(Outcome::LineageEnded)),
            AgeCheck::Valid {
                age,
                lineage,
                renewable,
            } => (age, lineage, renewable),
        };
        let began = match own_age {
            Some(_) => Began::Here(Time::from_millis(now).saturating_sub(lineage)),
            None => Began::Elsewhere(times.began()),
        };
        // SAFETY: by contract.
        match unsafe { self.bindings.check(ssl, session, began) } {
            Ok(()) => {}
            Err(Unbound::NameDiffers) => {
                if let Some(gate) = &self.early_data {
                    // SAFETY: by contract.
                    unsafe { gate.on_other_name(ssl) };
                }
                return Err(Some(Outcome::NameDiffers));
            }
            Err(Unbound::Revoked) => return Err(Some(Outcome::Revoked)),
        }
        self.counters.opened(position, age);
        // SAFETY: by contract.
        unsafe {
            if !fits_suite(ssl, session) {
                // OpenSSL would ignore the ticket, call nothing, and give the client no other.
                return Err(Some(Outcome::Unusable));
            }
            let lineage = lineage.as_millis() as u64;
            // The ticket of a full handshake has its lineage's age, which `open` has written.
            if own_age != Some(lineage) {
                HandshakeState::write_age(ssl, now, lineage);
            }
            if let Some(gate) = &self.early_data {
                gate.on_found(ssl, session, own_age.is_some(), Time::from_millis(now));
            }
            Ok(self.accept(ssl, session, position, renewable))
        }
    }

    /// # Safety
    ///
    /// As [`on_decrypted`](Self::on_decrypted), and `session` is not null.
    unsafe fn accept(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        position: PositionIndex,
        renewable: bool,
    ) -> c_int {
        let found = if position.is_previous() {
            ResumedBy::RenewedTicket
        } else {
            ResumedBy::Ticket
        };
        // SAFETY: by contract.
        let renew = unsafe {
            let state = HandshakeState {
                found: Some(found),
                ticket: TicketState::Opened {
                    id_context: hash(id_context(session)),
                    client_random: client_random_hash(ssl),
                },
            };
            state.write(ssl);
            last_second::add_to(session);
            if is_tls13(ssl) {
                renewable
            } else {
                position.is_previous()
            }
        };
        if renew {
            ffi::SSL_TICKET_RETURN_USE_RENEW
        } else {
            ffi::SSL_TICKET_RETURN_USE
        }
    }

    /// Called before OpenSSL issues a NewSessionTicket, stateless or stateful: limits the session's
    /// lifetime.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection, `context` the one that it was made from, and `session` its
    /// session.
    pub(super) unsafe fn on_issue(
        &self,
        ssl: *mut SSL,
        context: *const SSL_CTX,
        session: *mut SSL_SESSION,
        stateful: bool,
    ) {
        ISSUING.set(Some(Issuing { ssl, decided: None }));
        quic::forget_opening();
        // SAFETY: by contract.
        unsafe {
            let state = HandshakeState::read(ssl);
            let (reused, tls13) = (sys::SSL_session_reused(ssl) == 1, is_tls13(ssl));
            let of_cache = state.found.is_some_and(ResumedBy::is_cached);
            if !reused && state.ticket != TicketState::Full {
                self.conflicts.count(Conflict::NotResumableCallback);
            }
            let is_own =
                || state.ticket == TicketState::Parsed || opened_in_this_handshake(ssl).is_some();
            if reused && !tls13 && is_own() {
                last_second::take_from(session);
            }
            // Not the session in the cache itself, which other connections use: its lifetime stays.
            if !(reused && of_cache && !tls13) {
                // First, so that the lineage is no younger than the ticket's own time says.
                let left = if stateful { u64::MAX } else { self.decide(ssl) };
                let issuance = Issuance {
                    lineage: self.lineage(ssl, session, state.ticket, reused),
                    continues: reused && !tls13,
                    renews: reused && tls13,
                };
                if !issuance.continues || read_record(session).is_none() {
                    write_record(
                        session,
                        self.bindings.record_of(ssl, session, issuance.lineage),
                    );
                }
                self.lifetimes
                    .limit(ssl, context, session, issuance, left, &self.ring);
            }
        }
    }

    /// Decides which key is to seal the ticket. How long that key still opens, in milliseconds; 0
    /// without one.
    fn decide(&self, ssl: *mut SSL) -> u64 {
        let (keys, now) = self.ring.load_to_seal();
        let Some(sealing) = keys.sealing(now) else {
            return 0;
        };
        let key = sealing.key().fingerprint();
        let decided = Some(Decided { key, now });
        ISSUING.set(Some(Issuing { ssl, decided }));
        left_of_key(sealing, &keys.policy(), now)
    }

    /// A full handshake has begun, and a lineage with it. Counts why a ticket was not used, if one
    /// was opened all the same.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn on_full_handshake(&self, ssl: *mut SSL) {
        quic::forget_opening();
        // SAFETY: by contract.
        unsafe {
            let session = sys::SSL_get_session(ssl);
            if let (Some(of_ticket), false) = (opened_in_this_handshake(ssl), session.is_null()) {
                self.counters
                    .count(if of_ticket == hash(id_context(session)) {
                        Outcome::Unusable
                    } else {
                        Outcome::ContextDiffers
                    });
            }
            HandshakeState::from(TicketState::Full).write(ssl);
            HandshakeState::write_age(ssl, self.ring.now().as_millis(), 0);
        }
    }

    /// How old the lineage of a session is that is about to be issued, in milliseconds.
    ///
    /// # Safety
    ///
    /// As [`on_issue`](Self::on_issue).
    unsafe fn lineage(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        ticket: TicketState,
        reused: bool,
    ) -> u64 {
        let now = self.ring.now().as_millis();
        // SAFETY: by contract.
        unsafe {
            match ticket {
                TicketState::Opened { .. } if reused && opened_in_this_handshake(ssl).is_some() => {
                    HandshakeState::age(ssl, now)
                }
                TicketState::Full => HandshakeState::age(ssl, now),
                // From the cache: the record has come along, and the session's time is new.
                _ if reused => times(session).lineage_before(),
                _ => 0,
            }
        }
    }

    /// When the session of a ticket was issued, by the ring's clock in milliseconds: now, unless a
    /// renewed ticket of TLS 1.2 continues an older session.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    unsafe fn issued_at(&self, ssl: *mut SSL, now: u64) -> u64 {
        // SAFETY: by contract.
        unsafe {
            if is_tls13(ssl) || sys::SSL_session_reused(ssl) != 1 {
                return now;
            }
            let age = match HandshakeState::read(ssl).ticket {
                TicketState::Opened { .. } => HandshakeState::age(ssl, now),
                // A session of the cache.
                _ => times(sys::SSL_get_session(ssl)).age_by_wall_clock(self.ring.unix_time()),
            };
            now.wrapping_sub(age)
        }
    }
}
