//! What is known of the values that rustls stores, from its oldest version on that this works with:
//! how they end. `tests/rustls/elsewhere.rs` fails where another version writes them otherwise.
//!
//! ```text
//! .. | created at, in seconds since 1970 [8] | what hides the age of its ticket [4]
//! ```

use std::time::Duration;

/// When a session began, by the time of day; 1970 if the value is none of rustls's, which no
/// handshake resumes.
pub(super) fn created_at(value: &[u8]) -> Duration {
    let created_at = value.split_last_chunk::<4>();
    let created_at = created_at.and_then(|(rest, _)| rest.last_chunk());
    created_at.map_or(Duration::ZERO, |seconds| {
        Duration::from_secs(u64::from_be_bytes(*seconds))
    })
}

/// rustls accepts early data of a client whose ticket is as old as it says: with the first bit of
/// what hides its age turned over, no age is right.
pub(super) fn forbid_early_data(value: &mut [u8]) {
    if let Some(offset) = value.last_chunk_mut::<4>() {
        offset[0] ^= 0x80;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_are_read() {
        let mut value = *b"...\0\0\0\0\0\0\x01\x02abcd";
        assert_eq!(created_at(&value), Duration::from_secs(0x102));
        forbid_early_data(&mut value);
        assert_eq!(&value[11..], b"\xe1bcd");
        assert_eq!(created_at(&value), Duration::from_secs(0x102));
        for len in 0..12 {
            assert_eq!(created_at(&vec![0xff; len]), Duration::ZERO);
            forbid_early_data(&mut vec![0xff; len]);
        }
        assert_eq!(created_at(&[0xff; 12]), Duration::from_secs(u64::MAX));
    }
}
