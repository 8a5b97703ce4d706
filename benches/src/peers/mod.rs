//! The engine and its peers behind one trait, one adapter each, for every part of the harness.

mod adapters;
mod contender;
mod floor;
mod openssl;
mod ours;
mod peer;

pub(crate) use self::openssl::{OpenSsl, session};
pub(crate) use contender::{Contender, WithPeer};
pub(crate) use floor::Floor;
pub(crate) use ours::Rekindle;
pub(crate) use peer::{Kind, Peer};

#[cfg(test)]
mod tests;
