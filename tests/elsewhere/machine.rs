//! Machines that carry sessions from one to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use openssl::ssl::SslContext;
use rekindle::openssl::{EarlyData, Resumption, ResumptionBuilder, Scope, StoreError};
use rekindle::resume::TlsLibrary;
use rekindle::tickets::TicketRing;
use rekindle::{Cache, SessionId, Time};

use crate::clock::TwoClocks;
use crate::common::{self, Client, Mechanism, server_builder};
pub(crate) use crate::told::Stored;
use crate::told::Told;

/// By how much clocks are apart, and more than a test takes: OpenSSL goes by the time of now.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) struct Machine {
    pub(crate) clock: Arc<TwoClocks>,
    pub(crate) resumption: Resumption,
    told: Told,
}

pub(crate) fn scope() -> Scope {
    Scope::new("shop.example")
}

/// The time of day, which OpenSSL writes into sessions.
pub(crate) fn unix() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

impl Machine {
    pub(crate) fn new(kind: Mechanism) -> Self {
        Self::configured(kind, |builder| builder)
    }

    pub(crate) fn with_early_data() -> Self {
        let accept = |builder: ResumptionBuilder| builder.early_data(EarlyData::up_to(1_000));
        Self::configured(Mechanism::Tls13Stateful, accept)
    }

    pub(crate) fn configured(
        kind: Mechanism,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
    ) -> Self {
        // No two came up at the same time.
        static UP: AtomicU64 = AtomicU64::new(0);
        let up = Duration::from_secs(86_400 + 1_000 * UP.fetch_add(1, Ordering::Relaxed));
        Self::that_came_up(kind, up, configure)
    }

    pub(crate) fn that_came_up(
        kind: Mechanism,
        ago: Duration,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
    ) -> Self {
        let clock = Arc::new(TwoClocks::new(ago, unix()));
        let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
        let cache = Cache::builder().capacity(1_000).clock(clock.clone());
        let builder = Resumption::builder()
            .cache(common::cache(cache))
            .stateless_tickets(kind.stateless())
            .ticket_ring(Arc::new(ring));
        Self::of(configure(builder).build().unwrap(), clock)
    }

    pub(crate) fn of(resumption: Resumption, clock: Arc<TwoClocks>) -> Self {
        let told = Told::default();
        resumption.watch(told.watcher(TlsLibrary::OpenSsl, clock.clone()));
        Self {
            clock,
            resumption,
            told,
        }
    }

    pub(crate) fn server(&self) -> SslContext {
        self.server_of(&scope())
    }

    pub(crate) fn server_of(&self, scope: &Scope) -> SslContext {
        let mut builder = server_builder(b"");
        self.resumption.install_scoped(&mut builder, scope).unwrap();
        builder.build()
    }

    /// The sessions that were stored since it was asked last.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.told.take()
    }

    /// A client that has come for the first time, and its last session.
    pub(crate) fn visited(&self, kind: Mechanism) -> (Client, Stored) {
        let client = Client::new(kind);
        client.connect(&self.server());
        (client, self.stored().pop().expect("a session"))
    }

    pub(crate) fn insert(&self, session: &Stored) -> Result<bool, StoreError> {
        let expires_at = self.end_of(session);
        (self.resumption).insert_from_elsewhere(&session.id, &session.encoded, expires_at)
    }

    pub(crate) fn end_of(&self, session: &Stored) -> Time {
        self.resumption.cache().now().saturating_add(session.left)
    }

    /// All that the cache holds, and whether it has changed.
    pub(crate) fn content(&self) -> Vec<(SessionId, Vec<u8>, Time)> {
        common::content(self.resumption.cache())
    }
}
