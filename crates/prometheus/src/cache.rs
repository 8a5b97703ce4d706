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
    let (evicted, refused) = (stats.evicted, stats.refused);
    let lookups = [
        ("hit", stats.hits),
        ("miss", stats.misses),
        ("expired", stats.expired),
    ];
    let evictions = [
        ("expired", evicted.expired),
        ("unused", evicted.unused),
        ("idle", evicted.idle),
        ("line_full", evicted.line_full),
    ];
    let refusals = [
        ("too_large", refused.too_large),
        ("over_budget", refused.over_budget),
        ("full", refused.full),
        ("reclamation", refused.reclamation),
    ];
    let bytes = Some(&Unit::Bytes);
    let help = "Lookups in the session cache, by result";
    labelled(out, "cache_lookups", help, "result", &lookups)?;
    let help = "Sessions put into the cache under an id of their own";
    counter(out, "cache_inserts", help, stats.inserts)?;
    let help = "Sessions that a newer one of the same id replaced";
    counter(out, "cache_replaced", help, stats.replaced)?;
    counter(out, "cache_removed", "Sessions removed", stats.removed)?;
    let help = "Sessions removed and handed out in one step";
    counter(out, "cache_taken", help, stats.taken)?;
    let help = "Sessions that made room for others, by reason";
    labelled(out, "cache_evictions", help, "reason", &evictions)?;
    let help = "Sessions that the cache did not take, by reason";
    labelled(out, "cache_refusals", help, "reason", &refusals)?;
    let help = "Sessions that the cache holds at most";
    gauge(out, "cache_capacity", help, None, capacity)?;
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
    let help = "Entries and lines unlinked and not yet reclaimed";
    gauge(out, "cache_retired_objects", help, None, stats.retired)?;
    let help = "Memory unlinked and not yet reclaimed";
    gauge(out, "cache_retired", help, bytes, stats.retired_bytes)
}
