//! The collector that a registry holds.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rekindle::openssl::Resumption;

use crate::{cache, conflicts, early_data, refusals, ticket_keys, tickets};

/// Reads the statistics of a [`Resumption`] at each scrape: cache, tickets, early data and
/// ticket keys.
///
/// It holds the resumption for as long as the registry holds the collector.
#[derive(Debug)]
pub struct ResumptionCollector {
    resumption: Resumption,
}

impl ResumptionCollector {
    /// A collector to register with
    /// [`Registry::register_collector`](prometheus_client::registry::Registry::register_collector).
    pub fn new(resumption: Resumption) -> Self {
        Self { resumption }
    }
}

impl Collector for ResumptionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cache = self.resumption.cache();
        cache::encode(&mut encoder, &cache.stats(), cache.capacity())?;
        tickets::encode(&mut encoder, &self.resumption.ticket_stats())?;
        refusals::encode(&mut encoder, &self.resumption.session_stats())?;
        early_data::encode(&mut encoder, &self.resumption.early_data_stats())?;
        conflicts::encode(&mut encoder, &self.resumption.conflicts())?;
        ticket_keys::encode(&mut encoder, &self.resumption.ticket_ring().status())
    }
}
