//! The formats by name: the same 48 bytes are different keys in different servers.

use std::fmt;
use std::str::FromStr;

use rekindle::tickets::{RecordLayout, TicketCipher};
use thiserror::Error;

/// A format of ticket-key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TicketKeyFormat {
    /// Traffic Server (`ssl_ticket` key files): records of 48 bytes, `name[16] | hmac_secret[16] |
    /// aes_key[16]`; the first seals, all open. AES-128.
    TrafficServer48,
    /// nginx (`ssl_session_ticket_key`): 48 bytes, `name[16] | aes_key[16] | hmac_secret[16]`. One
    /// key a file; the first file of the configuration seals. AES-128.
    Nginx48,
    /// nginx: 80 bytes, `name[16] | hmac_secret[32] | aes_key[32]`. One key a file. AES-256.
    Nginx80,
    /// HAProxy (`tls-ticket-keys`): lines of base64, each of 48 bytes, `name[16] | aes_key[16] |
    /// hmac_secret[16]`, the oldest first. The last but one seals, the last is the next. HAProxy
    /// wants three lines and by default keeps the last three; here earlier ones open too. AES-128.
    Haproxy48,
    /// HAProxy: lines of 80 bytes, `name[16] | aes_key[32] | hmac_secret[32]`. AES-256.
    Haproxy80,
    /// Apache httpd (`SSLSessionTicketKeyFile`): 48 bytes, `name[16] | hmac_secret[16] |
    /// aes_key[16]`. One key in all: httpd takes one file. AES-128.
    Apache48,
    /// OpenSSL (`SSL_CTX_set_tlsext_ticket_keys`): 80 bytes, `name[16] | hmac_secret[32] |
    /// aes_key[32]`. One key in all. AES-256.
    OpenSsl80,
    /// Envoy (`session_ticket_keys`): 80 bytes, `name[16] | hmac_secret[32] | aes_key[32]`. One key
    /// a file; the first file of the configuration seals, all open. AES-256.
    Envoy80,
    /// h2o (`ssl-session-resumption`, `ticket-file`): YAML, a list of keys in hexadecimal digits
    /// with the times from and until which they are valid. The newest that has begun seals. AES-128
    /// or AES-256, as each key says; SHA256.
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
    const _ALL_OF_THEM: () = assert!(Self::ALL.len() == Self::H2o as usize + 1);

    /// The name, such as `nginx-80`.
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

    /// Whether its server takes one key from each file, so that several keys are several files.
    pub const fn is_one_key_a_file(self) -> bool {
        match self {
            Self::Nginx48 | Self::Nginx80 | Self::Apache48 | Self::OpenSsl80 | Self::Envoy80 => {
                true
            }
            Self::TrafficServer48 | Self::Haproxy48 | Self::Haproxy80 | Self::H2o => false,
        }
    }

    /// The cipher that all its keys are for; `None` where each key says so itself.
    pub fn cipher(self) -> Option<TicketCipher> {
        self.layout().map(|layout| layout.cipher)
    }

    /// How its records are laid out, raw or as lines of base64; `None` for h2o's YAML.
    pub(crate) fn layout(self) -> Option<RecordLayout> {
        let (cipher, hmac_first) = match self {
            Self::TrafficServer48 | Self::Apache48 => (TicketCipher::Aes128, true),
            Self::Nginx48 | Self::Haproxy48 => (TicketCipher::Aes128, false),
            Self::Nginx80 | Self::OpenSsl80 | Self::Envoy80 => (TicketCipher::Aes256, true),
            Self::Haproxy80 => (TicketCipher::Aes256, false),
            Self::H2o => return None,
        };
        Some(RecordLayout { cipher, hmac_first })
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
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "no format of ticket keys has that name; there are {}",
    TicketKeyFormat::ALL.map(TicketKeyFormat::name).join(", ")
)]
pub struct UnknownFormat(());
