//! Arbitrary bytes, and files of keys with something changed, in every format of ticket-key files.
//! Nothing panics; what parses is written in the same format and parses to the same keys, and in
//! every other format that can carry them; errors tell nothing of a secret.
#![no_main]

mod file;
#[allow(dead_code)] // the tests use more of it
#[path = "../../../crates/key-files/tests/formats/raw.rs"]
mod raw;
#[path = "../../../tests/common/records.rs"]
mod records;

use std::time::Duration;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{Fingerprint, KeyEntry, KeyRole, TicketKeys};
use rekindle_key_files::{TicketKeyFormat, WriteError};

use file::File;

fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let [format, to] = [byte(&mut u), byte(&mut u)]
        .map(|n| TicketKeyFormat::ALL[usize::from(n) % TicketKeyFormat::ALL.len()]);
    let now = time(&mut u);
    let file = File::new(format, &mut u);
    match format.parse(&file.content) {
        Ok(keys) => {
            file.shown_in(&format!("{keys:?}"));
            check(format, &keys, to, now);
        }
        Err(error) => file.shown_in(&format!("{error} {error:?}")),
    }
});

fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or(0)
}

/// Around the times of the keys, or any time.
fn time(u: &mut Unstructured<'_>) -> Duration {
    match byte(u) {
        255 => Duration::MAX,
        254 => Duration::new(u.arbitrary().unwrap_or(0), 999_999_999),
        253 => Duration::from_secs(u64::MAX),
        252 => Duration::ZERO,
        seconds => Duration::from_secs(file::BEGINNING + u64::from(seconds)),
    }
}

fn check(format: TicketKeyFormat, keys: &TicketKeys, to: TicketKeyFormat, now: Duration) {
    assert!((1..=TicketKeys::MAX_KEYS).contains(&keys.len()));
    // By the rules of h2o, written a second time: none of the others has times.
    let validity = |key: &KeyEntry| match key.role {
        KeyRole::Timed(validity) => Some(validity),
        _ => None,
    };
    let is_h2o = format == TicketKeyFormat::H2o;
    assert!(keys.entries().all(|key| validity(key).is_some() == is_h2o));
    let seals = |key: &KeyEntry| match validity(key) {
        Some(validity) => validity.seal_from <= now && now < validity.seal_until,
        None => key.role == KeyRole::Seal,
    };
    let opens = |key: &&KeyEntry| validity(key).is_none_or(|validity| now < validity.open_until);
    let sealing = keys.entries().find(|key| seals(key));
    let open = sorted(keys.entries().filter(opens));

    match (format.write(keys, now), sealing) {
        (Ok(written), Some(sealing)) => {
            let again = read(format, &written);
            assert_eq!(sorted(again.entries()), open);
            let first = again.entries().find(|key| seals(key)).expect("the same");
            assert_eq!(first.key().fingerprint(), sealing.key().fingerprint());
            // h2o's times and every format's order are as they were.
            let left: Vec<_> = keys.entries().filter(opens).collect();
            for (before, after) in left.iter().zip(again.entries()) {
                assert_eq!(before.key().fingerprint(), after.key().fingerprint());
                assert_eq!(before.role, after.role);
            }
            assert_eq!(format.write(&again, now).expect("once more"), written);
        }
        (Err(WriteError::NothingSeals), None) => {}
        (result, sealing) => panic!("{:?}, but {sealing:?}", result.err()),
    }

    match to.write(keys, now) {
        Ok(written) => {
            let again = read(to, &written);
            assert_eq!(sorted(again.entries()), open);
            // Behind the end of time nothing seals.
            if to == TicketKeyFormat::H2o && now < Duration::from_secs(u64::MAX) {
                let first = again.entries().find(|key| seals_by_time(key, now));
                let sealing = sealing.expect("or it is not written").key();
                assert_eq!(
                    first.expect("the same").key().fingerprint(),
                    sealing.fingerprint()
                );
            }
        }
        Err(WriteError::NothingSeals) => assert!(sealing.is_none()),
        Err(WriteError::Cipher { fingerprint, .. }) => {
            let of_key = |key: &&KeyEntry| key.key().fingerprint() == fingerprint;
            let key = keys.entries().find(of_key).expect("one of them").key();
            assert_ne!(Some(key.cipher()), to.cipher());
        }
        Err(WriteError::MacSecret { len, room, .. }) => assert!(len > room),
        Err(WriteError::NoSecond { .. }) => assert!(to == TicketKeyFormat::H2o && !is_h2o),
        Err(WriteError::TooFew { keys, least }) => assert!(keys == open.len() && keys < least),
        Err(WriteError::NotOneNext { keys }) => assert_ne!(keys, 1),
        Err(other) => panic!("{other}"),
    }
}

/// The set that files of one format hold together: of one key a file, the first seals.
fn read(format: TicketKeyFormat, files: &[impl AsRef<[u8]>]) -> TicketKeys {
    let parse = |file: &[u8]| format.parse(file).expect("what was written");
    if let [file] = files {
        return parse(file.as_ref());
    }
    assert!(format.is_one_key_a_file());
    let entries = files.iter().enumerate().map(|(place, file)| {
        let role = if place == 0 {
            KeyRole::Seal
        } else {
            KeyRole::Open
        };
        let keys = parse(file.as_ref());
        keys.entries().next().expect("a key").with_role(role)
    });
    TicketKeys::new(entries.collect()).expect("a set")
}

fn seals_by_time(key: &KeyEntry, now: Duration) -> bool {
    match key.role {
        KeyRole::Timed(times) => times.seal_from <= now && now < times.seal_until,
        _ => false,
    }
}

fn sorted<'a>(keys: impl Iterator<Item = &'a KeyEntry>) -> Vec<Fingerprint> {
    let mut fingerprints: Vec<_> = keys.map(|key| key.key().fingerprint()).collect();
    fingerprints.sort_by_key(|fingerprint| fingerprint.to_string());
    fingerprints
}
