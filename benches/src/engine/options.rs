//! What is run.

use clap::Args;

use super::loads::Load;
use crate::peers::Contender;
use crate::record::Scale;
use crate::workload::{Keys, SHORTEST};

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
