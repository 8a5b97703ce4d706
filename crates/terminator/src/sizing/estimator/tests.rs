use std::hash::{BuildHasherDefault, DefaultHasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::SmallRng;

use super::*;
use crate::sizing::{Curve, Lru, Requests};

/// SipHash under a key of zeros: the same sample on every run.
type FixedHash = BuildHasherDefault<DefaultHasher>;

const HOUR: Duration = Duration::from_secs(3_600);

/// An estimator, and a cache without bounds whose sessions do not end.
struct Watched {
    estimator: ReuseEstimator<FixedHash>,
    inserted: Vec<bool>,
    now: Time,
}

impl Watched {
    fn new(capacity: usize) -> Self {
        Self {
            estimator: ReuseEstimator::new(capacity, HOUR, FixedHash::default()),
            inserted: Vec::new(),
            now: Time::from_millis(0),
        }
    }

    fn see(&self, session: usize, used: Use) {
        let id = SessionId::new(&session.to_le_bytes()).unwrap();
        if let Some(key) = self.estimator.sampled(&id) {
            self.estimator.note(key, used, self.now);
        }
    }

    /// A client offers a session, and gets it if there is none.
    fn request(&mut self, session: usize) {
        if self.inserted.len() <= session {
            self.inserted.resize(session + 1, false);
        }
        let held = std::mem::replace(&mut self.inserted[session], true);
        self.see(session, Use::LookedUp { held });
        if !held {
            self.see(session, Use::Inserted);
        }
    }

    fn buckets(&self) -> Vec<(f64, u64)> {
        self.estimator.estimate().histogram.buckets()
    }

    /// The number of lookups in each bucket that is not empty.
    fn counts(&self) -> Vec<(f64, u64)> {
        let buckets = self.buckets().into_iter();
        buckets.filter(|(_, count)| *count > 0).collect()
    }

    fn followed(&self) -> usize {
        self.estimator.sample.lock().unwrap().followed()
    }
}

const COLD: f64 = f64::INFINITY;

#[test]
fn a_distance_counts_each_session_in_between_once() {
    let mut watched = Watched::new(4);
    for session in [1, 2, 3, 2, 3, 1, 1] {
        watched.request(session);
    }
    assert_eq!(watched.counts(), [(1.0, 1), (2.0, 2), (3.0, 1), (COLD, 3)]);
}

#[test]
fn a_session_that_has_ended_is_cold_and_takes_no_room() {
    let mut watched = Watched::new(4);
    watched.see(1, Use::Inserted);
    watched.now = watched.now.saturating_add(HOUR / 2);
    watched.see(2, Use::Inserted);
    watched.see(1, Use::LookedUp { held: true });
    watched.now = watched
        .now
        .saturating_add(HOUR / 2 + Duration::from_millis(1));
    // A lookup does not prolong it.
    watched.see(1, Use::LookedUp { held: false });
    watched.see(2, Use::LookedUp { held: true });
    assert_eq!(watched.counts(), [(1.0, 1), (2.0, 1), (COLD, 1)]);
    assert_eq!(watched.followed(), 1);
}

#[test]
fn many_that_have_ended_are_let_go_little_by_little() {
    let mut watched = Watched::new(4);
    for session in 0..1_000 {
        watched.see(session, Use::Inserted);
    }
    watched.now = watched.now.saturating_add(HOUR * 2);
    // Still among those that are followed, and cold all the same.
    watched.see(999, Use::LookedUp { held: false });
    assert_eq!(watched.counts(), [(COLD, 1)]);
    assert!((900..999).contains(&watched.followed()));
    for _ in 0..100 {
        watched.see(1_000, Use::Inserted);
    }
    assert_eq!(watched.followed(), 1);
}

#[test]
fn a_session_that_is_not_found_makes_room_for_its_successor() {
    let watched = Watched::new(4);
    watched.see(1, Use::Inserted);
    watched.see(2, Use::Inserted);
    watched.see(1, Use::LookedUp { held: false });
    watched.see(3, Use::Inserted);
    watched.see(2, Use::LookedUp { held: true });
    // Sessions 2 and 3, without the first.
    assert_eq!(watched.counts(), [(2.0, 2)]);
}

#[test]
fn ids_that_no_client_was_given_are_not_followed() {
    let mut watched = Watched::new(4);
    for session in 0..100 {
        watched.see(session, Use::LookedUp { held: false });
    }
    watched.request(100);
    watched.see(100, Use::Removed);
    watched.see(100, Use::LookedUp { held: false });
    assert_eq!(watched.counts(), [(COLD, 102)]);
    assert_eq!(watched.followed(), 0);
}

#[test]
fn a_use_is_dropped_rather_than_waited_for() {
    let mut watched = Watched::new(4);
    {
        let _held = watched.estimator.sample.lock().unwrap();
        watched.see(1, Use::Inserted);
    }
    assert_eq!(watched.estimator.estimate().dropped, 1);
    // Its distance is not known, but it is not taken for a session that no cache could find.
    watched.see(1, Use::LookedUp { held: true });
    assert_eq!(watched.counts(), []);
    watched.request(2);
    watched.see(1, Use::LookedUp { held: true });
    assert_eq!(watched.counts(), [(2.0, 1), (COLD, 1)]);
}

#[test]
fn a_panic_of_one_handshake_does_not_end_the_estimate() {
    let mut watched = Watched::new(4);
    watched.request(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = watched.estimator.sample.lock().unwrap();
        panic!("in the middle of a change");
    }));
    assert!(panicked.is_err());
    for session in [2, 3, 2] {
        watched.request(session);
    }
    assert_eq!(watched.counts(), [(2.0, 1), (COLD, 3)]);
    assert_eq!(watched.estimator.estimate().dropped, 0);
}

/// Clients of which some come far more often: the one of rank `r` with a frequency of `1 / r^0.8`.
fn zipf(clients: usize, requests: usize) -> Vec<usize> {
    let frequencies = (1..=clients).map(|rank| (rank as f64).powf(-0.8));
    let clients = WeightedIndex::new(frequencies).unwrap();
    let rng = SmallRng::seed_from_u64(7);
    clients.sample_iter(rng).take(requests).collect()
}

#[test]
fn the_estimate_is_close_to_exact_lru() {
    let requests = zipf(60_000, 100_000);
    let mut watched = Watched::new(10_000);
    for request in &requests {
        watched.request(*request);
    }
    let share = watched.estimator.estimate().sampled;
    assert!((0.1..0.5).contains(&share), "a sample: {share}");
    assert!(watched.followed() <= 8_192);

    let mut found = 0.0;
    let up_to = |(capacity, count): (f64, u64)| {
        found += count as f64;
        (capacity, found)
    };
    let buckets: Vec<_> = watched.buckets().into_iter().map(up_to).collect();
    let curve = Curve::new(buckets.clone(), requests.len() as f64).unwrap();
    let requests = Requests {
        sessions: requests.iter().map(|session| *session as u32).collect(),
        distinct: 60_000,
        times: Vec::new(),
    };
    let lru = Lru::new(&requests, None);
    for (capacity, _) in &buckets[..buckets.len() - 1] {
        let capacity = *capacity as usize;
        let estimated = curve.share(capacity);
        let exact = lru.hits(capacity) as f64 / requests.sessions.len() as f64;
        // A sample cannot resolve small capacities: it has a few of their sessions.
        let tolerance = if capacity < 1_250 { 0.03 } else { 0.012 };
        assert!(
            (estimated - exact).abs() < tolerance,
            "at {capacity}: {estimated} for {exact}"
        );
    }
}

#[test]
fn a_flood_leaves_enough_of_a_sample() {
    let capacity = 4_096;
    let watched = Watched::new(capacity);
    for session in 0..200_000 {
        watched.see(session, Use::Inserted);
    }
    assert_eq!(watched.followed(), 8_192);
    let share = watched.estimator.estimate().sampled;
    assert!((0.24..=0.25).contains(&share), "{share}");
    // Eviction took the least recently used: distances up to eight times the capacity are known.
    for (session, reach) in [(199_000, true), (170_000, true), (160_000, false)] {
        let before = watched.counts();
        for session in session..session + 500 {
            watched.see(session, Use::LookedUp { held: false });
        }
        let mut after = watched.counts();
        after.retain(|bucket| !before.contains(bucket));
        let distances: Vec<f64> = after.iter().map(|(bound, _)| *bound).collect();
        assert_eq!(!distances.contains(&COLD), reach, "{session}: {after:?}");
    }
}
