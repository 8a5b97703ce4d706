//! Ticket keys from arbitrary bytes, against the rules told again: records of 48 bytes, none of
//! them all zero, no name twice, what is left over ignored and counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{TicketKeyError, TicketKeys, TicketRing};

const RECORD: usize = 48;

fuzz_target!(|bytes: &[u8]| {
    let records: Vec<&[u8]> = bytes.chunks_exact(RECORD).collect();
    let name = |i: usize| &records[i][..16];
    let zero = records.iter().position(|r| r.iter().all(|b| *b == 0));
    // Each record whose name an earlier one has, with the last of those.
    let twin = |second| (0..second).rev().find(|first| name(*first) == name(second));
    let twins: Vec<_> = (0..records.len())
        .filter_map(|second| twin(second).map(|first| (first, second)))
        .collect();

    match TicketKeys::parse(bytes) {
        Err(TicketKeyError::TooShort { len }) => {
            assert!(records.is_empty());
            assert_eq!(len, bytes.len());
        }
        Err(TicketKeyError::AllZero { record }) => assert_eq!(zero, Some(record)),
        Err(TicketKeyError::DuplicateName { first, second }) => {
            assert_eq!(zero, None);
            assert!(
                twins.contains(&(first, second)),
                "{first} and {second} of {twins:?}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(keys) => {
            assert!(!records.is_empty() && zero.is_none() && twins.is_empty());
            assert_eq!(
                (keys.len(), keys.trailing()),
                (records.len(), bytes.len() % RECORD)
            );
            assert_eq!(keys.sealing().name()[..], *name(0));
            for (i, (key, record)) in keys.iter().zip(&records).enumerate() {
                assert_eq!(key.name()[..], record[..16]);
                assert_eq!(key.hmac_secret()[..], record[16..32]);
                assert_eq!(key.aes_key()[..], record[32..]);
                let (place, _) = keys.opening(key.name()).expect("its own name");
                assert_eq!(place, i);
            }
            let mut stranger = *keys.sealing().name();
            stranger[0] ^= 1;
            let known = (0..records.len()).find(|i| *name(*i) == stranger);
            assert_eq!(keys.opening(&stranger).map(|(place, _)| place), known);

            check_update(bytes, &keys);
            return;
        }
    }
    check_refusal(bytes);
});

/// An update takes all that parses.
fn check_update(bytes: &[u8], keys: &TicketKeys) {
    let ring = TicketRing::new(TicketKeys::parse(&[1; RECORD]).expect("a record"));
    let update = ring.update(bytes).expect("parses");
    assert_eq!(
        (update.keys, update.trailing),
        (keys.len(), keys.trailing())
    );
    // A fingerprint costs as much as all the rest.
    if bytes[0].is_multiple_of(4) {
        assert_eq!(update.sealing, keys.sealing().fingerprint());
    }
    assert!(ring.update(&bytes[..RECORD - 1]).is_err());
    let ring = ring.load();
    assert_eq!(ring.len(), keys.len());
    for (now, key) in ring.iter().zip(keys.iter()) {
        assert_eq!(now.name(), key.name());
        assert_eq!(now.hmac_secret(), key.hmac_secret());
        assert_eq!(now.aes_key(), key.aes_key());
    }
}

/// What does not parse leaves the ring alone.
fn check_refusal(bytes: &[u8]) {
    let ring = TicketRing::new(TicketKeys::parse(&[1; RECORD]).expect("a record"));
    assert!(ring.update(bytes).is_err());
    let left = ring.load();
    assert_eq!((left.len(), left.sealing().name()), (1, &[1; 16]));
}
