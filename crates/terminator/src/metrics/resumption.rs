//! The library's own statistics, read at each scrape.

use std::fmt;

use prometheus_client::collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rekindle::Stats;
use rekindle::openssl::Resumption;

use super::{ticket_keys, tickets};

#[derive(Debug)]
pub(crate) struct Collector {
    resumption: Resumption,
}

impl Collector {
    pub(crate) fn new(resumption: Resumption) -> Self {
        Self { resumption }
    }
}

impl collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cache = self.resumption.cache();
        let stats = cache.stats();
        let out = &mut encoder;
        cache_events(out, &stats)?;
        cache_refusals(out, &stats)?;
        gauge(
            out,
            "cache_capacity",
            "Sessions that the cache holds at most",
            None,
            cache.capacity(),
        )?;
        cache_sizes(out, &stats)?;
        tickets::encode(out, &self.resumption.ticket_stats())?;
        ticket_keys::encode(out, &self.resumption.ticket_ring().status())
    }
}

fn cache_events(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let lookups = [
        ("hit", stats.hits),
        ("miss", stats.misses),
        ("expired", stats.expired),
    ];
    labelled(
        out,
        "cache_lookups",
        "Lookups in the session cache, by result",
        "result",
        &lookups,
    )?;
    counter(
        out,
        "cache_inserts",
        "Sessions put into the cache under an id of their own",
        stats.inserts,
    )?;
    counter(
        out,
        "cache_replaced",
        "Sessions that a newer one of the same id replaced",
        stats.replaced,
    )?;
    counter(out, "cache_removed", "Sessions removed", stats.removed)?;
    counter(
        out,
        "cache_taken",
        "Sessions removed and handed out in one step",
        stats.taken,
    )
}

fn cache_refusals(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let evictions = [
        ("expired", stats.evicted.expired),
        ("unused", stats.evicted.unused),
        ("idle", stats.evicted.idle),
        ("line_full", stats.evicted.line_full),
    ];
    labelled(
        out,
        "cache_evictions",
        "Sessions that made room for others, by reason",
        "reason",
        &evictions,
    )?;
    let refusals = [
        ("too_large", stats.refused.too_large),
        ("over_budget", stats.refused.over_budget),
        ("reclamation", stats.refused.reclamation),
    ];
    labelled(
        out,
        "cache_refusals",
        "Sessions that the cache did not take, by reason",
        "reason",
        &refusals,
    )
}

fn cache_sizes(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let bytes = Some(&Unit::Bytes);
    gauge(
        out,
        "cache_entries",
        "Sessions in the cache",
        None,
        stats.entries,
    )?;
    gauge(
        out,
        "cache_size",
        "Memory of the sessions in the cache",
        bytes,
        stats.bytes,
    )?;
    gauge(
        out,
        "cache_retired_objects",
        "Entries and lines unlinked and not yet reclaimed",
        None,
        stats.retired,
    )?;
    gauge(
        out,
        "cache_retired",
        "Memory unlinked and not yet reclaimed",
        bytes,
        stats.retired_bytes,
    )
}

pub(super) fn counter(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> fmt::Result {
    ConstCounter::new(value).encode(out.encode_descriptor(name, help, None, MetricType::Counter)?)
}

pub(super) fn labelled(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&'static str, u64)],
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

pub(super) fn gauge(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: usize,
) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(out.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}
