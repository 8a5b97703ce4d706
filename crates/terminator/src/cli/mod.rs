//! The command line and the file of settings, and what they are parsed into.
//!
//! [`settings`], with [`tls`], [`tickets`] and [`fleet`], defines each flag once, for clap.
//! [`document`] reads a file and asks [`flags`], which is what clap knows, about each of its keys.
//! [`configuration`] puts both together and holds them against [`rules`]. [`reload`] tells what
//! SIGHUP changes.

mod address;
mod arguments;
mod broken;
mod configuration;
mod document;
mod error;
mod file_text;
mod flags;
mod fleet;
mod given;
mod reload;
mod rules;
mod settings;
mod tickets;
mod tls;
mod upstream_address;
mod words;

pub(crate) use self::address::Address;
pub(crate) use self::arguments::Invocation;
pub(crate) use self::configuration::Configuration;
pub(crate) use self::error::{ConfigurationError, ConfigurationFault};
pub(crate) use self::fleet::FleetSettings;
pub(crate) use self::reload::changes;
pub(crate) use self::settings::Settings;
pub(crate) use self::tickets::{KeysFrom, TicketSettings};
pub(crate) use self::tls::ClientCertificateSettings;
pub(crate) use self::upstream_address::UpstreamAddress;
pub(crate) use self::words::{HostName, LogFormat, ProxyProtocolIn, ProxyProtocolOut};
