//! Keys that their provider gives again, or no longer gives: their ages, the ring's own keys, and
//! what is counted.
#![allow(clippy::disallowed_methods)] // what a status costs

#[path = "common/records.rs"]
mod records;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use records::record;
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyPosition, KeyRole, TicketCipher, TicketKey, TicketKeys, TicketPolicy,
    TicketRing, TicketSecret, Validity,
};
use rekindle::{Clock, ManualClock, Time};

const HOUR: Duration = Duration::from_secs(3_600);

/// A ring of keys that stop sealing after an hour and opening after three, and the clock.
fn short_lived(keys: &TicketKeys) -> (TicketRing, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let policy = TicketPolicy::default().lifetime(2 * HOUR).max_age(3 * HOUR);
    let builder = TicketRing::builder().clock(clock.clone()).policy(policy);
    (builder.keys(keys).build().expect("a ring"), clock)
}

/// A key with that name, if one is given.
fn entry(name: Option<[u8; 16]>, role: KeyRole, record: usize) -> KeyEntry {
    let key = TicketKey::random(TicketCipher::Aes128).expect("randomness");
    let name = name.unwrap_or(*key.name());
    let key = TicketKey::new(name, key.hmac_secret(), key.aes_key()).expect("a good key");
    KeyEntry::new(key, role, KeyLocation::record(record))
}

fn set(entries: impl Into<Vec<KeyEntry>>) -> TicketKeys {
    TicketKeys::new(entries.into()).expect("a good set")
}

/// A ring whose only key is too old to seal, and the clock.
fn fallen_back(keys: &TicketKeys) -> (TicketRing, Arc<ManualClock>) {
    let (ring, clock) = short_lived(keys);
    clock.advance(HOUR);
    ring.maintain().expect("randomness");
    assert!(ring.status().fallback);
    (ring, clock)
}

fn sealing(ring: &TicketRing) -> String {
    let keys = ring.load();
    let key = keys.sealing(ring.now()).expect("a key seals");
    key.key().fingerprint().to_string()
}

/// Each retry once made a new key, and kept all of them open.
#[test]
fn to_be_given_the_same_keys_again_changes_nothing() {
    let keys = TicketKeys::random().expect("randomness");
    let (ring, clock) = fallen_back(&keys);
    let (own, count) = (sealing(&ring), ring.load().len());
    for _ in 0..100 {
        clock.advance(Duration::from_secs(10));
        let update = ring.replace(&keys).expect("randomness");
        assert!(update.fallback);
        assert_eq!(update.dropped, 0);
        assert_eq!((sealing(&ring), ring.load().len()), (own.clone(), count));
    }
    assert_eq!(ring.status().fallbacks, 1);
}

#[test]
fn new_keys_seal_at_once_and_what_was_sealed_meanwhile_opens_until_its_end() {
    let random = || TicketKeys::random().expect("randomness");
    let secret = TicketSecret::random(HOUR, None).expect("randomness");
    let heal: [&dyn Fn(&TicketRing); 2] = [
        &|ring| assert!(!ring.replace(&random()).expect("keys").fallback),
        &|ring| assert!(!ring.derive_from(&secret).expect("keys").fallback),
    ];
    for heal in heal {
        let (ring, clock) = fallen_back(&random());
        heal(&ring);
        let status = ring.status();
        assert!(!status.fallback);
        let own: Vec<_> = status.keys.iter().filter(|key| key.local).collect();
        assert_eq!(own.len(), 1, "the one that was to come has gone");
        assert!(matches!(own[0].position, KeyPosition::Previous(_)));
        assert_eq!(own[0].opens_for, 2 * HOUR);
        let own = own[0].fingerprint;
        let is_open = || ring.status().keys.iter().any(|key| key.fingerprint == own);
        clock.advance(2 * HOUR - Duration::from_secs(1));
        ring.maintain().expect("randomness");
        assert!(is_open());
        clock.advance(Duration::from_secs(1));
        ring.maintain().expect("randomness");
        assert!(!is_open());
    }
}

/// A reload that changed another key once made the key that seals look new.
#[test]
fn a_key_that_goes_on_sealing_gets_older() {
    let clock = Arc::new(ManualClock::new());
    let [one, two] = [0, 1].map(|record| entry(None, KeyRole::Open, record));
    let with = |roles: [KeyRole; 2]| set([one.with_role(roles[0]), two.with_role(roles[1])]);
    let builder = TicketRing::builder().clock(clock.clone());
    let given = with([KeyRole::Seal, KeyRole::Open]);
    let ring = builder.keys(&given).build().expect("a ring");
    let [one, two] = [&one, &two].map(|entry| entry.key().fingerprint());
    let age = || {
        let status = ring.status();
        let mut keys = status.keys.iter();
        let sealing = keys.find(|key| key.position == KeyPosition::Sealing);
        let sealing = sealing.expect("one seals");
        (sealing.fingerprint, sealing.age)
    };
    let replace = |roles| {
        clock.advance(HOUR);
        ring.replace(&with(roles)).expect("a good set");
    };
    replace([KeyRole::Seal, KeyRole::Next]);
    assert_eq!(age(), (one, HOUR));
    replace([KeyRole::Open, KeyRole::Seal]);
    assert_eq!(age(), (two, Duration::ZERO));
    replace([KeyRole::Open, KeyRole::Seal]);
    assert_eq!(age(), (two, HOUR));
    // It seals again: a new beginning.
    replace([KeyRole::Seal, KeyRole::Open]);
    assert_eq!(age(), (one, Duration::ZERO));
    // Of several the first one seals, whichever has sealed for longer.
    replace([KeyRole::Open, KeyRole::Seal]);
    replace([KeyRole::Seal, KeyRole::Seal]);
    assert_eq!(age().0, one);
    replace([KeyRole::Seal, KeyRole::Seal]);
    assert_eq!(age(), (one, HOUR));
}

/// Rotations were once counted by eight bytes of the key's name.
#[test]
fn a_rotation_between_keys_whose_names_begin_alike_is_counted() {
    let keys = |last: u8| {
        let mut name = *b"example.com key ";
        name[15] = last;
        set([entry(Some(name), KeyRole::Seal, 0)])
    };
    let ring = TicketRing::new(&keys(1)).expect("a ring");
    ring.replace(&keys(2)).expect("a good set");
    assert_eq!(ring.status().rotations, 1);
    // The same name with other secrets is another key.
    ring.replace(&keys(2)).expect("a good set");
    assert_eq!(ring.status().rotations, 2);
}

/// A panic during a renewal once left the mark that a renewal is under way.
#[test]
fn a_renewal_that_panics_does_not_end_renewals() {
    #[derive(Default)]
    struct Broken {
        clock: ManualClock,
        panics: AtomicBool,
    }
    impl Clock for Broken {
        fn now(&self) -> Time {
            self.clock.now()
        }
        fn unix_time(&self) -> Duration {
            assert!(!self.panics.load(Ordering::Relaxed), "no wall clock");
            Duration::from_secs(1_800_000_000)
        }
    }
    let clock = Arc::new(Broken::default());
    let builder = TicketRing::builder().clock(clock.clone());
    let ring = builder.own_keys().build().expect("a ring");
    // The next key seals already; the one after it is to be made.
    clock.clock.advance(HOUR + Duration::from_secs(60));
    let keys = ring.load().len();
    clock.panics.store(true, Ordering::Relaxed);
    catch_unwind(AssertUnwindSafe(|| ring.load_to_seal().1)).expect_err("the clock panics");
    clock.panics.store(false, Ordering::Relaxed);
    assert_eq!(ring.load_to_seal().0.len(), keys + 1);
}

/// Status once looked each key up by name, and computed each fingerprint again.
#[test]
fn status_costs_less_than_the_fingerprints_of_its_keys() {
    let mut records = Vec::new();
    for number in 0..TicketKeys::MAX_KEYS {
        let start = records.len();
        records.extend(record(1));
        for part in [start, start + 20, start + 36] {
            records[part..part + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
    }
    let start = Instant::now();
    let keys = TicketKeys::parse(&records).expect("good records");
    let cost_of_fingerprints = start.elapsed();
    let ring = TicketRing::new(&keys).expect("a ring");
    let cost = |()| {
        let start = Instant::now();
        assert_eq!(ring.status().keys.len(), keys.len());
        start.elapsed()
    };
    let cost = [(); 5].map(cost).into_iter().min().expect("five rounds");
    let most = cost_of_fingerprints / 4;
    assert!(cost < most, "{cost:?}, more than {most:?}");
}

/// The ring, `keys show` and metrics call it the next one until its turn is over.
#[test]
fn a_key_that_is_too_old_before_its_turn_is_a_next_one_until_then() {
    let seal_from = ManualClock::new().unix_time() + 2 * HOUR;
    let later = KeyRole::Timed(Validity {
        seal_from,
        seal_until: seal_from + HOUR,
        open_until: seal_from + 3 * HOUR,
    });
    let keys = set([entry(None, KeyRole::Seal, 0), entry(None, later, 1)]);
    let (ring, _) = short_lived(&keys);
    assert_eq!(ring.status().keys[0].position, KeyPosition::Next);
}

/// Once it looked new, so that it outlived the maximum age.
#[test]
fn a_key_that_comes_back_after_one_of_its_name_is_as_old_as_it_was() {
    let [one, other] = [(); 2].map(|()| set([entry(Some([7; 16]), KeyRole::Seal, 0)]));
    let (ring, clock) = short_lived(&one);
    let first_seen = ring.load().iter().next().expect("a key").first_seen;
    ring.replace(&other).expect("a good set");
    clock.advance(HOUR);
    let update = ring.replace(&one).expect("a good set");
    assert!(update.fallback, "it has sealed for its time");
    let keys = ring.load();
    let mut given = keys.iter().filter(|key| !key.is_local());
    assert_eq!(given.next().map(|key| key.first_seen), Some(first_seen));
}
