//! Ticket keys for tests, told apart by a number.
#![allow(dead_code)] // each test uses a part

/// `name[16] | hmac_secret[16] | aes_key[16]`: a name of one byte, secrets of many.
pub(crate) fn record(number: u8) -> [u8; 48] {
    std::array::from_fn(|i| match i {
        0..16 => number,
        _ => number.wrapping_mul(31) ^ (i as u8).wrapping_mul(73),
    })
}

/// The same key with secrets of 32 bytes: `name[16] | hmac_secret[32] | aes_key[32]`.
pub(crate) fn long_record(number: u8) -> [u8; 80] {
    std::array::from_fn(|i| match i {
        0..16 => number,
        _ => number.wrapping_mul(31) ^ (i as u8).wrapping_mul(73),
    })
}
