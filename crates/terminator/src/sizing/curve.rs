//! The hit ratio at each capacity, from a histogram of reuse distances.

/// For some capacities, the lookups that an LRU cache finds.
#[derive(Debug)]
pub(crate) struct Curve {
    /// Capacities, ascending, each with its lookups, ascending.
    points: Vec<(f64, f64)>,
    lookups: f64,
    /// Lookups that the sample has too few of, or too many (below zero).
    missing: f64,
}

impl Curve {
    /// From the histogram, which estimates, and the number of `lookups`, which was counted.
    ///
    /// `buckets` are upper bounds, each with the lookups up to it, in any order. The result is
    /// `None` if they do not rise or the infinite bound is missing.
    ///
    /// The estimate is off by the few sessions that are looked up most: the sample contains them or
    /// it does not. Any cache finds them, so what is missing belongs to the lookups that any cache
    /// finds (SHARDS-adj, in the paper that `estimator.rs` names).
    pub(crate) fn new(mut buckets: Vec<(f64, f64)>, lookups: f64) -> Option<Self> {
        if !(buckets.iter()).all(|(bound, found)| *bound > 0.0 && *found >= 0.0) {
            return None;
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        let risen = buckets.len() > 1 && buckets.windows(2).all(rises);
        let (last, seen) = buckets.pop()?;
        (risen && last == f64::INFINITY).then_some(Self {
            points: buckets,
            lookups,
            missing: lookups - seen,
        })
    }

    /// The largest capacity of the curve.
    pub(crate) fn reach(&self) -> usize {
        self.points.last().map_or(0, |(bound, _)| *bound as usize)
    }

    /// The share of lookups that a cache of `capacity` sessions finds. Between two points of the
    /// curve, on a line over the logarithm of the capacity.
    pub(crate) fn share(&self, capacity: usize) -> f64 {
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
    pub(crate) fn smallest(&self, wanted: f64) -> Option<usize> {
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

    const BUCKETS: [(f64, f64); 4] = [
        (10.0, 20.0),
        (1000.0, 60.0),
        (4000.0, 70.0),
        (f64::INFINITY, 100.0),
    ];

    fn curve(lookups: f64) -> Curve {
        Curve::new(BUCKETS.to_vec(), lookups).unwrap()
    }

    #[test]
    fn it_goes_through_its_points_and_lies_between_them() {
        let curve = curve(100.0);
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
        let more = curve(200.0);
        assert_eq!([10, 1_000].map(|capacity| more.share(capacity)), [0.6, 0.8]);
        let fewer = curve(80.0);
        assert_eq!(
            [10, 1_000].map(|capacity| fewer.share(capacity)),
            [0.0, 0.5]
        );
    }

    #[test]
    fn buckets_that_do_not_fit_together_are_refused() {
        const END: f64 = f64::INFINITY;
        let wrong: [&[(f64, f64)]; 11] = [
            &BUCKETS[..3],
            &BUCKETS[3..],
            &[],
            &[(1.0, 5.0), (2.0, 4.0), (END, 9.0)],
            &[(1.0, 5.0), (1.0, 5.0), (END, 9.0)],
            &[(1.0, 5.0), (2.0, 6.0), (END, 5.0)],
            &[(f64::NAN, 5.0), (END, 9.0)],
            &[(-1.0, 5.0), (END, 9.0)],
            &[(0.0, 5.0), (END, 9.0)],
            &[(1.0, -5.0), (END, 9.0)],
            &[(1.0, f64::NAN), (END, 9.0)],
        ];
        for buckets in wrong {
            assert!(Curve::new(buckets.to_vec(), 100.0).is_none(), "{buckets:?}");
        }
    }
}
