//! `rekindle-terminator keys ...`: what operators do with files of ticket keys.
//!
//! Secrets are printed only where `--reveal` asks for them. Files of secrets are written for their
//! owner alone. Errors never quote what is in a file.

mod check;
mod command;
mod convert;
mod error;
mod generate;
mod input;
mod key_set;
mod output;
mod ratchet;
mod rotate;
mod show;
mod target;

pub(crate) use self::command::KeysCommand;
