//! Which cases are run: the matrix of all loads, sizes and numbers of threads would take days.

use clap::{Args, ValueEnum};

use super::loads::{Load, entrants};
use crate::peers::Contender;
use crate::process;
use crate::record::Scale;
use crate::workload::{Keys, SHORTEST};

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
    pub(super) rounds: usize,
    /// Length of one contender's turn, in milliseconds.
    pub(super) millis: u64,
}

pub(super) type Case = (Load, usize);

/// Bytes that a table needs for each session beyond its value; roughly.
const OVERHEAD: usize = 250;

impl Group {
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
        let (sessions, bytes) = (self.sessions, self.bytes);
        let most = |load: &Load| entrants(&self.contenders, *load, true, sessions).len();
        let tables = self.loads.iter().map(most).max().unwrap_or(0);
        let available = process::available().ok()?;
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

/// A value without certificates.
const SMALL: usize = 160;

/// What is run at each scale, as options of the part: every row of the target table, and a look
/// along each other dimension. The mix that only reads is `get_buffer` with independent keys. Ten
/// tables of four million sessions would need more memory than most machines have.
const GROUPS: &str = "\
full --loads get-buffer,get-buffer-independent,get --sessions 1000,10000,100000,1000000
full --loads get-buffer --sessions 4000000 --millis 30 \
     --contenders floor,pinned,rekindle,dashmap,scc,papaya,quick-cache
full --loads mixed-5,mixed-20,mixed-50 --sessions 100000,1000000 --threads 2,16 --rounds 9
full --loads insert --sessions 10000,100000,1000000 --rounds 9 --millis 30
full --loads replace,remove,take,single-use --sessions 10000,100000 --threads 2 --rounds 9 \
     --millis 30
full --loads single-use --sessions 1000000 --threads 2 --rounds 9
full --loads get-buffer,get,mixed-20,insert --bytes 700,3072 --threads 2 --rounds 9 --millis 30
full --loads get-buffer-independent,get,mixed-20 --keys zipf --threads 2 --rounds 9 --millis 30
full --loads get-buffer,single-use --threads 4,16 --rounds 9 --millis 30
full --loads mixed-20 --threads 4 --rounds 9 --millis 30
quick --loads get-buffer,get-buffer-independent,get --sessions 10000,100000 --rounds 5 --millis 10
quick --loads get-buffer --sessions 1000000 --rounds 5 --millis 10
quick --loads mixed-5,mixed-20,mixed-50 --threads 2,16 --rounds 3 --millis 15
quick --loads insert,replace,remove,take,single-use --sessions 10000 --threads 2 --rounds 3 \
     --millis 10
touch --sessions 1000 --threads 2 --rounds 1 --millis 1
";

/// The groups for what was asked for.
pub(super) fn groups(options: &Options) -> Vec<Group> {
    if options.chooses() {
        return chosen(options);
    }
    let scale = options.scale.to_string();
    let of_row = |row: &str| {
        let mut row: Options = parse(row);
        if !options.contenders.is_empty() {
            row.contenders.clone_from(&options.contenders);
        }
        row.rounds = options.rounds.or(row.rounds);
        row.millis = options.millis.or(row.millis);
        chosen(&row)
    };
    let rows = GROUPS.lines().filter_map(|line| line.strip_prefix(&scale));
    rows.flat_map(of_row).collect()
}

/// The cross product of what was chosen.
fn chosen(options: &Options) -> Vec<Group> {
    let mut groups = Vec::new();
    for sessions in or(&options.sessions, &[100_000]) {
        for bytes in or(&options.bytes, &[SMALL]) {
            for keys in or(&options.keys, &[Keys::Uniform]) {
                groups.push(Group {
                    loads: or(&options.loads, Load::value_variants()),
                    threads: or(&options.threads, &[1, 2]),
                    sessions,
                    bytes,
                    keys,
                    contenders: or(&options.contenders, Contender::value_variants()),
                    rounds: options.rounds.unwrap_or(11),
                    millis: options.millis.unwrap_or(40),
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

/// The cases of a scale, or, where loads, sessions, threads, bytes or keys are chosen, every
/// combination of these.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Loads [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) loads: Vec<Load>,
    /// Sessions in a full table [default: 100000].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<1_000, 0xffff_ffff>)]
    pub(super) sessions: Vec<usize>,
    /// Threads at work [default: 1,2].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<1, 128>)]
    pub(super) threads: Vec<usize>,
    /// Bytes of each value [default: 160].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<SHORTEST, 16_384>)]
    pub(super) bytes: Vec<usize>,
    /// In which order independent keys are asked for [default: uniform].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) keys: Vec<Keys>,
    /// Contenders; ratios are to the first [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) contenders: Vec<Contender>,
    /// Rounds; each runs every contender once.
    #[arg(long)]
    pub(super) rounds: Option<usize>,
    /// Length of one contender's turn in a round, in milliseconds; twice that where threads
    /// outnumber processors.
    #[arg(long)]
    pub(super) millis: Option<u64>,
    /// How many cases are run, where none is chosen.
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    pub(super) scale: Scale,
}

/// The options of a command line that is divided at spaces.
pub(crate) fn parse<T: Args>(arguments: &str) -> T {
    let arguments = ["a part"].into_iter().chain(arguments.split_whitespace());
    let matches = T::augment_args(clap::Command::new("a part")).get_matches_from(arguments);
    T::from_arg_matches(&matches).expect("options of the part")
}

impl Options {
    pub(super) fn chooses(&self) -> bool {
        let numbers = [&self.sessions, &self.threads, &self.bytes];
        let any = numbers.iter().any(|chosen| !chosen.is_empty());
        any || !self.loads.is_empty() || !self.keys.is_empty()
    }
}

pub(crate) fn parse_in<const LOW: usize, const HIGH: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|error| format!("{error}"))?;
    if (LOW..=HIGH).contains(&number) {
        return Ok(number);
    }
    Err(format!("{number} is not in {LOW}..={HIGH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_is_measured_twice() {
        for scale in ["full", "quick", "touch"] {
            let mut seen = Vec::new();
            for group in groups(&parse(&format!("--scale {scale}"))) {
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
