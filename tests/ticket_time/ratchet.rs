//! What a secret gives, byte for byte, and what a ratchet takes back.

use rekindle::tickets::{SecretError, TicketSecret};
use rekindle::{Clock, Time};
use rekindle_key_files::{parse_secret, secret_text};

use super::{DAY, EPOCH, HOUR, builder, clock, opens, pass, policy, sealing, seconds};

/// The bytes 0 to 31.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const INDEX: u64 = 490_324;

/// From RFC 5869, by a program in another language whose HKDF gives the RFC's first test vector:
/// name, MAC secret and encryption key, for a period of 3,600 s.
const KEY: [&str; 3] = [
    "80ec430e1936fd57e59eba7a1bd806cf",
    "13f2261c97e8f1ec7a2ed1ee564bd0ffa9f1999f5ff686f350521de1fef66980",
    "12fd991a9b79c71fc8361f4efd1d822b27ab753a7ca0141cc240ea496fc86188",
];
/// Three periods later, without a ratchet.
const LATER: [&str; 3] = [
    "5b92c0a705f74bd23553e8c4f82769bc",
    "4d936aaea604f5f4f733bb733ef95c268bb78cf231194eba10c4d93c68d53cb0",
    "c8467978fd6db4eb630e17d414669f28a399c08140a1fb013e6509c381836e12",
];
/// With a ratchet.
const RATCHETED: [&str; 3] = [
    "08f38852c702f8c63c8fbfb6e5466be9",
    "8f8317015c9d29eb63bc306220c196202db6b4484bf94746658369418bde6bdb",
    "37773a0fa5e0323be82c9d2e62c6b5d467168f2a670d0ae1d035001550b3790c",
];
/// The secret that the ratchet has by then.
const STATES: [&str; 3] = [
    "2df54ed565cd9d29568d801ea1a0ad30917602a45626c2eccae697833268e92b",
    "d1f31ea7b4c32d5ef7f0b6c9cadae9993e03bf390b4443fb35ecf7e7db2b6f02",
    "570e4384aa1c575e3bbeda938cebb629cc9c267f138982604134e393eb06a545",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(secret: &TicketSecret, index: u64) -> [String; 3] {
    let key = secret.key(index).expect("a key");
    [hex(key.name()), hex(key.hmac_secret()), hex(key.aes_key())]
}

fn parse(ratchet: &str) -> TicketSecret {
    let text = format!("secret {SECRET}\nperiod 3600\n{ratchet}");
    parse_secret(text.as_bytes()).expect("a good secret")
}

#[test]
fn keys_are_those_of_rfc_5869() {
    let secret = parse("");
    assert_eq!(key(&secret, INDEX), KEY);
    assert_eq!(key(&secret, INDEX + 3), LATER);
    let mut ratchet = parse(&format!("ratchet {INDEX}"));
    assert_eq!(key(&ratchet, INDEX), KEY);
    assert_eq!(key(&ratchet, INDEX + 3), RATCHETED);
    for (index, state) in (INDEX + 1..).zip(STATES) {
        ratchet = ratchet.ratcheted(index).expect("it goes forward");
        assert!(secret_text(&ratchet).contains(&format!("secret {state}\n")));
        assert!(secret_text(&ratchet).contains(&format!("ratchet {index}\n")));
    }
    assert_eq!(key(&ratchet, INDEX + 3), RATCHETED);
    // Read again as it was written.
    let again = parse_secret(secret_text(&ratchet).as_bytes()).expect("a good secret");
    assert_eq!(key(&again, INDEX + 3), RATCHETED);
}

#[test]
fn no_way_leads_back() {
    let secret = parse(&format!("ratchet {INDEX}"));
    let later = secret.ratcheted(INDEX + 5).expect("it goes forward");
    assert_eq!(later.ratchet(), Some(INDEX + 5));
    for past in 0..5 {
        let past = INDEX + past;
        assert_eq!(later.key(past).unwrap_err(), SecretError::Past);
        assert_eq!(later.ratcheted(past).unwrap_err(), SecretError::Past);
    }
    // Nor is what it was still in it.
    let text = secret_text(&later);
    assert!(!text.contains(SECRET) && STATES.iter().all(|state| !text.contains(state)));
    for next in 5..50 {
        assert_eq!(key(&later, INDEX + next), key(&secret, INDEX + next));
    }
    let far = INDEX + 1 + TicketSecret::MOST_STEPS;
    assert_eq!(secret.key(far).unwrap_err(), SecretError::TooFar);
}

/// In one step or in many: at one wall clock there is one state.
#[test]
fn equal_times_give_equal_states() {
    let secret = parse(&format!("ratchet {INDEX}"));
    let mut slowly = secret.clone();
    for index in INDEX..INDEX + 40 {
        slowly = slowly.ratcheted(index).expect("it goes forward");
        let at_once = secret.ratcheted(index).expect("it goes forward");
        assert_eq!(*secret_text(&slowly), *secret_text(&at_once));
    }
}

/// A ring that was looked after cannot derive again what it has forgotten: a step back finds
/// nothing there.
#[test]
fn a_ring_gives_up_the_way_back() {
    let of_a_day = policy(HOUR, 2 * HOUR, DAY);
    for ratchet in [None, Some(seconds(EPOCH))] {
        let secret = TicketSecret::random(seconds(HOUR), ratchet).expect("randomness");
        let clock = clock(DAY, EPOCH);
        let ring = builder(&clock, of_a_day)
            .secret(&secret)
            .build()
            .expect("a ring");
        let first = sealing(&ring);
        pass(&ring, &clock, 6 * HOUR);
        assert!(!opens(&ring, &first), "it has ended");
        clock.step(-6 * HOUR as i64);
        ring.maintain().expect("randomness");
        assert_eq!(opens(&ring, &first), ratchet.is_none());
        assert_eq!(ring.status().fallback, ratchet.is_some());
        // What is known of the days to come is as it was.
        clock.step(6 * HOUR as i64);
        ring.maintain().expect("randomness");
        let current = secret.key(secret.index(clock.unix_time())).expect("a key");
        assert_eq!(sealing(&ring), *current.name());
        assert!(clock.now() > Time::from_millis(0));
    }
}
