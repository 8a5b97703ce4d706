//! The command line, and the settings that it is parsed into.

mod arguments;
mod tickets;
mod tls;

pub(crate) use self::arguments::{Address, Cli, Settings};
pub(crate) use self::tickets::{KeysFrom, TicketSettings};
