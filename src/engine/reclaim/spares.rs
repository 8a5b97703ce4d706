//! Memory that waited and is free: a writer's blocks for its next inserts.

use crate::engine::memory_block::{Block, CLASSES};

/// Blocks that one writer keeps at most.
const ENTRIES: usize = 512;

/// Bytes of those.
const BYTES: usize = 256 << 10;

/// Wiped blocks that wait to be used again, by size class.
pub(crate) struct SpareEntries {
    classes: [Vec<Block>; CLASSES],
    count: usize,
    bytes: usize,
}

impl SpareEntries {
    pub(crate) fn new() -> Self {
        Self {
            classes: [const { Vec::new() }; CLASSES],
            count: 0,
            bytes: 0,
        }
    }

    pub(crate) fn pop(&mut self, class: u8) -> Option<Block> {
        let block = self.classes[usize::from(class)].pop()?;
        self.count -= 1;
        self.bytes -= block.size();
        Some(block)
    }

    pub(crate) fn push(&mut self, block: Block) {
        if self.count < ENTRIES && self.bytes + block.size() <= BYTES {
            self.count += 1;
            self.bytes += block.size();
            self.classes[usize::from(block.class())].push(block);
        } else {
            block.free();
        }
    }
}

impl Drop for SpareEntries {
    fn drop(&mut self) {
        for class in &mut self.classes {
            class.drain(..).for_each(Block::free);
        }
    }
}
