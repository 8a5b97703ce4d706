//! Ticket keys in time: months of it, with a wall clock that steps both ways.
//!
//! - [`months`]: random events in random order, against the model in [`model`].
//! - [`steps`]: single steps of the wall clock, and ages; each was wrong once.
//! - [`fleet`]: machines that share a secret, and whose clocks differ.
//! - [`on_demand`]: rotations that an operator asks for.
//! - [`operator`]: the file of keys or of a secret that those months are about.
//! - [`ratchet`]: the keys that a secret gives, and those that it no longer gives.

#[path = "../common/clock.rs"]
mod clock;
mod fleet;
mod model;
mod months;
mod on_demand;
mod operator;
mod ratchet;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use clock::TwoClocks;
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyLookup, KeyRole, TicketCipher, TicketKey, TicketPolicy, TicketRing,
    TicketRingBuilder, Validity,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A full hour of 2027, in seconds since 1970: a multiple of every period here.
const EPOCH: u64 = 1_800_000_000 / DAY * DAY;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine that came up `up` seconds ago, when it is `unix` seconds after 1970.
fn clock(up: u64, unix: u64) -> Arc<TwoClocks> {
    Arc::new(TwoClocks::new(seconds(up), seconds(unix)))
}

fn policy(period: u64, lifetime: u64, max_age: u64) -> TicketPolicy {
    let policy = TicketPolicy::default().period(seconds(period));
    policy.lifetime(seconds(lifetime)).max_age(seconds(max_age))
}

fn builder(clock: &Arc<TwoClocks>, policy: TicketPolicy) -> TicketRingBuilder {
    let builder = TicketRing::builder().clock(clock.clone());
    builder.policy(policy)
}

/// Seconds pass, with maintenance every ten of them.
fn pass(ring: &TicketRing, clock: &TwoClocks, time: u64) {
    for _ in 0..time / 10 {
        clock.pass(seconds(10));
        ring.maintain().expect("randomness");
    }
    clock.pass(seconds(time % 10));
    ring.maintain().expect("randomness");
}

/// The name of the key that seals now.
fn sealing(ring: &TicketRing) -> [u8; 16] {
    let (keys, now) = ring.load_to_seal();
    *keys.sealing(now).expect("a key seals").key().name()
}

fn opens(ring: &TicketRing, name: &[u8; 16]) -> bool {
    matches!(ring.load().opening(name, ring.now()), KeyLookup::Key(..))
}

/// How long, in seconds, a key still opens.
fn opens_for(ring: &TicketRing, name: &[u8; 16]) -> u64 {
    let (keys, now) = (ring.load(), ring.now());
    match keys.opening(name, now) {
        KeyLookup::Key(key, _) => (key.times.open_until.as_millis() - now.as_millis()) / 1_000,
        _ => 0,
    }
}

fn random_key(role: KeyRole, record: usize) -> KeyEntry {
    let key = TicketKey::random(TicketCipher::Aes128).expect("randomness");
    KeyEntry::new(key, role, KeyLocation::record(record))
}

/// A key that seals and opens at these times by the wall clock, in seconds.
fn timed(seal_from: u64, seal_until: u64, open_until: u64) -> KeyEntry {
    let validity = Validity {
        seal_from: seconds(seal_from),
        seal_until: seconds(seal_until),
        open_until: seconds(open_until),
    };
    random_key(KeyRole::Timed(validity), 0)
}
