//! Lookups by reuse distance.

/// Steps of the bounds: two of them double a bound.
const STEP: f64 = std::f64::consts::SQRT_2;
/// Eight doublings below the capacity: where the first bound lies.
const BELOW: f64 = 256.0;

/// Counts weighted lookups in buckets.
///
/// The bounds are the capacity of the cache and half doublings from there, up and down. So the
/// capacity itself, its halves and its doubles need no interpolation.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// Upper bounds, ascending, the last one infinite.
    bounds: Vec<f64>,
    /// They never fall, as counters must not: a change of the sampled share scales no old count.
    weights: Vec<f64>,
    sum: f64,
}

impl Histogram {
    /// For a cache of `capacity` sessions, and distances up to `longest`.
    pub(super) fn new(capacity: usize, longest: usize) -> Self {
        let capacity = capacity as f64;
        let lowest = (capacity / BELOW).max(1.0);
        let down = std::iter::successors(Some(capacity), |bound| Some(bound / STEP));
        let up = std::iter::successors(Some(capacity), |bound| Some(bound * STEP));
        // A little room: four steps make almost, not quite, the fourfold of a float.
        let mut bounds: Vec<f64> = (down.take_while(|bound| *bound > lowest * 0.99))
            .chain(up.take_while(|bound| *bound < longest as f64 * 1.01))
            .map(f64::round)
            .collect();
        bounds.push(f64::INFINITY);
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        Self {
            weights: vec![0.0; bounds.len()],
            bounds,
            sum: 0.0,
        }
    }

    /// Counts a lookup that stands for `weight` lookups. `None`: no cache finds it.
    pub(super) fn add(&mut self, distance: Option<f64>, weight: f64) {
        let bucket = distance.map_or(self.bounds.len() - 1, |distance| {
            self.bounds.partition_point(|bound| *bound < distance)
        });
        self.weights[bucket] += weight;
        self.sum += distance.unwrap_or(0.0) * weight;
    }

    /// For each bucket its upper bound, and the lookups in it, in whole numbers.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let counts = self.weights.iter().map(|weight| *weight as u64);
        self.bounds.iter().copied().zip(counts).collect()
    }

    /// The sum of the distances, those of the last bucket left out.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(capacity: usize, longest: usize) -> Vec<f64> {
        Histogram::new(capacity, longest).bounds
    }

    #[test]
    fn the_capacity_its_halves_and_doubles_are_bounds() {
        for capacity in [1, 2, 3, 100, 1_024, 100_000, 1_000_000_000] {
            let longest = 8 * capacity.max(1_024);
            let bounds = bounds(capacity, longest);
            for times in [1, 2, 4, 8] {
                assert!(bounds.contains(&((capacity * times) as f64)), "{bounds:?}");
            }
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
            assert!(bounds[0] >= 1.0 && bounds.len() < 40, "{bounds:?}");
            assert_eq!(bounds.last(), Some(&f64::INFINITY));
        }
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::new(4, 8);
        for distance in [Some(1.0), Some(4.0), Some(4.5), Some(9.0), None] {
            histogram.add(distance, 2.5);
        }
        assert_eq!(
            histogram.buckets(),
            [
                (1.0, 2),
                (2.0, 0),
                (3.0, 0),
                (4.0, 2),
                (6.0, 2),
                (8.0, 0),
                (f64::INFINITY, 5)
            ]
        );
        assert_eq!(histogram.sum(), 18.5 * 2.5);
    }
}
