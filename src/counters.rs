//! Counters that no thread waits for: each thread counts in a shard of its own.

use crate::stats::Stats;
use crate::sync::{AtomicU64, Ordering};

/// Threads that count in a shard of their own; all others share one.
pub(crate) const THREAD_SHARDS: usize = if cfg!(loom) { 4 } else { 128 };

/// Counters by name, and the field of the statistics that each of them is summed into.
macro_rules! counters {
    ($counter:ident of $stats:ty { $($name:ident: $($field:ident).+,)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $counter { $($name),* }

        impl From<$counter> for usize {
            #[inline]
            fn from(counter: $counter) -> Self {
                counter as usize
            }
        }

        impl $counter {
            /// How many there are.
            pub(crate) const NUMBER: usize = [$(Self::$name),*].len();

            /// The statistics, as far as they are sums of these counters.
            pub(crate) fn sums(sum: impl Fn(usize) -> u64) -> $stats {
                let mut stats = <$stats>::default();
                $(stats.$($field).+ = sum(Self::$name as usize);)*
                stats
            }
        }
    };
}
pub(crate) use counters;

/// Such counters in shards, for those who do not know their thread's number at hand.
macro_rules! sharded {
    ($name:ident of $counter:ident, $stats:ty) => {
        pub(crate) struct $name(Sharded<{ $counter::NUMBER }>);

        impl Default for $name {
            fn default() -> Self {
                Self(Sharded::new())
            }
        }

        impl $name {
            pub(crate) fn count(&self, counter: $counter) {
                self.0.add(thread_number(), counter, 1);
            }

            pub(crate) fn sum(&self) -> $stats {
                $counter::sums(|counter| self.0.sum(counter))
            }
        }
    };
}
pub(crate) use sharded;

counters!(Counter of Stats {
    Hits: hits,
    Misses: misses,
    Expired: expired,
    Inserts: inserts,
    Replaced: replaced,
    Removed: removed,
    Taken: taken,
    EvictedExpired: evicted.expired,
    EvictedUnused: evicted.unused,
    EvictedIdle: evicted.idle,
    EvictedLineFull: evicted.line_full,
    RefusedTooLarge: refused.too_large,
    RefusedOverBudget: refused.over_budget,
    RefusedFull: refused.full,
    RefusedReclamation: refused.reclamation,
});

/// Counters of a cache.
pub(crate) type Counters = Sharded<{ Counter::NUMBER }>;

impl Stats {
    /// The counters' part; the gauges are zero.
    pub(crate) fn sum(counters: &Counters) -> Self {
        Counter::sums(|counter| counters.sum(counter))
    }
}

/// `N` counters in a shard for each of the first [`THREAD_SHARDS`] threads, and in a last one that
/// all others share.
#[derive(Debug)]
pub(crate) struct Sharded<const N: usize> {
    shards: Box<[Shard<N>]>,
}

/// 128 bytes: processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<const N: usize> {
    counts: [AtomicU64; N],
}

impl<const N: usize> Sharded<N> {
    pub(crate) fn new() -> Self {
        let shard = || Shard {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self {
            shards: (0..=THREAD_SHARDS).map(|_| shard()).collect(),
        }
    }

    /// Adds for the thread whose number is `thread`.
    #[inline]
    pub(crate) fn add(&self, thread: usize, counter: impl Into<usize>, n: u64) {
        let counter = counter.into();
        if thread < THREAD_SHARDS {
            // Only this thread writes the shard: no read-modify-write is needed.
            let count = &self.shards[thread].counts[counter];
            let sum = count.load(Ordering::Relaxed).wrapping_add(n);
            count.store(sum, Ordering::Relaxed);
        } else {
            self.shards[THREAD_SHARDS].counts[counter].fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn sum(&self, counter: usize) -> u64 {
        self.sum_of_first(self.shards.len(), counter)
    }

    /// As [`sum`](Self::sum), of the first `shards` shards.
    pub(crate) fn sum_of_first(&self, shards: usize, counter: usize) -> u64 {
        let of = |shard: &Shard<N>| shard.counts[counter].load(Ordering::Relaxed);
        let shards = self.shards.iter().take(shards);
        shards.map(of).fold(0, u64::wrapping_add)
    }
}
