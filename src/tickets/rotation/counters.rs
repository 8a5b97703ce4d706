//! How often the ring rotated and fell back.
//!
//! The rings that were in force, one after the other, and the times at which each was observed make
//! one sequence of states. A change from one state to the next counts once, however the threads
//! that observe them interleave: within a ring the thread that moves its time of observation on
//! counts, from one ring to the next the thread that has put the next one in place.

use super::events;
use crate::clock::Time;
use crate::sync::{AtomicU64, Ordering};
use crate::tickets::key_ring::KeyRing;

/// How often the state changed.
pub(crate) struct RotationCounters {
    pub(crate) rotations: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
}

/// A ring at a time.
type State<'a> = (&'a KeyRing, Time);

impl RotationCounters {
    pub(crate) fn new(first: &KeyRing) -> Self {
        let fallback = first.is_fallback(first.made_at.now);
        if fallback {
            events::fallback_began(first, first.made_at.now);
        }
        Self {
            rotations: AtomicU64::new(0),
            fallbacks: AtomicU64::new(fallback.into()),
        }
    }

    /// Counts what time has changed in a ring since it was last observed. Nothing if another thread
    /// has observed it later, or another ring is in its place.
    pub(crate) fn observe(&self, ring: &KeyRing, now: Time) {
        let before = ring.observe_until(now);
        if before < now {
            self.count((ring, before), (ring, now));
        }
    }

    /// Counts what a ring that was put in the place of another one changes. To be called once for
    /// each ring that is replaced.
    pub(crate) fn replaced(&self, before: &KeyRing, next: &KeyRing) {
        let until = before.observe_until(Time::NEVER);
        self.count((before, until), (next, next.made_at.now));
    }

    fn count(&self, before: State<'_>, after: State<'_>) {
        // The fingerprint covers the whole key.
        let sealing = |(ring, at): State<'_>| Some(ring.sealing(at)?.key().fingerprint());
        if sealing(before) != sealing(after) {
            self.rotations.fetch_add(1, Ordering::Relaxed);
            events::rotated(after.0, after.1);
        }
        match [before, after].map(|(ring, at)| ring.is_fallback(at)) {
            [false, true] => {
                self.fallbacks.fetch_add(1, Ordering::Relaxed);
                events::fallback_began(after.0, after.1);
            }
            [true, false] => events::fallback_ended(),
            _ => {}
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::clock::ManualClock;
    use crate::tickets::{TicketKeys, TicketPolicy, TicketRing};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn ring(clock: &Arc<ManualClock>) -> TicketRing {
        let policy = TicketPolicy::default().lifetime(2 * HOUR).max_age(3 * HOUR);
        let builder = TicketRing::builder().policy(policy).clock(clock.clone());
        let ring = builder.keys(&TicketKeys::random().expect("randomness"));
        ring.build().expect("a ring")
    }

    fn counted(ring: &TicketRing) -> (u64, u64) {
        let status = ring.status();
        (status.rotations, status.fallbacks)
    }

    /// One rotation once counted up to three times, and a fallback that had ended began again.
    #[test]
    fn a_thread_that_observes_a_ring_after_it_was_replaced_counts_nothing() {
        let clock = Arc::new(ManualClock::new());
        let ring = ring(&clock);
        clock.advance(HOUR);
        ring.maintain().expect("randomness");
        assert_eq!(counted(&ring), (1, 1));
        let stale = ring.load();
        let keys = TicketKeys::random().expect("randomness");
        ring.replace(&keys).expect("keys");
        clock.advance(Duration::from_secs(1));
        ring.counters.observe(&stale, ring.now());
        assert_eq!(counted(&ring), (2, 1));
        ring.maintain().expect("randomness");
        assert_eq!(counted(&ring), (2, 1));
    }

    #[test]
    fn a_thread_that_observes_an_earlier_time_counts_nothing() {
        let clock = Arc::new(ManualClock::new());
        let builder = TicketRing::builder().clock(clock.clone());
        let ring = builder.own_keys().build().expect("a ring");
        let earlier = ring.now();
        clock.advance(HOUR);
        assert_eq!(counted(&ring), (1, 0));
        ring.counters.observe(&ring.load(), earlier);
        assert_eq!(counted(&ring), (1, 0));
    }
}
