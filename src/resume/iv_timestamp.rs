//! When a ticket's session was born, in the ticket's initialisation vector.
//!
//! A vector has to be unique and not to be guessed, no more. So its first half is random, and its second
//! half the moment of birth by the ring's clock under a mask that only this process can make from the first
//! half. To everybody else the whole of it looks random. That costs some nanoseconds; in the session it
//! would be encoded, encrypted, decrypted and decoded with it, for a twentieth of a ticket's time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Bits of a moment, in milliseconds: 34 years, then they begin anew.
const MOMENT: u32 = 40;
const MOMENTS: u64 = (1 << MOMENT) - 1;

/// Half a vector.
const HALF: usize = 8;

/// Makes and reads the marks of one process.
pub(crate) struct Marks {
    /// SipHash, keyed at random.
    mask: RandomState,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self {
            mask: RandomState::new(),
        }
    }

    /// Bytes at the beginning of a vector that have to be random.
    pub(crate) const RANDOM: usize = HALF;

    /// Puts a moment into a vector that begins with random bytes.
    pub(crate) fn put(&self, born: u64, vector: &mut [u8; 16]) {
        let (random, rest) = vector.split_first_chunk_mut::<HALF>().expect("16 bytes");
        let marked = (born & MOMENTS) ^ self.mask(*random);
        rest.copy_from_slice(&marked.to_ne_bytes());
    }

    /// How long ago the session was born, if this process has made the vector. One of another maker's is
    /// taken for ours once in 16 million times.
    pub(crate) fn age(&self, vector: &[u8; 16], now: u64) -> Option<u64> {
        let (random, rest) = vector.split_first_chunk::<HALF>().expect("16 bytes");
        let rest: &[u8; HALF] = rest.try_into().expect("16 bytes");
        let born = u64::from_ne_bytes(*rest) ^ self.mask(*random);
        (born >> MOMENT == 0).then(|| {
            let age = now.wrapping_sub(born) & MOMENTS;
            // Clocks of two threads may differ by a tick.
            if age > MOMENTS / 2 { 0 } else { age }
        })
    }

    fn mask(&self, random: [u8; HALF]) -> u64 {
        self.mask.hash_one(u64::from_ne_bytes(random))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_the_age_to_its_own_process_only() {
        let (ours, theirs) = (Marks::new(), Marks::new());
        let mut read_by_others = 0;
        for n in 0..10_000_u64 {
            let mut vector = [0; 16];
            vector[..HALF].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_ne_bytes());
            let born = n << 25;
            ours.put(born, &mut vector);
            assert_eq!(ours.age(&vector, born), Some(0));
            assert_eq!(ours.age(&vector, born + 7_200_000), Some(7_200_000));
            assert_eq!(ours.age(&vector, born.saturating_sub(4)), Some(0));
            read_by_others += u64::from(theirs.age(&vector, born).is_some());
        }
        assert!(read_by_others < 10, "{read_by_others}");
    }

    #[test]
    fn marked_vectors_differ_where_the_random_half_does() {
        let marks = Marks::new();
        let mut seen = std::collections::HashSet::new();
        for n in 0..10_000_u64 {
            let mut vector = [0; 16];
            vector[..HALF].copy_from_slice(&n.to_ne_bytes());
            marks.put(1, &mut vector);
            assert!(seen.insert(vector[HALF..].to_vec()), "the same mask twice");
        }
    }
}
