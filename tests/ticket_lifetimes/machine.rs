//! A machine with a clock of its own, and what clients do to it.

use std::ffi::{c_long, c_ulong};
use std::sync::Arc;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::ssl::{SslContext, SslContextBuilder, SslSession, SslSessionRef};
use openssl_sys::SSL_SESSION;
use proptest::prelude::ProptestConfig;
use rekindle::openssl::{Resumption, ResumptionBuilder, TicketStats};
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyRole, TicketCipher, TicketKey, TicketKeys, TicketPolicy, TicketRing,
    TicketRingBuilder, Validity,
};
use rekindle::{Cache, Clock};

use crate::clock::TwoClocks;
use crate::common::{self, Client, Connection, Mechanism, server_builder};
use crate::records::record;
use crate::wall_clock;

unsafe extern "C" {
    fn SSL_SESSION_get_ticket_lifetime_hint(session: *const SSL_SESSION) -> c_ulong;
    fn SSL_SESSION_set_time(session: *mut SSL_SESSION, time: c_long) -> c_long;
}

pub(crate) const HOUR: u64 = 3_600;

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Up for a day; its wall clock shows the real time.
pub(crate) fn a_clock() -> Arc<TwoClocks> {
    // At a second's beginning, so that a test can say where in a second it is.
    let unix = secs(wall_clock::real().as_secs());
    Arc::new(TwoClocks::new(secs(86_400), unix))
}

pub(crate) fn ring(clock: &Arc<TwoClocks>) -> TicketRingBuilder {
    TicketRing::builder().clock(clock.clone())
}

pub(crate) fn own_keys(clock: &Arc<TwoClocks>) -> TicketRing {
    ring(clock).own_keys().build().unwrap()
}

/// Keys that rotate once in `period` seconds, and open for `lifetime` seconds more.
pub(crate) fn rotating_keys(clock: &Arc<TwoClocks>, period: u64, lifetime: u64) -> TicketRing {
    let policy = TicketPolicy::default().period(secs(period));
    let ring = ring(clock).policy(policy.lifetime(secs(lifetime)));
    ring.own_keys().build().unwrap()
}

pub(crate) fn given_keys(clock: &Arc<TwoClocks>, records: &[u8]) -> TicketRing {
    let keys = TicketKeys::parse(records).unwrap();
    ring(clock).keys(&keys).build().unwrap()
}

/// As [`given_keys`], of the key of that number.
pub(crate) fn given_key(number: u8) -> impl Fn(&Arc<TwoClocks>) -> TicketRing {
    move |clock| given_keys(clock, &record(number))
}

/// A key with times by the wall clock, in seconds from now on.
pub(crate) fn timed(clock: &TwoClocks, from: i64, seal_until: i64, open_until: i64) -> KeyEntry {
    let now = clock.unix_time().as_secs();
    let at = |seconds| secs(now.checked_add_signed(seconds).expect("after 1970"));
    let table = Validity {
        seal_from: at(from),
        seal_until: at(seal_until),
        open_until: at(open_until),
    };
    let key = TicketKey::random(TicketCipher::Aes128).unwrap();
    KeyEntry::new(key, KeyRole::Timed(table), KeyLocation::record(0))
}

/// A configuration with that session timeout.
pub(crate) fn timeout(seconds: u64) -> impl FnOnce(ResumptionBuilder) -> ResumptionBuilder + Copy {
    move |builder| builder.session_timeout(secs(seconds))
}

pub(crate) struct Machine {
    kind: Mechanism,
    pub(crate) clock: Arc<TwoClocks>,
    pub(crate) resumption: Resumption,
    pub(crate) server: SslContext,
}

impl Machine {
    pub(crate) fn new(clock: &Arc<TwoClocks>, kind: Mechanism, ring: TicketRing) -> Self {
        Self::with(clock, kind, ring, |builder| builder)
    }

    pub(crate) fn with(
        clock: &Arc<TwoClocks>,
        kind: Mechanism,
        ring: TicketRing,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
    ) -> Self {
        Self::on(clock, kind, ring, configure, |_, _| ())
    }

    /// A machine with a clock of its own, and a client that speaks to it.
    pub(crate) fn and_client(
        kind: Mechanism,
        keys: impl FnOnce(&Arc<TwoClocks>) -> TicketRing,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
    ) -> (Self, Client) {
        let clock = a_clock();
        let machine = Self::with(&clock, kind, keys(&clock), configure);
        (machine, Client::new(kind))
    }

    /// A new client, after a full handshake.
    pub(crate) fn visitor(&self) -> Client {
        let client = Client::new(self.kind);
        self.connect(&client);
        client
    }

    /// The session resumes this number of seconds from now, and not a second later.
    #[track_caller]
    pub(crate) fn has_its_last_second_after(
        &self,
        seconds: u64,
        client: &Client,
        session: &SslSessionRef,
    ) {
        self.pass(seconds);
        let resumed = self.offer(client, session).resumed();
        assert!(resumed, "{:?}, after {seconds} s", self.kind);
        self.pass(1);
        let resumed = self.offer(client, session).resumed();
        assert!(!resumed, "{:?}, a second later", self.kind);
    }

    pub(crate) fn on(
        clock: &Arc<TwoClocks>,
        kind: Mechanism,
        ring: TicketRing,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
        context: impl FnOnce(&mut SslContextBuilder, &Resumption),
    ) -> Self {
        wall_clock::is_by(clock);
        let cache = Cache::builder().capacity(100).clock(clock.clone());
        let builder = Resumption::builder().cache(common::cache(cache));
        let builder = builder.stateless_tickets(kind.stateless());
        let builder = configure(builder.ticket_ring(Arc::new(ring)));
        let resumption = builder.build().unwrap();
        let mut server = server_builder(b"tests");
        resumption.install(&mut server).unwrap();
        context(&mut server, &resumption);
        Self {
            kind,
            clock: clock.clone(),
            resumption,
            server: server.build(),
        }
    }

    /// Time passes on this machine.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.pass(secs(seconds));
        self.resumption.maintain().unwrap();
    }

    /// A full handshake.
    pub(crate) fn connect(&self, client: &Client) -> Connection {
        wall_clock::is_by(&self.clock);
        client.connect(&self.server)
    }

    /// A handshake that offers the session that the client was given last.
    pub(crate) fn reconnect(&self, client: &Client) -> Connection {
        self.offer(client, &client.session())
    }

    pub(crate) fn offer(&self, client: &Client, session: &SslSessionRef) -> Connection {
        wall_clock::is_by(&self.clock);
        client.offer(&self.server, &stubborn(&self.clock, session))
    }

    pub(crate) fn stats(&self) -> TicketStats {
        self.resumption.ticket_stats()
    }
}

/// The session as a client has it that ignores the lifetime: OpenSSL's own would not show a ticket
/// of TLS 1.3 after it.
pub(crate) fn stubborn(clock: &TwoClocks, session: &SslSessionRef) -> SslSession {
    let copy = SslSession::from_der(&session.to_der().unwrap()).unwrap();
    // SAFETY: the copy is this function's alone.
    unsafe { SSL_SESSION_set_time(copy.as_ptr(), clock.unix_time().as_secs() as c_long) };
    copy
}

/// The lifetime that the client's last ticket came with (`ticket_lifetime_hint`), in seconds.
pub(crate) fn hint(client: &Client) -> u64 {
    hint_of(&client.session())
}

pub(crate) fn hint_of(session: &SslSessionRef) -> u64 {
    // SAFETY: a live session.
    unsafe { SSL_SESSION_get_ticket_lifetime_hint(session.as_ptr()) as u64 }
}
