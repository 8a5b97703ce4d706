//! Which cases are run: the matrix of all loads, sizes and numbers of threads would take days.

use clap::ValueEnum;

use super::loads::Load;
use super::options::Options;
use crate::peers::Contender;
use crate::resident;
use crate::scale::Scale;
use crate::workload::Keys;

/// Cases with the same sessions. Those that only read share their tables and are run in the same
/// rounds, so that ratios between them (two threads to one, get to get_buffer) can be taken as
/// well.
#[derive(Clone)]
pub(super) struct Group {
    loads: Vec<Load>,
    threads: Vec<usize>,
    pub(super) sessions: usize,
    pub(super) bytes: usize,
    pub(super) keys: Keys,
    pub(super) contenders: Vec<Contender>,
    /// Whether contenders are left out that would need too much memory.
    pub(super) for_memory: bool,
    pub(super) rounds: usize,
    /// Length of one contender's turn, in milliseconds.
    pub(super) millis: u64,
}

pub(super) type Case = (Load, usize);

/// Bytes that a table needs for each session beyond its value; roughly.
const OVERHEAD: usize = 250;

impl Group {
    fn new(loads: &[Load], sessions: usize, threads: &[usize], rounds: usize, millis: u64) -> Self {
        Self {
            loads: loads.to_vec(),
            threads: threads.to_vec(),
            sessions,
            bytes: SMALL,
            keys: Keys::Uniform,
            contenders: Contender::value_variants().to_vec(),
            for_memory: false,
            rounds,
            millis,
        }
    }

    /// Every load with every number of threads; dependent keys are visited in a circle and have no
    /// other order.
    pub(super) fn cases(&self) -> Vec<Case> {
        let fits = |load: &&Load| self.keys == Keys::Uniform || load.has_keys();
        let loads = self.loads.iter().filter(fits);
        loads
            .flat_map(|load| self.threads.iter().map(|threads| (*load, *threads)))
            .collect()
    }

    pub(super) fn lacks_memory(&self) -> Option<String> {
        let (tables, sessions, bytes) = (self.contenders.len(), self.sessions, self.bytes);
        let available = resident::available().ok()?;
        let lacks = (tables * sessions * (bytes + OVERHEAD)) as u64 > available;
        lacks.then(|| {
            format!(
                "{tables} tables of {sessions} sessions with {bytes} bytes were left out: {} MiB \
                 of memory are available",
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

pub(super) fn groups(options: &Options) -> Vec<Group> {
    let mut groups = match options.scale {
        _ if options.chooses() => chosen(options),
        Scale::Full => full(),
        Scale::Quick => vec![
            Group::new(&READING, 10_000, &[1, 2], 5, 10),
            Group::new(&READING, 100_000, &[1, 2], 5, 10),
            Group::new(&[Load::GetBuffer], 1_000_000, &[1, 2], 5, 10),
            Group::new(&MIXES, 100_000, &[2, 16], 3, 15),
            Group::new(&WRITING, 10_000, &[2], 3, 10),
        ],
        Scale::Touch => vec![Group::new(Load::value_variants(), 1_000, &[2], 1, 2)],
    };
    for group in &mut groups {
        if !options.contenders.is_empty() {
            group.contenders.clone_from(&options.contenders);
            group.for_memory = false;
        }
        group.rounds = options.rounds.unwrap_or(group.rounds);
        group.millis = options.millis.unwrap_or(group.millis);
    }
    groups
}

/// Every row of the target table, and a look along each other dimension. The mix that only reads
/// is `get_buffer` with independent keys.
fn full() -> Vec<Group> {
    let reading = |sessions| Group::new(&READING, sessions, &[1, 2], 11, 40);
    let mut groups: Vec<_> = [1_000, 10_000, 100_000, 1_000_000].map(reading).into();
    // Ten tables of that size need more memory than most machines have.
    groups.push(Group {
        contenders: Contender::value_variants()[..7].to_vec(),
        for_memory: true,
        ..Group::new(&[Load::GetBuffer], 4_000_000, &[1, 2], 11, 30)
    });
    groups.extend([
        Group::new(&MIXES, 100_000, &[2, 16], 9, 40),
        Group::new(&MIXES, 1_000_000, &[2, 16], 9, 40),
        Group::new(&WRITING, 10_000, &[2], 9, 30),
        Group::new(&WRITING, 100_000, &[2], 9, 30),
        Group::new(&[Load::Insert, Load::SingleUse], 1_000_000, &[2], 9, 40),
    ]);
    let others = [Load::GetBuffer, Load::Get, Load::Mixed20, Load::Insert];
    groups.extend([700, 3072].map(|bytes| Group {
        bytes,
        ..Group::new(&others, 100_000, &[2], 9, 30)
    }));
    let with_keys = [Load::GetBufferIndependent, Load::Get, Load::Mixed20];
    groups.push(Group {
        keys: Keys::Zipf,
        ..Group::new(&with_keys, 100_000, &[2], 9, 30)
    });
    groups.extend([
        Group::new(
            &[Load::GetBuffer, Load::SingleUse],
            100_000,
            &[4, 16],
            9,
            30,
        ),
        Group::new(&[Load::Mixed20], 100_000, &[4], 9, 30),
    ]);
    groups
}

fn chosen(options: &Options) -> Vec<Group> {
    let loads = or(&options.loads, Load::value_variants());
    let threads = or(&options.threads, &[1, 2]);
    let mut groups = Vec::new();
    for sessions in or(&options.sessions, &[100_000]) {
        for bytes in or(&options.bytes, &[SMALL]) {
            for keys in or(&options.keys, &[Keys::Uniform]) {
                let group = Group::new(&loads, sessions, &threads, 11, 40);
                groups.push(Group {
                    bytes,
                    keys,
                    ..group
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
        for scale in ["full", "quick", "touch"] {
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
