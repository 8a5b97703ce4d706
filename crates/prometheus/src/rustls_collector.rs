//! The collector for servers on rustls.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rekindle::rustls::{CacheOwner, Resumption};

use crate::{cache, store, ticket_keys, tickets};

/// Reads the statistics of a [`Resumption`] of rustls at each scrape: cache, store, tickets and
/// ticket keys.
///
/// It holds the resumption for as long as the registry holds the collector.
pub struct RustlsCollector<C: CacheOwner> {
    resumption: Resumption<C>,
}

impl<C: CacheOwner> RustlsCollector<C> {
    /// A collector to register with
    /// [`Registry::register_collector`](prometheus_client::registry::Registry::register_collector).
    pub fn new(resumption: Resumption<C>) -> Self {
        Self { resumption }
    }
}

impl<C: CacheOwner> Collector for RustlsCollector<C> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cache = self.resumption.cache();
        cache::encode(&mut encoder, &cache.stats(), cache.capacity())?;
        store::encode(&mut encoder, &self.resumption.store_stats())?;
        tickets::encode(&mut encoder, &self.resumption.ticket_stats())?;
        ticket_keys::encode(&mut encoder, &self.resumption.ticket_ring().status())
    }
}

impl<C: CacheOwner> fmt::Debug for RustlsCollector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resumption = &self.resumption;
        f.debug_struct("RustlsCollector")
            .field("resumption", resumption)
            .finish()
    }
}
