//! Files of ticket keys, as other servers write and read them: the same 48 bytes mean different keys in
//! different servers, so a format goes by its name.

mod h2o;
mod haproxy;
mod plan;
mod records;
mod write_error;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::TicketKeyError;
use super::key::TicketCipher;
use super::key_set::TicketKeys;
use plan::Plan;
pub use write_error::WriteError;

/// A format of ticket-key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TicketKeyFormat {
    /// Traffic Server (`ssl_ticket` key files): records of 48 bytes, `name[16] | hmac_secret[16] |
    /// aes_key[16]`; the first seals, all open. AES-128.
    TrafficServer48,
    /// nginx (`ssl_session_ticket_key`): 48 bytes, `name[16] | aes_key[16] | hmac_secret[16]`. nginx takes
    /// one record from each file; here they may also follow each other. The first seals. AES-128.
    Nginx48,
    /// nginx: 80 bytes, `name[16] | hmac_secret[32] | aes_key[32]`. AES-256.
    Nginx80,
    /// HAProxy (`tls-ticket-keys`): lines of base64, each of 48 bytes, `name[16] | aes_key[16] |
    /// hmac_secret[16]`, the oldest first. The last but one seals, the last is the next. HAProxy wants three
    /// lines and, as it is usually built, keeps the last three; here those before open too. AES-128.
    Haproxy48,
    /// HAProxy: lines of 80 bytes, `name[16] | aes_key[32] | hmac_secret[32]`. AES-256.
    Haproxy80,
    /// Apache httpd (`SSLSessionTicketKeyFile`): 48 bytes, `name[16] | hmac_secret[16] | aes_key[16]`.
    /// httpd takes one record; here they may follow each other. The first seals. AES-128.
    Apache48,
    /// OpenSSL (`SSL_CTX_set_tlsext_ticket_keys`): 80 bytes, `name[16] | hmac_secret[32] |
    /// aes_key[32]`. AES-256.
    OpenSsl80,
    /// Envoy (`session_ticket_keys`): 80 bytes, `name[16] | hmac_secret[32] | aes_key[32]`; the first
    /// seals, all open. AES-256.
    Envoy80,
    /// h2o (`ssl-session-resumption`, `ticket-file`): YAML, a list of keys in hexadecimal digits with the
    /// times from and until which they are valid. The newest that has begun seals. AES-128 or AES-256, as
    /// each key says; SHA256.
    H2o,
}

impl TicketKeyFormat {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TrafficServer48,
        Self::Nginx48,
        Self::Nginx80,
        Self::Haproxy48,
        Self::Haproxy80,
        Self::Apache48,
        Self::OpenSsl80,
        Self::Envoy80,
        Self::H2o,
    ];

    /// The name, such as `nginx-80`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrafficServer48 => "traffic-server-48",
            Self::Nginx48 => "nginx-48",
            Self::Nginx80 => "nginx-80",
            Self::Haproxy48 => "haproxy-48",
            Self::Haproxy80 => "haproxy-80",
            Self::Apache48 => "apache-48",
            Self::OpenSsl80 => "openssl-80",
            Self::Envoy80 => "envoy-80",
            Self::H2o => "h2o",
        }
    }

    /// The cipher that all its keys are for; `None` where each key says so itself.
    #[must_use]
    pub fn cipher(self) -> Option<TicketCipher> {
        match self {
            Self::TrafficServer48 | Self::Nginx48 | Self::Haproxy48 | Self::Apache48 => {
                Some(TicketCipher::Aes128)
            }
            Self::Nginx80 | Self::Haproxy80 | Self::OpenSsl80 | Self::Envoy80 => {
                Some(TicketCipher::Aes256)
            }
            Self::H2o => None,
        }
    }

    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] names the record or the line, and the reason.
    pub fn parse(self, content: &[u8]) -> Result<TicketKeys, TicketKeyError> {
        match self {
            Self::Haproxy48 | Self::Haproxy80 => haproxy::parse(content, self),
            Self::H2o => h2o::parse(content),
            _ => records::parse(content, self),
        }
    }

    /// Writes a file's content, in which the same key seals at `now`, a duration since 1970. Keys that do
    /// not open any more by then are left out.
    ///
    /// - A MAC secret that is shorter than the format's gets zeros behind it, which is the same secret.
    /// - Formats of records hold the key that seals, then keys that are to come, then those that have
    ///   sealed, and no times. Keys to come are no more than keys that open, there. nginx, Apache and
    ///   OpenSSL take one record from each file.
    /// - HAProxy's hold exactly one key that is to come, and at least three in all.
    /// - h2o's hold times. Keys without any are valid for 30 days from now; one that is to come, for 30
    ///   days from when it takes over, which is 15 days after the one before it. h2o's keys cease to
    ///   seal and to open at one time: the time at which they cease to open is kept.
    ///
    /// # Errors
    ///
    /// [`WriteError`] names the key, and what the format has no way to express.
    pub fn write(self, keys: &TicketKeys, now: Duration) -> Result<Zeroizing<Vec<u8>>, WriteError> {
        let plan = Plan::new(keys, now)?;
        match self {
            Self::Haproxy48 | Self::Haproxy80 => haproxy::write(&plan, self),
            Self::H2o => h2o::write(&plan, now),
            _ => records::write(&plan, self),
        }
    }
}

/// The name.
impl fmt::Display for TicketKeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// By the name.
impl FromStr for TicketKeyFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.name() == name)
            .ok_or(UnknownFormat(()))
    }
}

/// No format has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat(());

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = TicketKeyFormat::ALL.map(TicketKeyFormat::name).join(", ");
        write!(
            f,
            "no format of ticket keys has that name; there are {names}"
        )
    }
}

impl std::error::Error for UnknownFormat {}
