//! The offline optimum (Belady): what is needed last goes first, and need not come in at all.

use std::collections::{BTreeSet, HashMap};

/// The most hits that any policy with room for `capacity` sessions can have.
pub(super) fn hits(requests: &[u32], capacity: usize) -> usize {
    let nexts = next_uses(requests);
    // The next use of each session that is kept. Uses that never come are told apart by session.
    let mut kept = BTreeSet::new();
    let mut hits = 0;
    for (now, (request, next)) in requests.iter().zip(nexts).enumerate() {
        if kept.remove(&(now, *request)) {
            hits += 1;
        }
        kept.insert((next, *request));
        if kept.len() > capacity {
            kept.pop_last();
        }
    }
    hits
}

/// For each request, the index of the next one for the same session.
fn next_uses(requests: &[u32]) -> Vec<usize> {
    let mut seen = HashMap::new();
    let mut nexts: Vec<usize> = (requests.iter().enumerate().rev())
        .map(|(now, request)| seen.insert(*request, now).unwrap_or(usize::MAX))
        .collect();
    nexts.reverse();
    nexts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Tries every choice.
    fn brute(requests: &[u32], kept: &BTreeSet<u32>, capacity: usize) -> usize {
        let Some((first, rest)) = requests.split_first() else {
            return 0;
        };
        let hit = usize::from(kept.contains(first));
        let mut with = kept.clone();
        with.insert(*first);
        if with.len() <= capacity {
            return hit + brute(rest, &with, capacity);
        }
        let without = |victim: &u32| {
            let mut kept = with.clone();
            kept.remove(victim);
            brute(rest, &kept, capacity)
        };
        hit + with.iter().map(without).max().unwrap_or(0)
    }

    #[test]
    fn the_optimum_is_that_of_every_choice_tried() {
        for seed in 0..200u32 {
            let request = |i: u32| (seed * 31 + i * i * 7 + i * seed) % 5;
            let requests: Vec<u32> = (0..9).map(request).collect();
            for capacity in 1..4 {
                let best = brute(&requests, &BTreeSet::new(), capacity);
                assert_eq!(super::hits(&requests, capacity), best, "{requests:?}");
            }
        }
    }
}
