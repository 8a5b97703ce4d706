//! Types of values that flags have in common, or that are a few words.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ValueEnum, value_parser};

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What a client gets that names none of the certificates' names, or no name at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnknownNames {
    /// The first certificate.
    First,
    /// An alert, `unrecognized_name`.
    Refuse,
}

/// Which PROXY protocol header each connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyProtocolIn {
    Off,
    V1,
    V2,
    Any,
}

/// Which PROXY protocol header an upstream gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyProtocolOut {
    Off,
    V1,
    V2,
}

/// Whether clients are asked for certificates, and whether one without is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientAuthentication {
    None,
    Optional,
    Required,
}

/// The name of a protocol as ALPN carries it: 1 to 255 bytes (RFC 7301, 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlpnProtocol(String);

impl AlpnProtocol {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AlpnProtocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.len() {
            0 => Err("an empty name: expected 1 to 255 bytes".into()),
            1..=255 => Ok(Self(name.into())),
            length => Err(format!("{length} bytes: expected 1 to 255")),
        }
    }
}

/// A name that requests are for: labels of letters, digits, hyphens and underscores, with dots
/// between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(String);

impl HostName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_name);
        match name.len() <= 253 && name.split('.').all(is_label) {
            true => Ok(Self(name.into())),
            false => Err("expected a name as in `admin.example`, without a port".into()),
        }
    }
}

pub(super) fn seconds(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    value_parser!(u64).range(range).map(Duration::from_secs)
}

pub(super) fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|value| value == "on")
}
