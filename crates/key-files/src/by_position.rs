//! The keys of a set by their positions at some time: what a file is written from.

use std::time::Duration;

use rekindle::tickets::{KeyEntry, KeyPosition, KeyRole, TicketKey, TicketKeys, Validity};

use crate::write_error::WriteError;

/// A set of keys as a ring would have it at that time, without keys that no longer open.
pub(crate) struct ByPosition<'a> {
    /// Those that are to seal, the last one to do so first.
    pub(crate) next: Vec<Entry<'a>>,
    pub(crate) sealing: Entry<'a>,
    /// All others, the newest first.
    pub(crate) previous: Vec<Entry<'a>>,
}

/// A key to write.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// In the set, counted from 0.
    pub(crate) index: usize,
    pub(crate) key: &'a TicketKey,
    /// Its times, if it has any of its own.
    pub(crate) validity: Option<Validity>,
}

impl<'a> ByPosition<'a> {
    /// The positions at `now`, since 1970.
    pub(crate) fn new(keys: &'a TicketKeys, now: Duration) -> Result<Self, WriteError> {
        // `Duration::MAX` stands for never: keys without times still seal then.
        let is_timed = |entry: &KeyEntry| matches!(entry.role, KeyRole::Timed(_));
        let now = match keys.entries().any(is_timed) {
            true => now,
            false => now.min(Duration::from_secs(u64::MAX)),
        };
        let (entries, schedule) = keys.schedule(now);
        let (mut next, mut sealing, mut previous) = (Vec::new(), None, Vec::new());
        let positions = schedule.positions(now).zip(schedule.times());
        for ((index, entry), (position, times)) in entries.into_iter().zip(positions) {
            let validity = match entry.role {
                KeyRole::Timed(validity) => Some(validity),
                _ => None,
            };
            let key = entry.key();
            let entry = Entry {
                index,
                key,
                validity,
            };
            match position {
                _ if !times.opens(now) => {}
                KeyPosition::Sealing => sealing = Some(entry),
                KeyPosition::Next if validity.is_none() || times.will_seal(now) => next.push(entry),
                // A key whose time to seal is empty only opens.
                KeyPosition::Next | KeyPosition::Previous(_) => previous.push(entry),
            }
        }
        Ok(Self {
            next,
            sealing: sealing.ok_or(WriteError::NothingSeals)?,
            previous,
        })
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.next.len() + 1 + self.previous.len()
    }
}
