//! Which cases are run: the matrix of all loads, sizes and numbers of threads would take days.

use super::Options;
use super::contenders::Who;
use super::loads::Load;
use crate::resident;
use crate::scale::Scale;
use crate::workload::Keys;

/// Cases with the same sessions. Those that only read share their tables and are run in the same
/// rounds, so that ratios between them (two threads to one, get to get_buffer) can be taken as well.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The loads.
    pub(super) loads: Vec<Load>,
    /// Numbers of threads.
    pub(super) threads: Vec<usize>,
    /// Sessions at full capacity.
    pub(super) sessions: usize,
    /// Bytes of each value.
    pub(super) bytes: usize,
    /// The order of independent keys.
    pub(super) keys: Keys,
    /// The contenders.
    pub(super) who: Vec<Who>,
    /// Rounds; each runs every contender once in each case.
    pub(super) rounds: usize,
    /// Length of one contender's turn, in milliseconds.
    pub(super) millis: u64,
}

/// Bytes that a table needs for each session beyond its value; roughly.
const OVERHEAD: usize = 250;

impl Group {
    /// Why it cannot be run on this machine.
    pub(super) fn lacks_memory(&self) -> Option<String> {
        let needed = self.who.len() * self.sessions * (self.bytes + OVERHEAD);
        let available = resident::available().ok()?;
        (needed as u64 > available).then(|| {
            format!(
                "{} tables of {} sessions with {} bytes were left out: {} MiB of memory are available",
                self.who.len(),
                self.sessions,
                self.bytes,
                available >> 20
            )
        })
    }
}

const READING: [Load; 3] = [Load::GetBuffer, Load::GetBufferIndependent, Load::Get];
const MIXES: [Load; 3] = [Load::Mixed5, Load::Mixed20, Load::Mixed50];
const WRITING: [Load; 5] = [
    Load::Insert,
    Load::Replace,
    Load::Remove,
    Load::Take,
    Load::SingleUse,
];

/// A value without certificates.
const SMALL: usize = 160;

/// The groups for what was asked for.
pub(super) fn groups(options: &Options) -> Vec<Group> {
    let mut groups = match options.scale {
        _ if options.chooses() => chosen(options),
        Scale::Full => full(),
        Scale::Quick => quick(),
        Scale::Touch => vec![group(Load::ALL, 1_000, &[2], 1, 2)],
    };
    for group in &mut groups {
        if !options.contenders.is_empty() {
            group.who.clone_from(&options.contenders);
        }
        group.rounds = options.rounds.unwrap_or(group.rounds);
        group.millis = options.millis.unwrap_or(group.millis);
    }
    groups
}

fn group(loads: &[Load], sessions: usize, threads: &[usize], rounds: usize, millis: u64) -> Group {
    Group {
        loads: loads.to_vec(),
        threads: threads.to_vec(),
        sessions,
        bytes: SMALL,
        keys: Keys::Uniform,
        who: Who::ALL.to_vec(),
        rounds,
        millis,
    }
}

/// Every row of the target table, and a look along each other dimension.
fn full() -> Vec<Group> {
    let mut groups = Vec::new();
    for sessions in [1_000, 10_000, 100_000, 1_000_000] {
        groups.push(group(&READING, sessions, &[1, 2], 11, 40));
    }
    // Ten tables of that size need more memory than most machines have.
    groups.push(Group {
        who: vec![
            Who::Floor,
            Who::Pinned,
            Who::Rekindle,
            Who::Dashmap,
            Who::Scc,
            Who::Papaya,
            Who::QuickCache,
        ],
        ..group(&[Load::GetBuffer], 4_000_000, &[1, 2], 11, 30)
    });
    for sessions in [100_000, 1_000_000] {
        groups.push(group(&MIXES, sessions, &[2, 16], 9, 40));
    }
    groups.push(group(&WRITING, 10_000, &[2], 9, 30));
    groups.push(group(&WRITING, 100_000, &[2], 9, 30));
    groups.push(group(
        &[Load::Insert, Load::SingleUse],
        1_000_000,
        &[2],
        9,
        40,
    ));
    let others = [Load::GetBuffer, Load::Get, Load::Mixed20, Load::Insert];
    for bytes in [700, 3072] {
        groups.push(Group {
            bytes,
            ..group(&others, 100_000, &[2], 9, 30)
        });
    }
    let with_keys = [Load::GetBufferIndependent, Load::Get, Load::Mixed20];
    groups.push(Group {
        keys: Keys::Zipf,
        ..group(&with_keys, 100_000, &[2], 9, 30)
    });
    let more_threads = [Load::GetBuffer, Load::SingleUse];
    groups.push(group(&more_threads, 100_000, &[4, 16], 9, 30));
    groups.push(group(&[Load::Mixed20], 100_000, &[4], 9, 30));
    // 100/0, the mix that only reads, is `get_buffer` with independent keys above.
    groups
}

fn quick() -> Vec<Group> {
    vec![
        group(&READING, 10_000, &[1, 2], 5, 10),
        group(&READING, 100_000, &[1, 2], 5, 10),
        group(&[Load::GetBuffer], 1_000_000, &[1, 2], 5, 10),
        group(&MIXES, 100_000, &[2, 16], 3, 15),
        group(&WRITING, 10_000, &[2], 3, 10),
    ]
}

/// The cross product of what was chosen.
fn chosen(options: &Options) -> Vec<Group> {
    let loads = or(&options.loads, Load::ALL);
    let threads = or(&options.threads, &[1, 2]);
    let mut groups = Vec::new();
    for &sessions in &or(&options.sessions, &[100_000]) {
        for &bytes in &or(&options.bytes, &[SMALL]) {
            for &keys in &or(&options.keys, &[Keys::Uniform]) {
                groups.push(Group {
                    bytes,
                    keys,
                    ..group(&loads, sessions, &threads, 11, 40)
                });
            }
        }
    }
    groups
}

fn or<T: Clone>(chosen: &[T], default: &[T]) -> Vec<T> {
    let chosen = if chosen.is_empty() { default } else { chosen };
    chosen.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_is_measured_twice() {
        for scale in [Scale::Full, Scale::Quick, Scale::Touch] {
            let mut seen = Vec::new();
            for group in groups(&Options::at(scale)) {
                for case in group.cases() {
                    seen.push((case, group.sessions, group.bytes, group.keys.to_string()));
                }
            }
            for (i, case) in seen.iter().enumerate() {
                assert!(!seen[..i].contains(case), "{scale}: {case:?}");
            }
        }
    }
}
