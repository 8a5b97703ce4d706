//! `HOST:PORT`, as flags take it.

use std::str::FromStr;

/// `HOST:PORT`. The host may be a name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Port 0 is a free port: another one each time.
    pub(super) fn is_any_port(&self) -> bool {
        self.0.rsplit_once(':').map(|(_, port)| port.parse()) == Some(Ok(0))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
        port.parse::<u16>()
            .map_err(|_| format!("`{port}` is no port: expected 0 to 65535"))?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err("expected HOST:PORT, an IPv6 address in brackets".into());
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("expected HOST:PORT, without spaces".into());
        }
        Ok(Self(text.into()))
    }
}
