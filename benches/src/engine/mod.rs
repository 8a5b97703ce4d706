//! The engine beside its peers: ratios to an unsynchronised floor, rounds interleaved.

mod batch;
mod groups;
mod loads;
mod operations;
mod options;
mod population;
mod run;
mod tables;
mod target;

pub(crate) use batch::Counts;
pub(crate) use loads::{Load, entrants};
#[cfg(test)]
pub(crate) use options::parse;
pub(crate) use options::{Options, parse_in};
pub(crate) use population::{Population, Setup};
pub(crate) use run::{percent, run};
pub(crate) use tables::{Table, Tables};
