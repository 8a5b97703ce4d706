//! In which order independent lookups ask for their sessions.

use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

use crate::record::named;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keys {
    /// Each as often as any other.
    Uniform,
    /// By Zipf's law with exponent 0.9: some far more often than others.
    Zipf,
}

impl Keys {
    /// A list of `count` requests for sessions among `from`. Drawn beforehand, so that drawing is
    /// not timed and all contenders get the same ones.
    pub(crate) fn draw(self, mut from: Vec<u32>, count: usize, seed: u64) -> Vec<u32> {
        let mut rng = SmallRng::seed_from_u64(seed);
        match self {
            Self::Uniform => {
                let one = |_| from[rng.random_range(0..from.len())];
                (0..count).map(one).collect()
            }
            Self::Zipf => {
                // Those that are asked for often lie anywhere in memory.
                from.shuffle(&mut rng);
                let ranks = Zipf::new(from.len() as f64, 0.9).expect("at least one session");
                let one = |_| from[(ranks.sample(&mut rng) as usize).clamp(1, from.len()) - 1];
                (0..count).map(one).collect()
            }
        }
    }
}

named!(Keys {
    Uniform => "uniform",
    Zipf => "zipf",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_prefers_some_and_uniform_does_not() {
        let most = |keys: Keys| {
            let mut times = [0; 1_000];
            for key in keys.draw((0..1_000).collect(), 100_000, 1) {
                times[key as usize] += 1;
            }
            times.into_iter().max().unwrap()
        };
        assert!(most(Keys::Uniform) < 200);
        assert!(most(Keys::Zipf) > 5_000);
    }
}
