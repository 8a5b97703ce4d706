//! What a secret gives, byte for byte, and what a ratchet takes back.

use rekindle::tickets::{SecretError, TicketSecret};
use rekindle::{Clock, Time};
use rekindle_key_files::{parse_secret, secret_text};
use zeroize::Zeroizing;

use super::{DAY, EPOCH, HOUR, builder, clock, opens, pass, policy, sealing, seconds};

/// SHA-256 of `rekindle`.
const SECRET: &str = "7627eab44eec451a1e43d2ad7649c689fdbae147a244b801c69b729922793878";
const INDEX: u64 = 490_324;

/// From RFC 5869, by a program in another language whose HKDF gives the RFC's first test vector:
/// name, MAC secret and encryption key, for a period of 3,600 s.
const KEY: [&str; 3] = [
    "727b88f99d4b7983b300aa84def52a82",
    "08bde0e15c1c59b5650f7867a4418b48eab463b31051c25a21980d239e097eb2",
    "b2767db7b2dafd56a0b4c798ce329d72f655ff7bbb89ac34b81133d9bdfc8485",
];
/// Three periods later, without a ratchet.
const LATER: [&str; 3] = [
    "cf3e580e75f0e63126666a1ef9cce223",
    "f38892198a7911499399c17e82ec810e7841cca02908db25600b1e0377d4d944",
    "0b5cb54273df2254a101051cfb5102948368ebad0de8d65c5b1f064c06567ebd",
];
/// With a ratchet.
const RATCHETED: [&str; 3] = [
    "8f75c7da84e64c1176342994a9586fb2",
    "cc1dd8a4c4bab2b31dcc2964af01ec387e933e646e72752f22a27c4bf0ce18c4",
    "1c652c8877d3d18aed7682ff7663e205f10e1ec3e3dd9cb7d7ef1a5aaccf41b6",
];
/// The secret that the ratchet has by then.
const STATES: [&str; 3] = [
    "5856d499488c4d5f776e8e56868ff6171914103f12d5c4e92535fcfb767dc96c",
    "7ef3583b772f9a3ec3cc7856b0d22b8688db469e686ac943e362a72682f9bd54",
    "7bcb97bac060c3ff3e081fc2f2edb155f44d2409af1cc1ea22911245d9506b78",
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
    parse_secret(text.as_bytes()).expect("a good secret").secret
}

fn text(secret: &TicketSecret) -> Zeroizing<String> {
    secret_text(&secret.clone().into())
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
        assert!(text(&ratchet).contains(&format!("secret {state}\n")));
        assert!(text(&ratchet).contains(&format!("ratchet {index}\n")));
    }
    assert_eq!(key(&ratchet, INDEX + 3), RATCHETED);
    // Read again as it was written.
    let again = parse_secret(text(&ratchet).as_bytes()).expect("a good secret");
    assert_eq!(key(&again.secret, INDEX + 3), RATCHETED);
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
    let text = text(&later);
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
        assert_eq!(*text(&slowly), *text(&at_once));
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
