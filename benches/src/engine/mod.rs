//! The engine beside its peers: ratios to an unsynchronised floor, rounds interleaved.

mod batch;
mod groups;
mod loads;
mod operations;
mod population;
mod run;
mod tables;
mod target;

pub(crate) use batch::Counts;
#[cfg(test)]
pub(crate) use groups::parse;
pub(crate) use groups::{Options, parse_in};
pub(crate) use loads::{Load, entrants};
pub(crate) use population::{Population, Setup};
pub(crate) use run::{note_shares, run};
pub(crate) use tables::{Table, Tables};
