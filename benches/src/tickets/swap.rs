//! A ring that is swapped all the time: for another one with the same keys, so that what one has
//! sealed the next one opens.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rekindle::tickets::{RingKey, TicketRing};

use crate::threads::{Raises, join};

pub(super) const RATE: f64 = 1_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    Still,
    Swapped,
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Still => f.write_str("still"),
            Self::Swapped => write!(f, "swapped {RATE} times a second"),
        }
    }
}

/// Swaps the ring for its copy while `work` is done; swaps in a second as they came about.
pub(super) fn while_swapping(ring: &TicketRing, work: impl FnOnce()) -> f64 {
    let records: Vec<u8> = ring.load().iter().flat_map(record).collect();
    let (over, start) = (AtomicBool::new(false), Instant::now());
    let swap = || {
        let mut swaps = 0_u32;
        while !over.load(Ordering::Relaxed) {
            ring.update(&records).expect("keys that were in it");
            swaps += 1;
            let next = Duration::from_secs_f64(f64::from(swaps) / RATE);
            thread::sleep(next.saturating_sub(start.elapsed()));
        }
        f64::from(swaps) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let swapper = scope.spawn(swap);
        let over = Raises(&over);
        work();
        drop(over);
        join(swapper)
    })
}

/// As in Traffic Server's key files.
fn record(key: &RingKey) -> [u8; 48] {
    let key = key.key();
    let mut record = [0; 48];
    record[..16].copy_from_slice(key.name());
    record[16..32].copy_from_slice(key.hmac_secret());
    record[32..].copy_from_slice(key.aes_key());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_ring_keeps_its_keys() {
        let ring = TicketRing::random().unwrap();
        let keys = || ring.load().iter().map(record).collect::<Vec<_>>();
        let (before, first) = (keys(), std::ptr::from_ref(&*ring.load()));
        let held = ring.load();
        while_swapping(&ring, || {
            while std::ptr::from_ref(&*ring.load()) == first {
                thread::yield_now();
            }
        });
        drop(held);
        assert_eq!(keys(), before);
    }
}
