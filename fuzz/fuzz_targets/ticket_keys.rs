//! Ticket keys from arbitrary bytes, against the rules written a second time: records of 48 bytes,
//! none of them weak or text, no name and no pair of secrets twice, and behind them a newline at
//! most.
#![no_main]

mod rules;

use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{
    KeyFault, KeyLocation, KeyLookup, KeyPosition, KeyRole, TicketKeyError, TicketKeys, TicketRing,
};

use rules::{
    Looks, RECORD, content_looks, duplicates, fault, is_newline, looks, mask, name, record,
    secrets, shows_secrets,
};

fuzz_target!(|input: &[u8]| {
    // What is masked looks random; the rest is mostly text, or a pattern.
    let masked = input.split_first().map(|(how, rest)| match how % 4 {
        0 => rest.to_vec(),
        _ => mask(rest),
    });
    let bytes = &masked.unwrap_or_default()[..];
    let records: Vec<&[u8]> = bytes.chunks_exact(RECORD).collect();
    let weak = records.iter().position(|record| fault(record).is_some());
    let not_random = |record: &&[u8]| looks(record) == Looks::NotRandom;
    let names = duplicates(&records, name);
    let secrets = duplicates(&records, secrets);
    let left = &bytes[records.len() * RECORD..];
    let newline = is_newline(&bytes[..records.len() * RECORD], left);

    match TicketKeys::parse(bytes) {
        Err(TicketKeyError::NotRecords(_)) => assert_ne!(content_looks(bytes), Looks::Random),
        Err(TicketKeyError::TooShort { len, record }) => {
            assert!(records.is_empty());
            assert_eq!((len, record), (bytes.len(), RECORD));
        }
        Err(TicketKeyError::TrailingBytes { bytes, record }) => {
            assert!(!newline && !records.is_empty());
            assert_eq!((bytes, record), (left.len(), RECORD));
        }
        Err(TicketKeyError::Bad { at, fault: is }) => match is {
            KeyFault::NotRandom(_) => {
                assert_ne!(looks(records[at.record]), Looks::Random);
                assert!(weak.is_none_or(|weak| weak > at.record));
            }
            KeyFault::NameInSecrets => assert!(shows_secrets(records[at.record])),
            is => {
                assert_eq!(Some(at), weak.map(KeyLocation::record));
                assert_eq!(Some(is), fault(records[at.record]));
            }
        },
        Err(TicketKeyError::DuplicateName { first, second }) => {
            assert!(weak.is_none() && !records.iter().any(not_random));
            let (first, second) = (first.record, second.record);
            assert!(names.contains(&(first, second)), "{first}, {second}");
        }
        Err(TicketKeyError::DuplicateMaterial { first, second }) => {
            assert!(weak.is_none() && !records.iter().any(not_random) && names.is_empty());
            let (first, second) = (first.record, second.record);
            assert!(secrets.contains(&(first, second)), "{first}, {second}");
        }
        Err(other) => panic!("{other}"),
        Ok(keys) => {
            assert!(!records.is_empty() && weak.is_none() && newline);
            assert!(names.is_empty() && secrets.is_empty());
            assert!(
                !records.iter().any(not_random),
                "keys that are text or a pattern"
            );
            assert!(!records.iter().any(|record| shows_secrets(record)));
            assert_ne!(content_looks(bytes), Looks::NotRandom);
            assert_eq!(keys.len(), records.len());
            for (i, (entry, record)) in keys.entries().zip(&records).enumerate() {
                let role = if i == 0 { KeyRole::Seal } else { KeyRole::Open };
                assert_eq!(entry.role, role);
                let key = entry.key();
                let parts = [&key.name()[..], key.hmac_secret(), key.aes_key()];
                assert_eq!(parts.concat(), *record);
            }
            check_update(bytes, &keys, &records);
            return;
        }
    }
    check_refusal(bytes);
});

/// Name, HMAC secret, AES key.
fn good() -> [u8; RECORD] {
    record(0x77, 0x77)
}

fn good_ring() -> TicketRing {
    TicketRing::new(&TicketKeys::parse(&good()).expect("a record")).expect("a ring")
}

/// An update takes all that parses.
fn check_update(bytes: &[u8], keys: &TicketKeys, records: &[&[u8]]) {
    let ring = good_ring();
    let update = ring.update(bytes).expect("parses");
    assert_eq!(update.keys, keys.len());
    let named = |name: &[u8; 16]| records.iter().position(|record| record[..16] == *name);
    let old = &[0x77; 16];
    // A key with the old name and other secrets opens none of the old key's tickets.
    let kept = records.iter().any(|record| *record == good());
    assert_eq!(update.dropped, usize::from(!kept));
    assert!(!update.fallback);
    let first = keys.iter().next().expect("one");
    assert_eq!(update.sealing, first.fingerprint());
    assert!(ring.update(&bytes[..RECORD - 1]).is_err());

    let (now, ring) = (ring.now(), ring.load());
    assert_eq!(ring.len(), keys.len());
    for (ours, key) in ring.iter().map(|ours| ours.key()).zip(keys.iter()) {
        assert_eq!(ours.name(), key.name());
        assert_eq!(ours.hmac_secret(), key.hmac_secret());
        assert_eq!(ours.aes_key(), key.aes_key());
    }
    let sealing = ring.sealing(now).expect("a key that seals");
    assert_eq!(sealing.key().name()[..], records[0][..16]);
    for record in records {
        let name = *record.first_chunk::<16>().expect("a name");
        let mut stranger = name;
        stranger[0] ^= 1;
        for name in [name, stranger, *old] {
            match (ring.opening(&name, now), named(&name)) {
                (KeyLookup::Key(key, KeyPosition::Sealing), Some(0)) => {
                    assert_eq!(key.key().name(), &name)
                }
                (KeyLookup::Key(key, KeyPosition::Previous(n)), Some(i)) => {
                    assert_eq!((key.key().name(), n), (&name, i));
                }
                (KeyLookup::Retired, None) => assert_eq!(name, *old),
                (KeyLookup::Unknown, None) => assert_ne!(name, *old),
                (found, index) => panic!("{found:?}, but {index:?}"),
            }
        }
    }
}

/// What does not parse leaves the ring alone.
fn check_refusal(bytes: &[u8]) {
    let ring = good_ring();
    assert!(ring.update(bytes).is_err());
    let left = ring.load();
    let sealing = left.sealing(ring.now()).expect("a key that seals");
    assert_eq!(
        (left.len(), &sealing.key().name()[..]),
        (1, &[0x77; 16][..])
    );
}
