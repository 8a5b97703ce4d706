//! The hit ratio at each capacity, from a terminator's histogram of reuse distances.

use super::error::MetricsError;
use super::openmetrics::{Samples, is_count, number};

const HISTOGRAM: &str = "rekindle_cache_reuse_distance_sessions_bucket";

/// For some capacities, the lookups that an LRU cache finds.
#[derive(Debug)]
pub(super) struct Curve {
    /// Capacities, ascending, each with its lookups, ascending.
    points: Vec<(f64, f64)>,
    lookups: f64,
    /// Lookups that the sample has too few of, or too many (below zero).
    missing: f64,
}

impl Curve {
    /// From the histogram, which estimates, and the number of `lookups`, which was counted.
    ///
    /// The estimate is off by the few sessions that are looked up most: the sample has them or has them
    /// not. They are found in any cache, so what is missing belongs to the lookups that any cache finds
    /// (SHARDS-adj, in the paper that crates/terminator/src/reuse.rs names).
    pub(super) fn new(samples: &Samples, lookups: f64) -> Result<Self, MetricsError> {
        let wrong = || MetricsError::Histogram(HISTOGRAM.to_owned());
        let mut points = Vec::new();
        for sample in samples.named(HISTOGRAM) {
            let bound = sample.label("le").and_then(number).ok_or_else(wrong)?;
            if !is_count(sample.value) || bound.is_nan() || bound <= 0.0 {
                return Err(wrong());
            }
            points.push((bound, sample.value));
        }
        if points.is_empty() {
            return Err(MetricsError::Missing(HISTOGRAM.to_owned()));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        let last = points.pop();
        match (last, points.last()) {
            (Some((f64::INFINITY, seen)), Some(before))
                if points.windows(2).all(rises) && before.1 <= seen =>
            {
                Ok(Self {
                    points,
                    lookups,
                    missing: lookups - seen,
                })
            }
            _ => Err(wrong()),
        }
    }

    /// The largest capacity that anything is known of.
    pub(super) fn reach(&self) -> usize {
        self.points.last().map_or(0, |(bound, _)| *bound as usize)
    }

    /// The share of lookups that a cache of `capacity` sessions finds; between two points of the curve on
    /// a line, on a logarithmic scale.
    pub(super) fn share(&self, capacity: usize) -> f64 {
        let capacity = capacity as f64;
        let above = self.points.partition_point(|(bound, _)| *bound < capacity);
        let found = match (
            above.checked_sub(1).map(|i| self.points[i]),
            self.points.get(above),
        ) {
            (_, Some((bound, found))) if *bound == capacity => *found,
            (Some((low, fewer)), Some((high, more))) => {
                fewer + (more - fewer) * (capacity / low).ln() / (high / low).ln()
            }
            (Some((_, found)), None) => found,
            (None, Some((bound, found))) => found * capacity / bound,
            (None, None) => 0.0,
        };
        ((found + self.missing) / self.lookups).clamp(0.0, 1.0)
    }

    /// The smallest capacity that finds at least this share, if there is one.
    pub(super) fn smallest(&self, wanted: f64) -> Option<usize> {
        let (mut too_small, mut enough) = (0, self.reach());
        if self.share(enough) < wanted {
            return None;
        }
        while enough - too_small > 1 {
            let between = too_small + (enough - too_small) / 2;
            if self.share(between) >= wanted {
                enough = between;
            } else {
                too_small = between;
            }
        }
        Some(enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(buckets: &[(&str, &str)], lookups: f64) -> Result<Curve, MetricsError> {
        let line = |(le, found): &(&str, &str)| format!("{HISTOGRAM}{{le=\"{le}\"}} {found}\n");
        let lines: String = buckets.iter().map(line).collect();
        Curve::new(
            &Samples::parse(&format!("{lines}# EOF\n")).unwrap(),
            lookups,
        )
    }

    const BUCKETS: [(&str, &str); 4] = [
        ("10.0", "20"),
        ("1000.0", "60"),
        ("4000", "70"),
        ("+Inf", "100"),
    ];

    #[test]
    fn it_goes_through_its_points_and_lies_between_them() {
        let curve = curve(&BUCKETS, 100.0).unwrap();
        let shares = [5, 10, 100, 1_000, 4_000, 9_000].map(|capacity| curve.share(capacity));
        for (share, expected) in shares.into_iter().zip([0.1, 0.2, 0.4, 0.6, 0.7, 0.7]) {
            assert!((share - expected).abs() < 1e-9, "{shares:?}");
        }
        assert_eq!(curve.smallest(0.6), Some(1_000));
        assert_eq!(curve.smallest(0.71), None);
        assert!((99..=101).contains(&curve.smallest(0.4).unwrap()));
    }

    #[test]
    fn lookups_that_the_sample_missed_are_found_anywhere() {
        let more = curve(&BUCKETS, 200.0).unwrap();
        assert_eq!([10, 1_000].map(|capacity| more.share(capacity)), [0.6, 0.8]);
        let fewer = curve(&BUCKETS, 80.0).unwrap();
        assert_eq!(
            [10, 1_000].map(|capacity| fewer.share(capacity)),
            [0.0, 0.5]
        );
    }

    #[test]
    fn buckets_that_do_not_fit_together_are_refused() {
        let wrong = |buckets: &[(&str, &str)]| {
            let error = curve(buckets, 100.0).unwrap_err();
            assert_eq!(
                error,
                MetricsError::Histogram(HISTOGRAM.into()),
                "{buckets:?}"
            );
        };
        wrong(&BUCKETS[..3]);
        wrong(&BUCKETS[3..]);
        wrong(&[("1", "5"), ("2", "4"), ("+Inf", "9")]);
        wrong(&[("1", "5"), ("1", "5"), ("+Inf", "9")]);
        wrong(&[("1", "5"), ("2", "6"), ("+Inf", "5")]);
        wrong(&[("x", "5"), ("+Inf", "9")]);
        wrong(&[("NaN", "5"), ("+Inf", "9")]);
        wrong(&[("-1", "5"), ("+Inf", "9")]);
        wrong(&[("1", "-5"), ("+Inf", "9")]);
        wrong(&[("1", "NaN"), ("+Inf", "9")]);
        let none = curve(&[], 1.0).unwrap_err();
        assert_eq!(none, MetricsError::Missing(HISTOGRAM.into()));
    }
}
