//! What becomes of keys when their provider brings the same again, or has none: their ages, and keys of a ring's own.

use std::sync::Arc;
use std::time::Duration;

use rekindle::ManualClock;
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyPosition, KeyRole, TicketCipher, TicketKey, TicketKeys, TicketPolicy,
    TicketRing, TicketSecret,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A ring whose only key is too old to seal, and the clock.
fn fallen_back(keys: &TicketKeys) -> (TicketRing, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let policy = TicketPolicy::default().lifetime(2 * HOUR).max_age(3 * HOUR);
    let builder = TicketRing::builder().clock(clock.clone());
    let ring = builder.policy(policy);
    let ring = ring.keys(keys).build().expect("a ring");
    clock.advance(HOUR);
    ring.maintain().expect("randomness");
    assert!(ring.status().fallback);
    (ring, clock)
}

fn sealing(ring: &TicketRing) -> String {
    let keys = ring.load();
    let key = keys.sealing(ring.now()).expect("something seals");
    key.key().fingerprint().to_string()
}

/// Whoever tries again and again made a new key each time, and kept all of them open.
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

/// A reload that changed anything else made the key that seals look new.
#[test]
fn a_key_that_goes_on_sealing_gets_older() {
    let clock = Arc::new(ManualClock::new());
    let [one, two] = [(); 2].map(|()| TicketKey::random(TicketCipher::Aes128).expect("randomness"));
    let set = |duties: [KeyRole; 2]| {
        let record =
            |key: &TicketKey| TicketKey::new(*key.name(), key.hmac_secret(), key.aes_key());
        let given = [&one, &two].into_iter().zip(duties).enumerate();
        let given = given.map(|(i, (key, role))| {
            KeyEntry::new(
                record(key).expect("a good key"),
                role,
                KeyLocation::record(i),
            )
        });
        TicketKeys::new(given.collect()).expect("a good set")
    };
    let builder = TicketRing::builder().clock(clock.clone());
    let ring = builder
        .keys(&set([KeyRole::Seal, KeyRole::Open]))
        .build()
        .expect("a ring");
    let age = || {
        let status = ring.status();
        let mut keys = status.keys.into_iter();
        let sealing = keys
            .find(|key| key.position == KeyPosition::Sealing)
            .expect("one seals");
        (sealing.fingerprint, sealing.age)
    };
    let replace = |duties| {
        clock.advance(HOUR);
        ring.replace(&set(duties)).expect("a good set");
    };
    replace([KeyRole::Seal, KeyRole::Next]);
    assert_eq!(age(), (one.fingerprint(), HOUR));
    replace([KeyRole::Open, KeyRole::Seal]);
    assert_eq!(age(), (two.fingerprint(), Duration::ZERO));
    replace([KeyRole::Open, KeyRole::Seal]);
    assert_eq!(age(), (two.fingerprint(), HOUR));
    // Back again: a new beginning.
    replace([KeyRole::Seal, KeyRole::Open]);
    assert_eq!(age(), (one.fingerprint(), Duration::ZERO));
    // Of several the first one seals, whoever has done so for longer.
    replace([KeyRole::Open, KeyRole::Seal]);
    replace([KeyRole::Seal, KeyRole::Seal]);
    assert_eq!(age().0, one.fingerprint());
    replace([KeyRole::Seal, KeyRole::Seal]);
    assert_eq!(age(), (one.fingerprint(), HOUR));
}
