//! Ticket keys for tests, told apart by a number.
#![allow(dead_code)] // each test uses a part

use rekindle::tickets::{TicketKeys, TicketRing};

/// A ring of these keys.
pub(crate) fn ring(records: &[[u8; 48]]) -> TicketRing {
    TicketRing::new(&TicketKeys::parse(records.as_flattened()).unwrap()).unwrap()
}

/// The names of the keys in force.
pub(crate) fn names(ring: &TicketRing) -> Vec<u8> {
    ring.load().iter().map(|key| key.key().name()[0]).collect()
}

/// `name[16] | hmac_secret[16] | aes_key[16]`: a name of one byte, secrets that look random.
pub(crate) fn record(number: u8) -> [u8; 48] {
    record_of(number)
}

/// The same key with secrets of 32 bytes: `name[16] | hmac_secret[32] | aes_key[32]`.
pub(crate) fn long_record(number: u8) -> [u8; 80] {
    record_of(number)
}

fn record_of<const LEN: usize>(number: u8) -> [u8; LEN] {
    let mut record = [number; LEN];
    record[16..].copy_from_slice(&secret(number.into(), LEN - 16));
    record
}

/// Bytes that look random (SplitMix64), and are the same for the same number.
pub(crate) fn secret(number: u64, len: usize) -> Vec<u8> {
    let byte = |i: u64| {
        let mut z = (number << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u8
    };
    (1..=len as u64).map(byte).collect()
}
