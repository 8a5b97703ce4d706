//! Keys in the order of their last use.

/// Counts how many keys were used since the last use of one, in logarithmic time.
///
/// Each use gets the next tick. A bit for each tick says whether its key was not used again since,
/// so the bits above a key's tick are the keys used after it. When no tick is left, [`compact`]
/// moves the keys together.
///
/// [`compact`]: Self::compact
#[derive(Debug)]
pub(super) struct Recency {
    last_uses: Vec<u64>,
    /// Bits in groups of words: a tree of partial sums (Fenwick, 1994), numbered from one.
    sums: Vec<u32>,
    /// For each tick, the key that was used.
    keys: Vec<u64>,
    next: usize,
    held: usize,
}

impl Recency {
    /// For at most `most` keys at a time. The order is compacted at most once in `3 * most` uses.
    pub(super) fn new(most: usize) -> Self {
        let words = (4 * most).div_ceil(64);
        Self {
            last_uses: vec![0; words],
            sums: vec![0; words + 1],
            keys: vec![0; words * 64],
            next: 0,
            held: 0,
        }
    }

    /// Whether no tick is left: time to [`compact`](Self::compact).
    pub(super) fn is_used_up(&self) -> bool {
        self.next == self.keys.len()
    }

    /// Puts a key in front, and returns its tick.
    pub(super) fn push(&mut self, key: u64) -> usize {
        let tick = self.next;
        self.last_uses[tick / 64] |= 1 << (tick % 64);
        self.keys[tick] = key;
        self.next += 1;
        self.held += 1;
        self.add(tick / 64, 1);
        tick
    }

    pub(super) fn remove(&mut self, tick: usize) {
        self.last_uses[tick / 64] &= !(1 << (tick % 64));
        self.held -= 1;
        // Minus one.
        self.add(tick / 64, u32::MAX);
    }

    /// The number of keys used after the key of this tick.
    pub(super) fn after(&self, tick: usize) -> usize {
        let (word, bit) = (tick / 64, tick % 64);
        // Two shifts, because a shift by 64 is none.
        let beside = (self.last_uses[word] >> bit >> 1).count_ones();
        beside as usize + self.held - self.up_to(word)
    }

    /// The key that was not used for the longest time.
    pub(super) fn oldest(&self) -> Option<u64> {
        let word = self.last_uses.iter().position(|word| *word != 0)?;
        let bit = self.last_uses[word].trailing_zeros() as usize;
        Some(self.keys[word * 64 + bit])
    }

    /// Moves the keys together, in the same order. Returns for each former tick of a key its new
    /// one.
    pub(super) fn compact(&mut self) -> Vec<usize> {
        let mut moved = vec![0; self.next];
        self.next = 0;
        for (tick, to) in moved.iter_mut().enumerate() {
            if self.last_uses[tick / 64] >> (tick % 64) & 1 == 1 {
                self.remove(tick);
                // The new tick is never ahead of the old one.
                *to = self.push(self.keys[tick]);
            }
        }
        moved
    }

    fn add(&mut self, word: usize, what: u32) {
        let mut at = word + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum = sum.wrapping_add(what);
            at += at & at.wrapping_neg();
        }
    }

    /// The number of bits up to a word, the word itself included.
    fn up_to(&self, word: usize) -> usize {
        let (mut at, mut sum) = (word + 1, 0);
        while at > 0 {
            sum += self.sums[at] as usize;
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_as_a_list_does() {
        let mut recency = Recency::new(100);
        let mut ticks = [None; 100];
        let mut list: Vec<u64> = Vec::new(); // the most recent last
        for step in 0..4_000u64 {
            let key = step * step % 211 * 7 % 100;
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
