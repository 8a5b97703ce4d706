//! The session cache: how full it is, what it finds, and what another size would find.

use maud::{Markup, html};
use rekindle::CacheBuilder;

use super::chart;
use super::figures::{counts, metric, table};
use super::snapshot::Snapshot;
use crate::numbers::{bytes, count, percent};
use crate::sizing::Curve;

/// Capacities to show: the present one, doubled this many times.
const DOUBLINGS: std::ops::RangeInclusive<i32> = -4..=3;
/// Points of the drawn curve.
const POINTS: usize = 60;

pub(super) fn cache(snapshot: &Snapshot) -> Markup {
    let Snapshot {
        cache, capacity, ..
    } = snapshot;
    let (entries, lookups) = (
        cache.entries as u64,
        cache.hits + cache.misses + cache.expired,
    );
    let results = [
        ("hit", cache.hits),
        ("miss", cache.misses),
        ("expired", cache.expired),
    ];
    let evicted = cache.evicted;
    let evictions = [
        ("expired", evicted.expired),
        ("unused", evicted.unused),
        ("idle", evicted.idle),
        ("line_full", evicted.line_full),
    ];
    html! {
        p {
            "Sessions: " (metric("cache_entries", &[], entries)) " of at most "
            (metric("cache_capacity", &[], *capacity as u64)) ", in "
            data value=(cache.bytes) data-series="rekindle_cache_size_bytes" {
                (bytes(cache.bytes as f64))
            }
            ". "
            meter aria-label="Filling of the cache" min="0" max=(capacity) value=(entries) {
                (percent(entries as f64 / (*capacity).max(1) as f64))
            }
        }
        @if lookups > 0 {
            p { "Of " (count(lookups)) " lookups " (percent(cache.hits as f64 / lookups as f64))
                " found their session." }
        }
        (counts("Lookups", "cache_lookups_total", ["result", "lookups"], &results))
        (counts(
            "Sessions that made room for others",
            "cache_evictions_total",
            ["reason", "sessions"],
            &evictions,
        ))
        h3 { "What another size would find" }
        @match &snapshot.curve {
            Some(curve) => (sizes(curve, snapshot)),
            None => p {
                "No session was looked up so far: clients with stateless tickets do not ask the \
                 cache."
            },
        }
    }
}

fn sizes(curve: &Curve, snapshot: &Snapshot) -> Markup {
    let Snapshot {
        cache,
        capacity,
        sampled,
        ..
    } = snapshot;
    let (capacity, reach) = (*capacity as f64, curve.reach() as f64);
    let each = match cache.entries {
        0 => None,
        entries => Some(cache.bytes as f64 / entries as f64 + CacheBuilder::TABLE_BYTES as f64),
    };
    let least = (capacity / 16.0).max(1.0);
    // The logarithm makes each doubling as wide as another.
    let span = (reach / least).ln().max(1e-9);
    let point = |at: usize| {
        let x = at as f64 / POINTS as f64;
        (x, curve.share((least * (span * x).exp()) as usize))
    };
    let line: Vec<_> = (0..=POINTS).map(point).collect();
    let doubled = DOUBLINGS.map(|doublings| (capacity * 2f64.powi(doublings)) as usize);
    let sizes: Vec<_> = doubled
        .filter(|size| (1..=curve.reach()).contains(size))
        .collect();
    let name = format!(
        "Hit ratio of an LRU cache by its size, from {} to {} sessions",
        percent(line[0].1),
        percent(line[POINTS].1)
    );
    html! {
        figure {
            p.axis { "100 % of the lookups find their session" }
            (chart::line(&line, (capacity / least).ln() / span, &name))
            p.axis.ends {
                span { (count(least as u64)) " sessions" } span { (count(reach as u64)) }
            }
            figcaption { span.key.mark {} "the size now" }
        }
        (table("Hit ratio of an LRU cache", &["sessions", "found", "memory when full"], html! {
            @for size in sizes {
                tr {
                    th scope="row" {
                        (count(size as u64)) @if size as f64 == capacity { " (now)" }
                    }
                    td.number { (percent(curve.share(size))) }
                    td.number {
                        @match each {
                            Some(each) => (bytes(each * size as f64)),
                            None => "–",
                        }
                    }
                }
            }
        }))
        p.note {
            "Estimated from " (percent(*sampled)) " of the sessions. "
            code { "rekindle-terminator advise" } " recommends a size."
        }
    }
}
