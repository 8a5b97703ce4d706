//! The session cache.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;
use rekindle::Stats;

use crate::encode::{counter, gauge, labelled};

pub(crate) fn encode(
    out: &mut DescriptorEncoder<'_>,
    stats: &Stats,
    capacity: usize,
) -> fmt::Result {
    events(out, stats)?;
    refusals(out, stats)?;
    let help = "Sessions that the cache holds at most";
    gauge(out, "cache_capacity", help, None, capacity)?;
    sizes(out, stats)
}

fn events(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let lookups = [
        ("hit", stats.hits),
        ("miss", stats.misses),
        ("expired", stats.expired),
    ];
    let help = "Lookups in the session cache, by result";
    labelled(out, "cache_lookups", help, "result", &lookups)?;
    let help = "Sessions put into the cache under an id of their own";
    counter(out, "cache_inserts", help, stats.inserts)?;
    let help = "Sessions that a newer one of the same id replaced";
    counter(out, "cache_replaced", help, stats.replaced)?;
    counter(out, "cache_removed", "Sessions removed", stats.removed)?;
    let help = "Sessions removed and handed out in one step";
    counter(out, "cache_taken", help, stats.taken)
}

fn refusals(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let evictions = [
        ("expired", stats.evicted.expired),
        ("unused", stats.evicted.unused),
        ("idle", stats.evicted.idle),
        ("line_full", stats.evicted.line_full),
    ];
    let help = "Sessions that made room for others, by reason";
    labelled(out, "cache_evictions", help, "reason", &evictions)?;
    let refusals = [
        ("too_large", stats.refused.too_large),
        ("over_budget", stats.refused.over_budget),
        ("reclamation", stats.refused.reclamation),
    ];
    let help = "Sessions that the cache did not take, by reason";
    labelled(out, "cache_refusals", help, "reason", &refusals)
}

fn sizes(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let bytes = Some(&Unit::Bytes);
    let help = "Sessions in the cache";
    gauge(out, "cache_entries", help, None, stats.entries)?;
    let help = "Memory of the sessions in the cache";
    gauge(out, "cache_size", help, bytes, stats.bytes)?;
    let help = "Entries and lines unlinked and not yet reclaimed";
    gauge(out, "cache_retired_objects", help, None, stats.retired)?;
    let help = "Memory unlinked and not yet reclaimed";
    gauge(out, "cache_retired", help, bytes, stats.retired_bytes)
}
