//! How long handshakes take.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Upper bounds of the buckets, in microseconds.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
/// The last one holds what is above all bounds.
const BUCKETS: usize = BOUNDS.len() + 1;

/// The labels of full and of resumed handshakes.
pub(super) const LATENCY_KINDS: [&str; 2] = ["full", "resumed"];

/// Handshakes by their length, as [`LATENCY_KINDS`] tells them apart.
#[derive(Debug, Default)]
pub(super) struct Latencies([Latency; LATENCY_KINDS.len()]);

/// Relaxed throughout: these are counters, and nothing is published by them.
#[derive(Debug, Default)]
struct Latency {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

/// Lengths of handshakes as they were counted at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct LatencyCounts {
    buckets: [u64; BUCKETS],
    seconds: f64,
}

/// A quantile, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Quantile {
    /// Interpolated between the bounds of its bucket.
    About(f64),
    /// It lies above the last bound.
    Above(f64),
}

impl Latencies {
    pub(super) fn note(&self, resumed: bool, took: Duration) {
        let latency = &self.0[usize::from(resumed)];
        let bucket = BOUNDS.partition_point(|bound| Duration::from_micros(*bound) < took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        latency.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        latency.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// In the order of [`LATENCY_KINDS`].
    pub(super) fn counts(&self) -> [LatencyCounts; LATENCY_KINDS.len()] {
        self.0.each_ref().map(|latency| LatencyCounts {
            buckets: (latency.buckets.each_ref()).map(|count| count.load(Ordering::Relaxed)),
            seconds: latency.micros.load(Ordering::Relaxed) as f64 / 1e6,
        })
    }
}

impl LatencyCounts {
    pub(super) fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// As PromQL's `histogram_quantile` has it; `None` if there was no handshake.
    pub(super) fn quantile(&self, quantile: f64) -> Option<Quantile> {
        let total = self.total();
        let rank = quantile * total as f64;
        let (mut below, mut lower) = (0, 0.0);
        for (bound, count) in bounds().zip(self.buckets) {
            if count > 0 && (below + count) as f64 >= rank {
                let share = (rank - below as f64) / count as f64;
                return Some(match bound.is_finite() {
                    true => Quantile::About(lower + (bound - lower) * share),
                    false => Quantile::Above(lower),
                });
            }
            below += count;
            lower = bound;
        }
        None
    }
}

/// The upper bounds, in seconds.
fn bounds() -> impl Iterator<Item = f64> {
    let finite = BOUNDS.into_iter().map(|micros| micros as f64 / 1e6);
    finite.chain([f64::INFINITY])
}

/// Shows them among the metrics.
#[derive(Debug)]
pub(super) struct LatencyCollector(pub(super) Arc<Latencies>);

impl Collector for LatencyCollector {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Time from the accept of a connection to the end of its handshake, \
                    or to its early data";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut family = out.encode_descriptor("handshake", help, unit, kind)?;
        for (kind, counts) in LATENCY_KINDS.into_iter().zip(self.0.counts()) {
            let buckets: Vec<_> = bounds().zip(counts.buckets).collect();
            let labels = [("kind", kind)];
            let mut series = family.encode_family(&labels)?;
            series.encode_histogram::<NoLabelSet>(
                counts.seconds,
                counts.total(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: &[u64]) -> LatencyCounts {
        let latencies = Latencies::default();
        for micros in micros {
            latencies.note(true, Duration::from_micros(*micros));
        }
        let [full, resumed] = latencies.counts();
        assert_eq!(full.total(), 0);
        resumed
    }

    #[test]
    fn a_quantile_lies_between_the_bounds_of_its_bucket() {
        assert_eq!(of(&[]).quantile(0.5), None);
        // Ten in the bucket from 1 to 2.5 ms.
        let counts = of(&[2_000; 10]);
        let close = |quantile, seconds: f64| match counts.quantile(quantile) {
            Some(Quantile::About(about)) => assert!((about - seconds).abs() < 1e-9, "{about}"),
            other => panic!("{other:?}"),
        };
        close(0.5, 0.001_75);
        close(1.0, 0.002_5);
        close(0.0, 0.001);
        let slow = of(&[2_000, 11_000_000]);
        assert_eq!(slow.quantile(0.99), Some(Quantile::Above(10.0)));
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let counts = of(&[0, 100, 101, 10_000_000, 10_000_001]);
        assert_eq!(counts.buckets[..2], [2, 1]);
        assert_eq!(counts.buckets[BUCKETS - 2..], [1, 1]);
        let latencies = Latencies::default();
        latencies.note(false, Duration::from_nanos(100_001));
        latencies.note(false, Duration::MAX);
        let [full, _] = latencies.counts();
        assert_eq!((full.buckets[1], full.buckets[BUCKETS - 1]), (1, 1));
    }
}
