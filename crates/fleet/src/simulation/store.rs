//! A store that loses, keeps back, doubles and reorders.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::store::{Position, Refusal, Write};

/// A store, with all that may happen to it.
#[derive(Default)]
pub(super) struct StoreModel {
    streams: HashMap<String, Stream>,
    values: HashMap<Vec<u8>, Put>,
    /// Of each write, in the order in which they are carried out.
    sequence: u64,
    /// Batches that are still on their way.
    pub(super) late: Vec<Vec<Write>>,
    pub(super) is_down: bool,
    pub(super) is_full: bool,
    /// How far its clock is ahead, in milliseconds.
    pub(super) ahead: i64,
}

#[derive(Default)]
struct Stream {
    entries: BTreeMap<Position, (u64, Vec<u8>)>,
    ends_at: u64,
}

struct Put {
    value: Vec<u8>,
    until: u64,
    sequence: u64,
}

impl StoreModel {
    /// Carries out a batch when it is `unix` milliseconds since 1970.
    pub(super) fn write(&mut self, writes: &[Write], unix: u64) -> Vec<Result<Position, Refusal>> {
        let now = unix.saturating_add_signed(self.ahead);
        let results = writes.iter().map(|write| self.write_one(write, now));
        let results = results.collect();
        self.expire(unix);
        results
    }

    fn write_one(&mut self, write: &Write, now: u64) -> Result<Position, Refusal> {
        if self.is_full {
            return Err(Refusal::Full);
        }
        self.sequence += 1;
        match write {
            Write::Append {
                stream,
                value,
                oldest,
                ends_at,
            } => {
                let stream = self.streams.entry(stream.clone()).or_default();
                let last = stream.entries.last_key_value();
                let at = last.map_or(Position::START, |(at, _)| *at).next(now);
                stream.entries.insert(at, (self.sequence, value.clone()));
                stream.entries = stream.entries.split_off(oldest);
                stream.ends_at = *ends_at;
                Ok(at)
            }
            Write::Put {
                key,
                value,
                life,
                if_absent,
            } => {
                if *if_absent && self.values.get(key).is_some_and(|put| put.until > now) {
                    return Err(Refusal::Present);
                }
                let put = Put {
                    value: value.clone(),
                    until: now + life.as_millis() as u64,
                    sequence: self.sequence,
                };
                self.values.insert(key.clone(), put);
                Ok(Position::START)
            }
        }
    }

    /// Time has passed.
    pub(super) fn expire(&mut self, unix: u64) {
        let now = unix.saturating_add_signed(self.ahead);
        self.streams.retain(|_, stream| stream.ends_at > now);
        self.values.retain(|_, put| put.until > now);
    }

    /// A replica takes over that has not got the last writes; its clock is another one.
    pub(super) fn fail_over(&mut self, lost: u64, ahead: i64) {
        let kept = self.sequence.saturating_sub(lost);
        for stream in self.streams.values_mut() {
            stream.entries.retain(|_, (sequence, _)| *sequence <= kept);
        }
        self.streams.retain(|_, stream| !stream.entries.is_empty());
        self.values.retain(|_, put| put.sequence <= kept);
        self.ahead = ahead;
    }

    pub(super) fn lose_everything(&mut self) {
        self.streams.clear();
        self.values.clear();
    }

    pub(super) fn read(
        &self,
        stream: &str,
        behind: Position,
        most: usize,
    ) -> Vec<(Position, Vec<u8>)> {
        let stream = self.streams.get(stream).into_iter();
        let behind = (Bound::Excluded(behind), Bound::Unbounded);
        let entries = stream.flat_map(|stream| stream.entries.range(behind));
        let entries = entries.map(|(at, (_, value))| (*at, value.clone()));
        entries.take(most).collect()
    }

    pub(super) fn read_back(
        &self,
        stream: &str,
        up_to: Position,
        most: usize,
    ) -> Vec<(Position, Vec<u8>)> {
        let stream = self.streams.get(stream).into_iter();
        let entries = stream.flat_map(|stream| stream.entries.range(..=up_to).rev());
        let entries = entries.map(|(at, (_, value))| (*at, value.clone()));
        entries.take(most).collect()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.values.get(key).map(|put| put.value.clone())
    }

    /// Whether a value is in any stream.
    pub(super) fn has(&self, wanted: impl Fn(&[u8]) -> bool) -> bool {
        let streams = self.streams.values();
        let mut entries = streams.flat_map(|stream| stream.entries.values());
        entries.any(|(_, value)| wanted(value))
    }
}
