//! One measurement: a contender is filled, its process looks at what it holds of memory since, and
//! every session that was inserted is looked up.

use std::io;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rekindle::SessionId;
use serde::{Deserialize, Serialize};

use crate::peers::{Contender, Kind, Peer};
use crate::process;
use crate::record::named;
use crate::workload::churned;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The table that holds the sessions.
    pub(super) contender: Contender,
    /// Its capacity.
    pub(super) sessions: u64,
    pub(super) sizes: Sizes,
    pub(super) when: When,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Bytes by which the process grew.
    pub(super) grown: u64,
    /// Sessions that were found.
    pub(super) kept: u64,
    /// Encoded bytes of those.
    pub(super) encoded: u64,
}

/// Lengths of encoded sessions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Sizes {
    /// 200 bytes each: TLS sessions without certificates.
    Uniform,
    /// 160 to 3,072 bytes, their logarithm uniform, half of them up to 701: with and without
    /// certificates.
    Mixed,
}

/// Moments.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum When {
    /// As many sessions as fit were inserted.
    Filled,
    /// Ten times as many were, so that memory was freed and used again nine times over.
    Churned,
}

impl Job {
    /// Measures in this process, which must not have done so before: what an allocator kept of
    /// earlier work would be used again and not be counted.
    pub(crate) fn measure(&self) -> io::Result<Held> {
        let inserts = match self.when {
            When::Filled => self.sessions,
            When::Churned => 10 * self.sessions,
        };
        let mut bytes = Vec::with_capacity(LONGEST);
        let before = process::anonymous()?;
        let peer = self.contender.plain().boxed(self.sessions as usize);
        for session in 0..inserts {
            if peer.kind() == Kind::Map && session >= self.sessions {
                let removed = peer.remove(&id(session - self.sessions));
                assert!(removed, "a map has lost a session");
            }
            self.sizes.encode(session, &mut bytes);
            assert!(peer.insert(&id(session), &bytes), "an insert was refused");
        }
        let after = process::anonymous()?;
        let lengths = (0..inserts).filter_map(|session| self.look_up(&*peer, session));
        let (kept, encoded) = lengths.fold((0, 0), |(kept, sum), length| (kept + 1, sum + length));
        Ok(Held {
            grown: after.saturating_sub(before),
            kept,
            encoded,
        })
    }

    /// The length of a session's bytes, if it is there.
    fn look_up(&self, peer: &dyn Peer, session: u64) -> Option<u64> {
        let mut found = [0; LONGEST];
        let length = peer.get_buffer(&id(session), &mut found)?;
        let mut expected = Vec::with_capacity(LONGEST);
        self.sizes.encode(session, &mut expected);
        assert!(found[..length] == *expected, "wrong bytes of {session}");
        Some(length as u64)
    }
}

const SHORTEST: usize = 160;
const LONGEST: usize = 3_072;

impl Sizes {
    fn length(self, session: u64) -> usize {
        match self {
            Self::Uniform => 200,
            Self::Mixed => {
                let share: f64 = SmallRng::seed_from_u64(!session).random();
                let range = LONGEST as f64 / SHORTEST as f64;
                (SHORTEST as f64 * range.powf(share)) as usize
            }
        }
    }

    /// Roughly the mean of the lengths.
    pub(super) fn mean(self) -> u64 {
        match self {
            Self::Uniform => 200,
            Self::Mixed => 1_000,
        }
    }

    /// The bytes of a session: its number, then some that depend on it.
    fn encode(self, session: u64, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend(session.to_le_bytes());
        bytes.resize(self.length(session), session as u8);
    }
}

/// The id of a session: always made anew, for a list of all would be in the way of what is
/// measured.
fn id(session: u64) -> SessionId {
    churned(0, session).id
}

named!(Sizes {
    Uniform => "200",
    Mixed => "160 to 3072",
});

named!(When {
    Filled => "filled",
    Churned => "after ten times capacity",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contender_keeps_about_what_fits_however_much_was_inserted() {
        for contender in Contender::tables() {
            for (sizes, when) in [
                (Sizes::Uniform, When::Filled),
                (Sizes::Mixed, When::Churned),
            ] {
                let job = Job {
                    contender,
                    sessions: 1_000,
                    sizes,
                    when,
                };
                let held = job.measure().unwrap();
                assert!((500..=1_100).contains(&held.kept), "{job:?}: {held:?}");
                let mean = held.encoded / held.kept;
                assert!(mean.abs_diff(sizes.mean()) < 100, "{job:?}: {held:?}");
                let is_map = contender.plain().boxed(1).kind() == Kind::Map;
                assert!(!is_map || held.kept == 1_000, "{job:?}: {held:?}");
            }
        }
    }

    #[test]
    fn a_mix_of_sizes_spans_its_range() {
        let lengths = || (0..10_000).map(|session| Sizes::Mixed.length(session));
        assert!(lengths().all(|length| (SHORTEST..=LONGEST).contains(&length)));
        assert!(lengths().min().unwrap() < 170 && lengths().max().unwrap() > 3_000);
        let below = lengths().filter(|length| *length < 701).count();
        assert!((4_800..5_200).contains(&below), "half of them: {below}");
    }
}
