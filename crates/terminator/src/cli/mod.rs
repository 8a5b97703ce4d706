//! The command line, and the settings that it is parsed into.

mod address;
mod arguments;
mod settings;
mod tickets;

pub(crate) use self::address::Address;
pub(crate) use self::arguments::Cli;
pub(crate) use self::settings::{ServiceSettings, Settings};
pub(crate) use self::tickets::{KeysFrom, TicketSettings};
