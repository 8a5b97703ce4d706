//! Memory that waited and is free: a writer's blocks for its next inserts.

use crate::engine::memory_block::{Block, CLASSES};

/// Blocks that one writer keeps at most: many come back at once when a thread that was preempted
/// has held a grace period back, and are needed again soon.
const MOST: Limit = Limit {
    blocks: 4096,
    bytes: 2 << 20,
};

/// What [`SpareEntries::trim`] leaves of them.
const TRIMMED: Limit = Limit {
    blocks: 512,
    bytes: 256 << 10,
};

struct Limit {
    blocks: usize,
    bytes: usize,
}

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
        if self.count < MOST.blocks && self.bytes + block.size() <= MOST.bytes {
            self.count += 1;
            self.bytes += block.size();
            self.classes[usize::from(block.class())].push(block);
        } else {
            block.free();
        }
    }

    /// Frees what only a burst needs, of each class alike.
    pub(crate) fn trim(&mut self) {
        while self.count > TRIMMED.blocks || self.bytes > TRIMMED.bytes {
            for class in &mut self.classes {
                for block in class.drain(class.len() / 2..) {
                    self.count -= 1;
                    self.bytes -= block.size();
                    block.free();
                }
                class.shrink_to_fit();
            }
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
