//! The command line, and the settings that it is parsed into.

mod address;
mod arguments;
mod tickets;
mod tls;
mod upstream_address;

pub(crate) use self::address::Address;
pub(crate) use self::arguments::{Cli, Settings};
pub(crate) use self::tickets::{KeysFrom, TicketSettings};
pub(crate) use self::upstream_address::UpstreamAddress;
