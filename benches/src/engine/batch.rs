//! One batch of operations: where it is done, what is counted, and the sessions that come and go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::population::Population;
use crate::peers::{Kind, Peer};
use crate::workload::{Churned, Value, check, churned};

/// Operations in one batch: clocks are read, and locks of the harness taken, between batches.
pub(super) const BATCH: usize = 1_000;

pub(crate) struct Batch<'a> {
    pub(super) population: &'a Population,
    /// Independent keys, in the order in which they are asked for.
    pub(super) keys: &'a [u32],
    pub(super) thread: usize,
    /// The batch's number; the same batch asks every contender the same.
    pub(super) number: usize,
    /// How many sessions that come and go this thread has inserted into this table.
    pub(super) inserted: &'a AtomicU64,
}

impl Batch<'_> {
    pub(super) fn keys(&self) -> &[u32] {
        let places = self.keys.len().saturating_sub(BATCH) + 1;
        let first = (self.number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        &self.keys[first as usize % places..][..BATCH.min(self.keys.len())]
    }

    pub(super) fn rng(&self) -> SmallRng {
        SmallRng::seed_from_u64((self.thread as u64) << 32 | self.number as u64)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spent: Duration,
    pub(crate) operations: u64,
    /// Sessions that were asked for, looked up or taken.
    pub(crate) asked: u64,
    /// Of these, how many were not there.
    pub(crate) missed: u64,
    pub(crate) inserts: u64,
    /// Of these, how many were refused.
    pub(crate) refused: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.spent += other.spent;
        self.operations += other.operations;
        self.asked += other.asked;
        self.missed += other.missed;
        self.inserts += other.inserts;
        self.refused += other.refused;
    }

    #[inline]
    pub(super) fn inserted(&mut self, kept: bool) {
        self.inserts += 1;
        self.refused += u64::from(!kept);
    }
}

pub(super) struct Churn<'a> {
    batch: &'a Batch<'a>,
    inserted: u64,
    value: Value,
}

impl<'a> Churn<'a> {
    pub(super) fn new(batch: &'a Batch<'a>) -> Self {
        Self {
            batch,
            inserted: batch.inserted.load(Ordering::Relaxed),
            value: Value::new(batch.population.sessions.bytes),
        }
    }

    /// The step of the session that came in longest ago and may still be there.
    pub(super) fn oldest(&self) -> u64 {
        self.inserted - self.batch.population.alive
    }

    /// The step of the session that a client presents now.
    pub(super) fn presented(&self) -> u64 {
        self.inserted - self.batch.population.presented
    }

    #[inline]
    pub(super) fn next(&mut self) -> Churned {
        self.inserted += 1;
        churned(self.batch.thread, self.inserted - 1)
    }

    #[inline]
    pub(super) fn insert<P: Peer>(&mut self, peer: &P, counts: &mut Counts) {
        let new = self.next();
        counts.inserted(peer.insert(&new.id, self.value.of(new.number, 0)));
    }

    /// After the insert removes what came in longest ago: caches do that by themselves.
    #[inline]
    pub(super) fn insert_and_let_go<P: Peer>(&mut self, peer: &P, counts: &mut Counts) {
        self.insert(peer, counts);
        if peer.kind() != Kind::Cache {
            let old = churned(self.batch.thread, self.oldest() - 1);
            let removed = peer.remove(&old.id);
            assert!(removed || peer.kind() == Kind::Floor, "a map lost an entry");
        }
    }

    /// What was inserted last must be right if it is there; maps must have it.
    pub(super) fn check_last<P: Peer>(&self, peer: &P, counts: &Counts) {
        let last = churned(self.batch.thread, self.inserted - 1);
        let bytes = self.batch.population.sessions.bytes;
        let mut buffer = vec![0; bytes];
        match peer.get_buffer(&last.id, &mut buffer) {
            Some(len) => _ = check(last.number, &buffer[..len], bytes),
            None => assert!(
                peer.kind() != Kind::Map || counts.refused > 0,
                "a map lost an entry"
            ),
        }
    }
}

impl Drop for Churn<'_> {
    fn drop(&mut self) {
        // One thread to a counter at a time; the next one is spawned after this one was joined.
        self.batch.inserted.store(self.inserted, Ordering::Relaxed);
    }
}
