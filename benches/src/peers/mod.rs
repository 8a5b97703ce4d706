//! The engine and its peers behind one trait, one adapter each, for every part of the harness.

pub(crate) mod adapters;
mod contender;
mod floor;
mod ours;
mod peer;

#[cfg(rekindle_before)]
pub(crate) use self::ours::Before;
pub(crate) use self::ours::{Engine, Rekindle};
pub(crate) use contender::{Contender, Entrant, with_peer};
pub(crate) use floor::Floor;
pub(crate) use peer::{Kind, Peer};

#[cfg(test)]
mod tests;
