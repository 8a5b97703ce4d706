//! The floor: what the machine needs for the same touches of memory, without any synchronisation.

use std::cell::RefCell;
use std::hint::black_box;

use ahash::RandomState;
use rekindle::SessionId;

use super::peer::{Kind, Peer};
use crate::workload::number;

/// Slots of a line, as of the engine's, of whose touches of memory this is the bound.
const WIDTH: usize = 7;

/// Lines for this many sessions of capacity, as of the engine: few overflow before the table is
/// full.
const LINES_FOR: (usize, usize) = (3, 8);

/// An entry's id: all ids of the harness are that long.
const ID: usize = 32;

/// An entry: its id, the length of its bytes, its bytes.
const HEADER: usize = ID + 4;

/// Bytes of a cache line.
const ALIGN: usize = 64;

/// A table of lines; each slot leads to an entry and carries six bits of the id's hash. A lookup
/// waits twice for memory: line, entry. It reads the entry's recency byte, and a change writes it.
/// No atomics, no expiry, no statistics, no eviction.
pub(crate) struct Floor {
    table: Vec<Line>,
    /// Entries one behind the other, each at the beginning of a cache line.
    slab: Vec<u8>,
    first: usize,
    stride: usize,
    unused: Vec<u32>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    slots: [u64; WIDTH],
    recency: [u8; WIDTH],
}

const _: () = assert!(size_of::<Line>() == ALIGN);

const EMPTY: Line = Line {
    slots: [FREE; WIDTH],
    recency: [0; WIDTH],
};

const FREE: u64 = u64::MAX;

impl Floor {
    /// A table for `capacity` entries of up to `bytes` bytes.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let stride = (HEADER + bytes).next_multiple_of(ALIGN);
        let slab = vec![0; capacity * stride + ALIGN];
        let entries = u32::try_from(capacity).expect("fewer than 2^32");
        Self {
            table: vec![EMPTY; capacity.div_ceil(LINES_FOR.1) * LINES_FOR.0],
            first: slab.as_ptr().align_offset(ALIGN),
            slab,
            stride,
            // The last is the first to be used.
            unused: (0..entries).rev().collect(),
            hasher: RandomState::new(),
        }
    }

    /// Inserts or overwrites. Drops the first entry of a line that is full. `false` when there is
    /// no room at all.
    pub(crate) fn put(&mut self, id: &SessionId, bytes: &[u8]) -> bool {
        let position = self.position(id);
        if let Some((_, entry)) = self.find(position, id) {
            self.write(entry, id, bytes);
            return true;
        }
        let slots = &mut self.table[position.0].slots;
        let (slot, entry) = match slots.iter().position(|slot| *slot == FREE) {
            None => (0, (slots[0] >> 6) as u32),
            Some(slot) => match self.unused.pop() {
                Some(entry) => (slot, entry),
                None => return false,
            },
        };
        slots[slot] = u64::from(entry) << 6 | position.1;
        self.table[position.0].recency[slot] = 1;
        self.write(entry, id, bytes);
        true
    }

    /// Removes an entry; the number that its bytes begin with.
    pub(crate) fn take_out(&mut self, id: &SessionId) -> Option<u64> {
        let position = self.position(id);
        let (slot, entry) = self.find(position, id)?;
        let line = &mut self.table[position.0];
        line.slots[slot] = FREE;
        line.recency[slot] = 0;
        self.unused.push(entry);
        Some(number(self.bytes(entry)))
    }

    /// The bytes of an id.
    #[inline]
    pub(crate) fn look_up(&self, id: &SessionId) -> Option<&[u8]> {
        let position = self.position(id);
        let (slot, entry) = self.find(position, id)?;
        black_box(self.table[position.0].recency[slot]);
        Some(self.bytes(entry))
    }

    /// Copies the bytes of an id; their length.
    #[inline]
    pub(crate) fn copy(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let bytes = self.look_up(id)?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Some(bytes.len())
    }

    /// The slot of an id in its line, and its entry.
    #[inline]
    fn find(&self, (index, tag): (usize, u64), id: &SessionId) -> Option<(usize, u32)> {
        let wanted: &[u8; ID] = id.as_bytes().try_into().expect("an id of 32 bytes");
        let slots = &self.table[index].slots;
        let mut candidates = 0u32;
        for (i, slot) in slots.iter().enumerate() {
            candidates |= u32::from(slot & 63 == tag) << i;
        }
        while candidates != 0 {
            let at = candidates.trailing_zeros() as usize;
            let slot = slots[at];
            if slot != FREE {
                let entry = (slot >> 6) as u32;
                if self.entry(entry)[..ID] == *wanted {
                    return Some((at, entry));
                }
            }
            candidates &= candidates - 1;
        }
        None
    }

    #[inline]
    fn entry(&self, entry: u32) -> &[u8] {
        &self.slab[self.first + entry as usize * self.stride..][..self.stride]
    }

    #[inline]
    fn bytes(&self, entry: u32) -> &[u8] {
        let entry = self.entry(entry);
        let len = u32::from_le_bytes(entry[ID..HEADER].try_into().expect("four bytes"));
        &entry[HEADER..][..len as usize]
    }

    fn write(&mut self, entry: u32, id: &SessionId, bytes: &[u8]) {
        let entry = &mut self.slab[self.first + entry as usize * self.stride..][..self.stride];
        entry[..ID].copy_from_slice(id.as_bytes());
        entry[ID..HEADER].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        entry[HEADER..][..bytes.len()].copy_from_slice(bytes);
    }

    /// The line of an id, and six bits of its hash.
    #[inline]
    fn position(&self, id: &SessionId) -> (usize, u64) {
        let hash = self.hasher.hash_one(id);
        let index = (u128::from(hash) * self.table.len() as u128) >> 64;
        (index as usize, hash & 63)
    }
}

/// Shared by threads: for reading only.
impl Peer for Floor {
    fn kind(&self) -> Kind {
        Kind::Floor
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.copy(id, buffer)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.look_up(id).map(number)
    }
}

/// A floor that belongs to one thread, which may write. The cell costs it a load and two stores
/// in the nearest cache.
impl Peer for RefCell<&mut Floor> {
    fn kind(&self) -> Kind {
        Kind::Floor
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.borrow().copy(id, buffer)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.borrow().look_up(id).map(number)
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.borrow_mut().put(id, value)
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.borrow_mut().take_out(id).is_some()
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        self.borrow_mut().take_out(id)
    }
}
