//! Where a batch is done, what came of it, and the sessions that come and go meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::scene::Scene;
use crate::peers::{Kind, Peer};
use crate::workload::{Churned, Value, check, churned};

/// Operations in one batch: clocks are read, and locks of the harness taken, between batches.
pub const BATCH: usize = 1_000;

/// Where and when a batch is done.
#[derive(Debug)]
pub struct Place<'a> {
    /// What the tables were filled with.
    pub scene: &'a Scene,
    /// Independent keys, in the order in which they are asked for.
    pub keys: &'a [u32],
    /// The thread's number.
    pub thread: usize,
    /// The batch's number; the same batch asks every contender the same.
    pub batch: usize,
    /// How many sessions that come and go this thread has inserted into this table.
    pub inserted: &'a AtomicU64,
}

impl Place<'_> {
    /// The keys of this batch.
    #[must_use]
    pub fn keys(&self) -> &[u32] {
        let places = self.keys.len().saturating_sub(BATCH) + 1;
        let first = (self.batch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        &self.keys[first as usize % places..][..BATCH.min(self.keys.len())]
    }

    /// Random numbers of this batch.
    #[must_use]
    pub fn rng(&self) -> SmallRng {
        SmallRng::seed_from_u64((self.thread as u64) << 32 | self.batch as u64)
    }
}

/// What was done in a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// How long it took.
    pub spent: Duration,
    /// Operations.
    pub operations: u64,
    /// Sessions that were asked for, looked up or taken.
    pub asked: u64,
    /// Of these, how many were not there.
    pub missed: u64,
    /// Inserts.
    pub inserts: u64,
    /// Of these, how many were refused.
    pub refused: u64,
}

impl Done {
    /// Adds what was done elsewhere.
    pub fn add(&mut self, other: Self) {
        self.spent += other.spent;
        self.operations += other.operations;
        self.asked += other.asked;
        self.missed += other.missed;
        self.inserts += other.inserts;
        self.refused += other.refused;
    }

    /// Counts an insert.
    #[inline]
    pub fn inserted(&mut self, kept: bool) {
        self.inserts += 1;
        self.refused += u64::from(!kept);
    }
}

/// The sessions that one thread makes come and go.
#[derive(Debug)]
pub(super) struct Churn<'a> {
    at: &'a Place<'a>,
    /// Sessions inserted so far.
    inserted: u64,
    value: Value,
}

impl<'a> Churn<'a> {
    pub(super) fn new(at: &'a Place<'a>) -> Self {
        Self {
            at,
            inserted: at.inserted.load(Ordering::Relaxed),
            value: Value::new(at.scene.sessions.bytes()),
        }
    }

    /// The step of the session that came in longest ago and may still be there.
    pub(super) fn oldest(&self) -> u64 {
        self.inserted - self.at.scene.alive
    }

    /// The step of the session that a client presents now.
    pub(super) fn presented(&self) -> u64 {
        self.inserted - self.at.scene.presented
    }

    /// The next session that was never seen before.
    #[inline]
    pub(super) fn next(&mut self) -> Churned {
        self.inserted += 1;
        churned(self.at.thread, self.inserted - 1)
    }

    #[inline]
    pub(super) fn insert<P: Peer>(&mut self, peer: &P, done: &mut Done) {
        let new = self.next();
        done.inserted(peer.insert(&new.id, self.value.of(new.number, 0)));
    }

    /// Removes, after an insert, what came in longest ago: caches do that by themselves.
    #[inline]
    pub(super) fn let_go<P: Peer>(&self, peer: &P) {
        if peer.kind() != Kind::Cache {
            let old = churned(self.at.thread, self.oldest() - 1);
            let removed = peer.remove(&old.id);
            assert!(removed || peer.kind() == Kind::Floor, "a map lost an entry");
        }
    }

    /// What was inserted last must be right if it is there; maps must have it.
    pub(super) fn check_last<P: Peer>(&self, peer: &P, done: &Done) {
        let last = churned(self.at.thread, self.inserted - 1);
        let bytes = self.at.scene.sessions.bytes();
        let mut buffer = vec![0; bytes];
        match peer.get_buffer(&last.id, &mut buffer) {
            Some(len) => _ = check(last.number, &buffer[..len], bytes),
            None => assert!(
                peer.kind() != Kind::Map || done.refused > 0,
                "a map lost an entry"
            ),
        }
    }
}

impl Drop for Churn<'_> {
    fn drop(&mut self) {
        // One thread to a counter at a time; the next one is spawned after this one was joined.
        self.at.inserted.store(self.inserted, Ordering::Relaxed);
    }
}
