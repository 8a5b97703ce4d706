//! Rotations on demand of a ring that makes its own keys.

use std::time::Duration;

use rekindle::tickets::{Fingerprint, KeyPosition, TicketKeyError, TicketKeys, TicketRing};

use crate::{HOUR, builder, clock, pass, policy};

fn sealing(ring: &TicketRing) -> Fingerprint {
    let keys = ring.load();
    let key = keys.sealing(ring.now()).expect("a key seals");
    key.key().fingerprint()
}

#[test]
fn a_new_key_seals_at_once_and_the_old_one_opens_for_a_lifetime() {
    let clock = clock(HOUR, crate::EPOCH);
    let made = builder(&clock, policy(HOUR, 2 * HOUR, 30 * HOUR)).own_keys();
    let ring = made.build().expect("a ring");
    pass(&ring, &clock, HOUR / 2);
    let old = sealing(&ring);
    let known: Vec<_> = ring
        .load()
        .iter()
        .map(|key| key.key().fingerprint())
        .collect();
    let update = ring.rotate().expect("randomness");
    let new = sealing(&ring);
    assert_eq!(update.sealing, new);
    assert!(!known.contains(&new), "it is of another secret");
    assert_eq!(update.dropped, 0);
    let status = ring.status();
    assert_eq!(status.rotations, 1);
    let positions: Vec<_> = status.keys.iter().map(|key| key.position).collect();
    let expected = [
        KeyPosition::Next,
        KeyPosition::Sealing,
        KeyPosition::Previous(1),
    ];
    assert_eq!(positions, expected);
    let [next, seals, opens] = status.keys[..] else {
        unreachable!("three keys")
    };
    assert!(
        !known.contains(&next.fingerprint),
        "it was to seal in the past alone"
    );
    assert_eq!(opens.fingerprint, old);
    assert_eq!(opens.opens_for, Duration::from_secs(2 * HOUR));
    assert_eq!(seals.age, Duration::ZERO);
    // The next rotation comes a period after this one.
    assert_eq!(status.next_rotation, Some(Duration::from_secs(HOUR)));
    pass(&ring, &clock, 2 * HOUR - 1);
    assert!(ring.status().keys.iter().any(|key| key.fingerprint == old));
    pass(&ring, &clock, 1);
    assert!(!ring.status().keys.iter().any(|key| key.fingerprint == old));
}

#[test]
fn keys_of_a_provider_rotate_at_their_source() {
    let clock = clock(HOUR, crate::EPOCH);
    let keys = TicketKeys::random().expect("randomness");
    let given = builder(&clock, policy(HOUR, 2 * HOUR, 30 * HOUR)).keys(&keys);
    let ring = given.build().expect("a ring");
    let before = sealing(&ring);
    assert_eq!(ring.rotate(), Err(TicketKeyError::Provided));
    assert_eq!(sealing(&ring), before);
}

#[test]
fn the_number_of_rotations_within_a_lifetime_is_bounded() {
    let clock = clock(HOUR, crate::EPOCH);
    let made = builder(&clock, policy(HOUR, 2 * HOUR, 30 * HOUR)).own_keys();
    let ring = made.build().expect("a ring");
    let done = (0..1_000).take_while(|_| ring.rotate().is_ok()).count();
    assert!((200..300).contains(&done), "{done}");
    assert_eq!(ring.rotate(), Err(TicketKeyError::TooManyRotations));
    pass(&ring, &clock, 3 * HOUR);
    assert!(ring.rotate().is_ok(), "those keys have ended");
}
