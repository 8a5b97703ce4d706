//! Keys in the order of their last use.

/// Counts how many keys were used since one was, in the time that it takes to count the bits of a few cache lines.
///
/// Each use gets the next tick. A bit for each tick tells whether its key was not used again since; so the bits above a
/// key's tick are the keys used after it. When the ticks have run out, the order is made compact and goes on behind it.
#[derive(Debug)]
pub(super) struct Recency {
    last_uses: Vec<u64>,
    /// For each tick, the key that was used.
    keys: Vec<u64>,
    next: usize,
}

impl Recency {
    /// With room for `most` keys at one time, which is made compact at most once in three times as many uses.
    pub(super) fn new(most: usize) -> Self {
        let words = (4 * most).div_ceil(64);
        Self {
            last_uses: vec![0; words],
            keys: vec![0; words * 64],
            next: 0,
        }
    }

    /// Whether there is no tick left: time to [`compact`](Self::compact).
    pub(super) fn is_used_up(&self) -> bool {
        self.next == self.keys.len()
    }

    /// Puts a key in front, and returns the tick by which it is known.
    pub(super) fn push(&mut self, key: u64) -> usize {
        let tick = self.next;
        self.last_uses[tick / 64] |= 1 << (tick % 64);
        self.keys[tick] = key;
        self.next += 1;
        tick
    }

    pub(super) fn remove(&mut self, tick: usize) {
        self.last_uses[tick / 64] &= !(1 << (tick % 64));
    }

    /// The number of keys used after the one of this tick.
    pub(super) fn after(&self, tick: usize) -> usize {
        let (word, bit) = (tick / 64, tick % 64);
        let end = self.next.div_ceil(64);
        // In two steps, for a shift by 64 is none.
        let beside = (self.last_uses[word] >> bit >> 1).count_ones();
        let behind = self.last_uses[word + 1..end.max(word + 1)].iter();
        behind.map(|word| word.count_ones()).sum::<u32>() as usize + beside as usize
    }

    /// The key that was not used for the longest time.
    pub(super) fn oldest(&self) -> Option<u64> {
        let word = self.last_uses.iter().position(|word| *word != 0)?;
        let bit = self.last_uses[word].trailing_zeros() as usize;
        Some(self.keys[word * 64 + bit])
    }

    /// Moves the keys together, in the same order. Returns for each former tick of a key its new one.
    pub(super) fn compact(&mut self) -> Vec<usize> {
        let mut moved = vec![0; self.next];
        self.next = 0;
        for (tick, to) in moved.iter_mut().enumerate() {
            if self.last_uses[tick / 64] >> (tick % 64) & 1 == 1 {
                self.remove(tick);
                // Never ahead of where we read.
                *to = self.push(self.keys[tick]);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_as_a_list_does() {
        let mut recency = Recency::new(16);
        let mut ticks = [None; 16];
        let mut list: Vec<u64> = Vec::new(); // the most recent last
        for step in 0..2_000u64 {
            let key = step * step % 31 * 7 % 16;
            if recency.is_used_up() {
                let moved = recency.compact();
                for tick in ticks.iter_mut().flatten() {
                    *tick = moved[*tick];
                }
            }
            let at = list.iter().position(|other| *other == key);
            let tick = ticks[key as usize].take();
            assert_eq!(at.is_some(), tick.is_some());
            if let (Some(at), Some(tick)) = (at, tick) {
                assert_eq!(recency.after(tick), list.len() - 1 - at, "step {step}");
                recency.remove(tick);
                list.remove(at);
            }
            if step % 5 != 0 {
                ticks[key as usize] = Some(recency.push(key));
                list.push(key);
            }
            assert_eq!(recency.oldest(), list.first().copied());
        }
    }
}
