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

fn refusals(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
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

fn sizes(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
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
