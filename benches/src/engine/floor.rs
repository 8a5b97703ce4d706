//! The floor: what the machine needs for the same touches of memory, without any synchronisation.

use ahash::RandomState;
use rekindle::SessionId;

use crate::workload::VALUE;

const WIDTH: usize = 8;

/// As the engine's: a table of pointers to lines of eight words, each of which leads to an entry
/// and carries six bits of the id's hash. No atomics, no expiry, no recency, no statistics, no
/// eviction.
#[derive(Debug)]
pub struct Floor {
    table: Vec<Option<Box<Line>>>,
    entries: Vec<Entry>,
    hasher: RandomState,
}

#[derive(Debug)]
#[repr(align(64))]
struct Line([u64; WIDTH]);

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry {
    id: SessionId,
    len: u32,
    bytes: [u8; VALUE],
}

const FREE: u64 = u64::MAX;

impl Floor {
    /// A table for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            table: (0..capacity.div_ceil(3)).map(|_| None).collect(),
            entries: Vec::with_capacity(capacity),
            hasher: RandomState::new(),
        }
    }

    /// Inserts or overwrites. Drops the first entry of a line that is full.
    pub fn put(&mut self, id: &SessionId, bytes: &[u8; VALUE]) {
        let (index, tag) = self.place(id);
        let line = self.table[index].get_or_insert_with(|| Box::new(Line([FREE; WIDTH])));
        let found = line.0.iter().position(|slot| {
            *slot != FREE && slot & 63 == tag && self.entries[(slot >> 6) as usize].id == *id
        });
        if let Some(slot) = found {
            self.entries[(line.0[slot] >> 6) as usize].bytes = *bytes;
            return;
        }
        let entry = Entry {
            id: *id,
            len: VALUE as u32,
            bytes: *bytes,
        };
        match line.0.iter().position(|slot| *slot == FREE) {
            Some(slot) => {
                line.0[slot] = (self.entries.len() as u64) << 6 | tag;
                self.entries.push(entry);
            }
            None => {
                let recycled = line.0[0] >> 6;
                line.0[0] = recycled << 6 | tag;
                self.entries[recycled as usize] = entry;
            }
        }
    }

    /// Copies the value of an id; its length.
    #[inline]
    #[must_use]
    pub fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let (index, tag) = self.place(id);
        let line = self.table[index].as_ref()?;
        let mut candidates = 0u32;
        for (i, slot) in line.0.iter().enumerate() {
            candidates |= u32::from(slot & 63 == tag) << i;
        }
        while candidates != 0 {
            let slot = line.0[candidates.trailing_zeros() as usize];
            if slot != FREE {
                let entry = &self.entries[(slot >> 6) as usize];
                if entry.id == *id {
                    let len = entry.len as usize;
                    buffer[..len].copy_from_slice(&entry.bytes[..len]);
                    return Some(len);
                }
            }
            candidates &= candidates - 1;
        }
        None
    }

    fn place(&self, id: &SessionId) -> (usize, u64) {
        let hash = self.hasher.hash_one(id);
        let index = (u128::from(hash) * self.table.len() as u128) >> 64;
        (index as usize, hash & 63)
    }
}
