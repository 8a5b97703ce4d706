//! Ticket keys from bytes: what is taken, what is refused, which update wins.

#[path = "common/records.rs"]
mod records;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use records::{names, record, ring};
use rekindle::ManualClock;
use rekindle::tickets::{
    KeyFault, KeyLocation, KeyLookup, KeyPosition, KeyRole, TicketKeyError, TicketKeys,
    TicketPolicy, TicketRing, Validity,
};

#[test]
fn the_first_record_seals_and_all_open() {
    let ring = ring(&[record(7), record(8)]);
    let (keys, now) = (ring.load(), ring.now());
    let sealing = keys.sealing(now).unwrap().key();
    assert_eq!(sealing.name()[..], record(7)[..16]);
    assert_eq!(sealing.hmac_secret(), &record(7)[16..32]);
    assert_eq!(sealing.aes_key(), &record(7)[32..]);
    let opening = |name| match keys.opening(&[name; 16], now) {
        KeyLookup::Key(key, place) => Some((key.key().aes_key().to_vec(), place)),
        KeyLookup::Retired | KeyLookup::Unknown => None,
    };
    let place_of = |name| opening(name).map(|(_, place)| place);
    assert_eq!(place_of(7), Some(KeyPosition::Sealing));
    let second = (record(8)[32..].to_vec(), KeyPosition::Previous(1));
    assert_eq!(opening(8), Some(second));
    assert_eq!(opening(9), None);
}

#[test]
fn bad_records_are_refused_and_the_ring_stays() {
    let ring = ring(&[record(1)]);
    let refused = |bytes: &[u8]| ring.update(bytes).unwrap_err();
    let too_short = |len| TicketKeyError::TooShort { len, record: 48 };
    assert_eq!(refused(&[]), too_short(0));
    assert_eq!(refused(&[5; 47]), too_short(47));
    let bad = |record, fault| TicketKeyError::Bad {
        at: KeyLocation::record(record),
        fault,
    };
    assert_eq!(refused(&[0; 48]), bad(0, KeyFault::AllZero));
    let second_is_zero = [record(2), [0; 48]].concat();
    assert_eq!(refused(&second_is_zero), bad(1, KeyFault::AllZero));
    // A name does not make a key of it.
    let mut zero_secrets = [0; 48];
    zero_secrets[..16].copy_from_slice(&record(2)[..16]);
    assert_eq!(refused(&zero_secrets), bad(0, KeyFault::AllZero));
    for secret in [16..32, 32..48] {
        for byte in [0, 0x41] {
            let mut repeated = record(2);
            repeated[secret.clone()].fill(byte);
            assert_eq!(refused(&repeated), bad(0, KeyFault::RepeatedByte));
        }
    }
    let mut equal = record(2);
    equal.copy_within(16..32, 32);
    let equal = [record(3), equal].concat();
    assert_eq!(refused(&equal), bad(1, KeyFault::EqualSecrets));
    let (first, second) = (KeyLocation::record(0), KeyLocation::record(2));
    let same_name = TicketKeyError::DuplicateName { first, second };
    let duplicates = [record(2), record(3), record(2)].concat();
    assert_eq!(refused(&duplicates), same_name);
    let mut renamed = record(2);
    renamed[..16].fill(9);
    let same_secrets = TicketKeyError::DuplicateMaterial { first, second };
    let duplicates = [record(2), record(3), renamed].concat();
    assert_eq!(refused(&duplicates), same_secrets);
    let mut many = Vec::new();
    for number in 0..=TicketKeys::MAX_KEYS {
        let mut one = record(1);
        one[..8].copy_from_slice(&(number as u64).to_le_bytes());
        one[20..28].copy_from_slice(&(number as u64).to_le_bytes());
        many.extend(one);
    }
    assert_eq!(refused(&many), TicketKeyError::TooMany);
    assert_eq!(names(&ring), [1]);
}

#[test]
fn a_newline_may_be_behind_the_last_record_and_nothing_else() {
    let ring = TicketRing::random().unwrap();
    for end in ["", "\n", "\r\n"] {
        let update = ring.update(&[&record(1)[..], end.as_bytes()].concat());
        assert_eq!(update.unwrap().keys, 1);
    }
    for end in [&b"x"[..], b"\n\n", b" ", &[0], &record(2)[..47]] {
        let error = ring.update(&[&record(1)[..], end].concat()).unwrap_err();
        let (bytes, record) = (end.len(), 48);
        assert_eq!(error, TicketKeyError::TrailingBytes { bytes, record });
    }
}

#[test]
fn random_keys_differ() {
    let random = || {
        let ring = TicketRing::random().unwrap();
        let keys = ring.load();
        let key = keys.sealing(ring.now()).unwrap().key();
        (*key.name(), key.aes_key().to_vec(), key.fingerprint())
    };
    let (a, b) = (random(), random());
    assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2);
}

#[test]
fn fingerprints_tell_whole_keys_apart() {
    let fingerprint = |record: &[u8]| {
        let keys = TicketKeys::parse(record).unwrap();
        keys.iter().next().unwrap().fingerprint()
    };
    let one = fingerprint(&record(1));
    assert_eq!(one, fingerprint(&record(1)));
    assert_eq!(one.to_string().len(), 16);
    for byte in [0, 16, 32, 47] {
        let mut other = record(1);
        other[byte] ^= 1;
        assert_ne!(one, fingerprint(&other), "byte {byte}");
    }
}

#[test]
fn debug_never_shows_a_key() {
    let secret = record(1);
    let given = TicketKeys::parse(&secret).unwrap();
    let ring = TicketRing::new(&given).unwrap();
    let keys = ring.load();
    let sealing = keys.sealing(ring.now()).unwrap();
    let status = ring.status();
    let shown = format!("{ring:?} {keys:?} {:?} {sealing:?}", &*keys);
    let shown = format!("{shown} {given:?} {status:?} {:?}", sealing.key());
    assert!(shown.contains(&sealing.key().fingerprint().to_string()));
    // Neither as decimal lists nor as hexadecimal digits.
    let parts = secret[16..].windows(3).flat_map(|part| {
        let [a, b, c] = part.try_into().unwrap();
        [
            format!("{a}, {b}, {c}"),
            format!("{a:02x}{b:02x}{c:02x}"),
            format!("{a:02X}{b:02X}{c:02X}"),
        ]
    });
    for part in parts {
        assert!(!shown.contains(&part), "{part} in {shown}");
    }
}

/// What the operator is told of keys that leave.
#[test]
fn a_key_is_dropped_only_while_its_tickets_may_live() {
    let clock = Arc::new(ManualClock::new());
    let builder = TicketRing::builder().clock(clock.clone());
    let keys = |numbers: &[u8]| {
        let records: Vec<u8> = numbers.iter().flat_map(|n| record(*n)).collect();
        TicketKeys::parse(&records).unwrap()
    };
    let ring = builder.keys(&keys(&[1])).build().unwrap();
    let lifetime = TicketPolicy::default().lifetime;
    assert_eq!(ring.replace(&keys(&[2, 1])).unwrap().dropped, 0);
    assert_eq!(ring.replace(&keys(&[2])).unwrap().dropped, 1);
    assert_eq!(ring.replace(&keys(&[3, 2])).unwrap().dropped, 0);
    clock.advance(lifetime - Duration::from_secs(1));
    assert_eq!(ring.replace(&keys(&[4, 3, 2])).unwrap().dropped, 0);
    assert_eq!(ring.replace(&keys(&[4, 3])).unwrap().dropped, 1);
    clock.advance(lifetime);
    assert_eq!(ring.replace(&keys(&[4])).unwrap().dropped, 0);
}

#[test]
fn keys_whose_times_are_over_do_not_replace_good_ones() {
    let ring = ring(&[record(1)]);
    let now = ring.unix_time();
    let hour = Duration::from_secs(3_600);
    let validity = Validity {
        seal_from: now - 3 * hour,
        seal_until: now - 2 * hour,
        open_until: now + hour,
    };
    let old = TicketKeys::parse(&record(2)).unwrap();
    let old = old.entries().next().unwrap();
    let old = TicketKeys::new(vec![old.with_role(KeyRole::Timed(validity))]).unwrap();
    assert_eq!(ring.replace(&old), Err(TicketKeyError::NothingSeals));
    assert_eq!(names(&ring), [1]);
}

#[test]
fn a_ring_is_replaced_as_a_whole() {
    let ring = ring(&[record(1), record(2)]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..20_000u32 {
                let first = (i % 100) as u8 + 1;
                ring.update(&[record(first), record(first + 1)].concat())
                    .unwrap();
            }
        });
        while !writer.is_finished() {
            let (now, keys) = (ring.now(), ring.load());
            let names: Vec<u8> = keys.iter().map(|key| key.key().name()[0]).collect();
            assert_eq!(names[1], names[0] + 1);
            let key = keys.iter().next().unwrap().key();
            assert_eq!(key.aes_key(), &record(names[0])[32..]);
            // A clock that is read before the ring is loaded may be behind the ring.
            let sealing = keys.sealing(now).or_else(|| keys.sealing(ring.now()));
            assert_eq!(sealing.unwrap().key().name()[0], names[0]);
        }
        writer.join().unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn parsing_never_panics_and_keeps_every_record(
        numbers in prop::collection::vec(0u8..4, 0..7),
        spoil in prop::collection::vec((0..300_usize, 0..300_usize, 0u8..3), 0..2),
        behind in prop::collection::vec(0u8..3, 0..60),
    ) {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| record(*number)).collect();
        bytes.extend(behind);
        for (from, len, with) in spoil {
            bytes.iter_mut().skip(from).take(len).for_each(|byte| *byte = with);
        }
        let records: Vec<&[u8]> = bytes.chunks_exact(48).collect();
        let mut names: Vec<&[u8]> = records.iter().map(|r| &r[..16]).collect();
        names.sort();
        names.dedup();
        let weak = |record: &[u8]| {
            let (hmac, aes) = (&record[16..32], &record[32..]);
            let repeated = |secret: &[u8]| secret.iter().all(|b| *b == secret[0]);
            // Five spoilt bytes in a row may be too many, and so are three values.
            let spoilt = record[16..].windows(5).any(repeated);
            let values: BTreeSet<_> = record[16..].iter().collect();
            repeated(hmac) || repeated(aes) || hmac == aes || spoilt || values.len() < 19
        };
        match TicketKeys::parse(&bytes) {
            Ok(keys) => {
                prop_assert_eq!(keys.len(), records.len());
                prop_assert!(bytes.len().is_multiple_of(48));
                prop_assert_eq!(names.len(), records.len());
                for (key, record) in keys.iter().zip(&records) {
                    let parts = [key.name().as_slice(), key.hmac_secret(), key.aes_key()];
                    prop_assert_eq!(&parts.concat(), record);
                }
            }
            Err(TicketKeyError::TrailingBytes { bytes: left, .. }) => {
                prop_assert_eq!(left, bytes.len() % 48);
            }
            Err(TicketKeyError::NotRecords(_)) => prop_assert!(bytes.is_ascii()),
            Err(TicketKeyError::TooShort { len, .. }) => {
                prop_assert!(len == bytes.len() && len < 48);
            }
            Err(TicketKeyError::Bad { at, .. }) => prop_assert!(weak(records[at.record])),
            Err(TicketKeyError::DuplicateName { first, second }) => {
                prop_assert!(first.record < second.record);
                prop_assert_eq!(&records[first.record][..16], &records[second.record][..16]);
            }
            Err(TicketKeyError::DuplicateMaterial { first, second }) => {
                prop_assert!(first.record < second.record);
                prop_assert_eq!(&records[first.record][16..], &records[second.record][16..]);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
