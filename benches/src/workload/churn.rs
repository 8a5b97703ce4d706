//! Sessions that come and go: ids that were never seen before, without a list of them.

use rekindle::SessionId;

/// The number of a session that comes and goes, and its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Churned {
    pub(crate) number: u64,
    /// 32 bytes that depend on the number.
    pub(crate) id: SessionId,
}

/// The session that a thread inserts at a step of its own. Computed, since an id that a handshake
/// has just received is in the nearest cache as well.
#[inline]
pub(crate) fn churned(thread: usize, step: u64) -> Churned {
    let number = (thread as u64 + 1) << 40 | step;
    let mut bytes = [0; 32];
    for (i, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mixed(number ^ (i as u64) << 61).to_le_bytes());
    }
    Churned {
        number,
        id: SessionId::new(&bytes).expect("32 bytes"),
    }
}

/// The finaliser of splitmix64: one to one, and no bit of it tells of the order of the numbers.
#[inline]
fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_sessions_share_an_id() {
        let all = (0..4).flat_map(|thread| (0..1_000).map(move |step| churned(thread, step)));
        let ids: HashSet<_> = all.map(|c| c.id.as_bytes().to_vec()).collect();
        assert_eq!(ids.len(), 4_000);
    }
}
