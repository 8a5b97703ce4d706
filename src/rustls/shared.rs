//! What all stores and ticketers of a resumption have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::Cache;
use crate::hooks::SessionHooks;
use crate::resume::{Maintainer, Revocations, StoreCounters, TicketCounters, Watchers};
use crate::tickets::{TicketKeyError, TicketRing};

/// What has a cache that sessions of rustls can be in, beside other values perhaps: all of such a
/// session is in its encoding.
pub trait CacheOwner: Send + Sync + 'static {
    /// The cache's values; those of rustls's sessions are the default one.
    type Value: Default + Send + Sync + 'static;

    /// The cache.
    fn cache(&self) -> &Cache<Self::Value>;
}

impl<V: Default + Send + Sync + 'static> CacheOwner for Cache<V> {
    type Value = V;

    fn cache(&self) -> &Self {
        self
    }
}

pub(super) struct Shared<C> {
    pub(super) owner: Arc<C>,
    pub(super) ring: Arc<TicketRing>,
    pub(super) hooks: Arc<SessionHooks>,
    pub(super) session_timeout: Duration,
    pub(super) revocations: Arc<Revocations>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) store: StoreCounters,
    pub(super) tickets: Arc<TicketCounters>,
    pub(super) maintainer: Maintainer,
}

impl<C: CacheOwner> Shared<C> {
    pub(super) fn maintain(&self) -> Result<(), TicketKeyError> {
        self.owner.cache().maintain();
        self.ring.maintain()
    }
}
