//! When a ticket's session was issued, hidden in the ticket's initialisation vector (IV).
//!
//! An IV for CBC has to be unique and unpredictable, no more (NIST SP 800-38A, appendix C). So its
//! first half is random, and its second half is the moment of issue by the ring's clock, masked
//! with SipHash-2-4 of the first half under a random key of this process. To everyone without that
//! key the whole IV looks random. The mask costs some nanoseconds; a field in the session would be
//! encoded, encrypted, decrypted and decoded with it, for a twentieth of a ticket's time.

use std::io;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use zeroize::Zeroizing;

use super::lineage::millis;
use crate::clock::whole_millis;
use crate::state::{Reader, StateError, Writer};
use crate::sync::{AtomicU64, Ordering};

/// Bits of a timestamp in milliseconds: 34 years, then they begin anew.
const TIMESTAMP_BITS: u32 = 40;
const MAX_TIMESTAMP: u64 = (1 << TIMESTAMP_BITS) - 1;

/// How far a timestamp may lie ahead, in milliseconds: the clocks of two threads may differ by a
/// tick.
const AHEAD: u64 = 1_000;

/// Bytes of half an IV.
const HALF: usize = 8;

/// Writes and reads the timestamps of one process.
pub(crate) struct IvTimestamps {
    prf: SipHasher24,
    /// The function's key, for a successor of this process.
    key: Zeroizing<[u8; 16]>,
    /// The least and the greatest wall offset of the tickets issued so far ([`ordered_offset`]). A
    /// ticket's wall offset is its session's time, by the wall clock, less its timestamp, by the
    /// ring's clock: it changes when the wall clock steps. Both begin with the clocks' own offset,
    /// for processes that fork share the key and not what each of them issues.
    offsets: [AtomicU64; 2],
}

impl IvTimestamps {
    /// Bytes at the beginning of an IV that have to be random.
    pub(crate) const RANDOM: usize = HALF;

    /// For a ring whose clock shows `now`, in milliseconds, when the wall clock shows `unix`.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no random bytes.
    pub(crate) fn new(now: u64, unix: Duration) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 16]);
        getrandom::fill(&mut *key).map_err(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::other(error.to_string()),
        })?;
        Ok(Self::of(key, offsets_of_clocks(now, unix)))
    }

    fn of(key: Zeroizing<[u8; 16]>, offsets: [u64; 2]) -> Self {
        Self {
            prf: SipHasher24::new_with_key(&key),
            key,
            offsets: offsets.map(AtomicU64::new),
        }
    }

    pub(crate) fn write_state(&self, out: &mut Writer) {
        out.fixed(&*self.key);
        for offset in &self.offsets {
            out.number(offset.load(Ordering::Relaxed));
        }
    }

    /// Those of another process with the same clock: it and this one read each other's.
    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let key = Zeroizing::new(from.fixed()?);
        Ok(Self::of(key, [from.number()?, from.number()?]))
    }

    /// Completes an IV that begins with random bytes, for a session of that time (in seconds since
    /// 1970) that was issued at `issued_at` (in milliseconds by the ring's clock).
    pub(crate) fn write(&self, issued_at: u64, session_time: i64, iv: &mut [u8; 16]) {
        let offset = ordered_offset(millis(session_time), issued_at);
        let [least, greatest] = &self.offsets;
        // Relaxed: the ticket itself comes back later by far than either change is seen.
        if offset < least.load(Ordering::Relaxed) {
            least.fetch_min(offset, Ordering::Relaxed);
        }
        if offset > greatest.load(Ordering::Relaxed) {
            greatest.fetch_max(offset, Ordering::Relaxed);
        }
        let (random, rest) = iv.split_first_chunk_mut::<HALF>().expect("16 bytes");
        let masked = (issued_at & MAX_TIMESTAMP) ^ self.prf.hash(random);
        rest.copy_from_slice(&masked.to_ne_bytes());
    }

    /// How long before `now` the session was issued, in milliseconds, if this process has written
    /// the IV. One of 2^24 foreign IVs passes; [`is_own`](Self::is_own) refuses most of those.
    pub(crate) fn age(&self, iv: &[u8; 16], now: u64) -> Option<u64> {
        let (random, rest) = iv.split_first_chunk::<HALF>().expect("16 bytes");
        let rest: &[u8; HALF] = rest.try_into().expect("16 bytes");
        let issued_at = u64::from_ne_bytes(*rest) ^ self.prf.hash(random);
        if issued_at >> TIMESTAMP_BITS != 0 {
            return None;
        }
        if issued_at.wrapping_sub(now) & MAX_TIMESTAMP <= AHEAD {
            return Some(0);
        }
        let age = now.wrapping_sub(issued_at) & MAX_TIMESTAMP;
        (age <= MAX_TIMESTAMP / 2).then_some(age)
    }

    /// Whether a session of that time can be one that this process, or one that shares its key, has
    /// issued at `issued_at`: whether its wall offset is that of the clocks, which show `now` and
    /// `unix`, or is within those of the tickets that this process has issued. A foreign ticket
    /// that passes is younger than the wall clock says by no more than the wall clock has stepped.
    pub(crate) fn is_own(
        &self,
        issued_at: u64,
        session_time: i64,
        now: u64,
        unix: Duration,
    ) -> bool {
        let offset = ordered_offset(millis(session_time), issued_at);
        let issued = self
            .offsets
            .each_ref()
            .map(|offset| offset.load(Ordering::Relaxed));
        // A timestamp ahead of the clock reads as now, and shifts the offset.
        let is_within = |[least, greatest]: [u64; 2]| {
            (least.saturating_sub(AHEAD)..=greatest.saturating_add(AHEAD)).contains(&offset)
        };
        is_within(issued) || is_within(offsets_of_clocks(now, unix))
    }
}

/// The least and the greatest wall offset of a session of now, whose time is in whole seconds.
fn offsets_of_clocks(now: u64, unix: Duration) -> [u64; 2] {
    let unix = whole_millis(unix);
    [unix.saturating_sub(1_000), unix].map(|unix| ordered_offset(unix, now))
}

/// A wall offset in milliseconds, as an unsigned number whose order is that of the offsets.
fn ordered_offset(unix: u64, at: u64) -> u64 {
    let offset = (unix as i64).wrapping_sub(at as i64);
    offset as u64 ^ 1 << 63
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn iv(n: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[..HALF].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_ne_bytes());
        iv
    }

    fn timestamps() -> IvTimestamps {
        IvTimestamps::new(0, Duration::ZERO).unwrap()
    }

    #[test]
    fn a_timestamp_tells_the_age_to_its_own_process_only() {
        let (ours, theirs) = (timestamps(), timestamps());
        let mut read_by_others = 0;
        for n in 0..10_000_u64 {
            let mut iv = iv(n);
            let issued_at = n << 25;
            ours.write(issued_at, 0, &mut iv);
            assert_eq!(ours.age(&iv, issued_at), Some(0));
            assert_eq!(ours.age(&iv, issued_at + 7_200_000), Some(7_200_000));
            assert_eq!(ours.age(&iv, issued_at.saturating_sub(4)), Some(0));
            read_by_others += u64::from(theirs.age(&iv, issued_at).is_some());
        }
        assert!(read_by_others < 10, "{read_by_others}");
    }

    #[test]
    fn ivs_differ_where_their_random_halves_do() {
        let timestamps = timestamps();
        let mut seen = std::collections::HashSet::new();
        for n in 0..10_000_u64 {
            let mut iv = iv(n);
            timestamps.write(1, 0, &mut iv);
            assert!(seen.insert(iv[HALF..].to_vec()), "the same mask twice");
        }
    }

    #[test]
    fn the_mask_is_siphash_2_4() {
        // The reference implementation's vector for the key 00 01 .. 0f and the bytes 00 01 .. 07.
        let prf = SipHasher24::new_with_key(&std::array::from_fn(|i| i as u8));
        let input: [u8; 8] = std::array::from_fn(|i| i as u8);
        assert_eq!(prf.hash(&input), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn a_timestamp_that_lies_ahead_is_none() {
        let (timestamps, now, mut iv) = (timestamps(), 1 << 30, iv(1));
        timestamps.write(now + AHEAD, 0, &mut iv);
        assert_eq!(timestamps.age(&iv, now), Some(0));
        for ahead in [AHEAD + 1, 3_600_000, MAX_TIMESTAMP / 2 - 1] {
            timestamps.write(now + ahead, 0, &mut iv);
            assert_eq!(timestamps.age(&iv, now), None, "{ahead}");
        }
    }

    #[test]
    fn only_wall_offsets_of_tickets_that_were_issued_are_our_own() {
        let timestamps = timestamps();
        let is_own = |issued_at, time| timestamps.is_own(issued_at, time, 0, Duration::ZERO);
        assert!(!is_own(5_000, 1_000), "none was issued");
        timestamps.write(5_000, 1_000, &mut iv(1));
        // One issued later, whose session is later by as much; and one whose session is older.
        assert!(is_own(65_000, 1_060));
        assert!(!is_own(65_000, 2_000));
        assert!(!is_own(5_000, 1_060));
        // The wall clock steps back.
        timestamps.write(65_000, 1_000, &mut iv(2));
        assert!(is_own(65_000, 1_000));
        assert!(is_own(65_000, 1_060));
        assert!(!is_own(5_000, 1_060));
    }

    #[test]
    fn a_process_that_has_forked_knows_the_tickets_of_its_siblings() {
        let day = Duration::from_secs(86_400);
        let parent = IvTimestamps::new(5_000, day).unwrap();
        let sibling = IvTimestamps::of(parent.key.clone(), offsets_of_clocks(5_000, day));
        // A session of the second before last, which the sibling issues; then the wall clock steps.
        sibling.write(7_000, 86_401, &mut iv(1));
        let an_hour_on = day + Duration::from_secs(3_610);
        assert!(parent.is_own(7_000, 86_401, 17_000, an_hour_on));
        // It issues the next one after the step, when this process has issued none since.
        sibling.write(16_000, 90_009, &mut iv(2));
        assert!(parent.is_own(16_000, 90_009, 17_000, an_hour_on + Duration::from_secs(2)));
        assert!(!parent.is_own(16_000, 88_000, 17_000, an_hour_on + Duration::from_secs(2)));
    }
}
