//! What the keys of a set are for at some moment: what a file is written from.

use std::cmp::Reverse;
use std::time::Duration;

use rekindle::tickets::{KeyEntry, KeyRole, TicketKey, TicketKeys, Validity};

use crate::write_error::WriteError;

/// A set of keys as a ring would have it at that moment, without keys that do not open any more.
pub(crate) struct Plan<'a> {
    /// Those that will seal, the last one to do so first.
    pub(crate) next: Vec<Entry<'a>>,
    /// The one that seals.
    pub(crate) sealing: Entry<'a>,
    /// All others, the newest first.
    pub(crate) opening: Vec<Entry<'a>>,
}

/// A key in a plan.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// In the set, counted from 0.
    pub(crate) place: usize,
    pub(crate) key: &'a TicketKey,
    role: KeyRole,
}

impl<'a> Plan<'a> {
    /// The plan at `now`, since 1970.
    pub(crate) fn new(keys: &'a TicketKeys, now: Duration) -> Result<Self, WriteError> {
        let entry = |(place, given): (_, &'a KeyEntry)| Entry {
            place,
            key: given.key(),
            role: given.role(),
        };
        let entries = keys.given().enumerate().map(entry);
        let mut entries: Vec<_> = entries.filter(|entry| entry.opens(now)).collect();
        // Stable, as in a ring: of keys that seal from the same time on, the first one does.
        entries.sort_by_key(|entry| Reverse(entry.seals_from(now)));
        let sealing = entries.iter().position(|entry| entry.seals(now));
        let sealing = entries.remove(sealing.ok_or(WriteError::NothingSeals)?);
        let (next, opening) = entries.into_iter().partition(|entry| entry.is_next(now));
        Ok(Self {
            next,
            sealing,
            opening,
        })
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.next.len() + 1 + self.opening.len()
    }
}

impl Entry<'_> {
    /// Its times, if it has any of its own.
    pub(crate) fn table(&self) -> Option<Validity> {
        match self.role {
            KeyRole::Timed(table) => Some(table),
            KeyRole::Next | KeyRole::Seal | KeyRole::Open => None,
        }
    }

    fn opens(&self, now: Duration) -> bool {
        self.table().is_none_or(|table| now < table.open_until)
    }

    fn seals_from(&self, now: Duration) -> Duration {
        match self.role {
            KeyRole::Next => Duration::MAX,
            KeyRole::Seal => now,
            KeyRole::Open => Duration::ZERO,
            KeyRole::Timed(table) => table.seal_from,
        }
    }

    fn seals(&self, now: Duration) -> bool {
        match self.role {
            KeyRole::Timed(table) => table.seal_from <= now && now < seal_until(table),
            role => role == KeyRole::Seal,
        }
    }

    fn is_next(&self, now: Duration) -> bool {
        match self.role {
            KeyRole::Timed(table) => now < table.seal_from && table.seal_from < seal_until(table),
            role => role == KeyRole::Next,
        }
    }
}

fn seal_until(table: Validity) -> Duration {
    table.seal_until.min(table.open_until)
}
