//! The flags of the handshake: what is offered, and how many tickets follow.

use clap::{Args, value_parser};

use crate::serve::{CipherSuites, Ciphers, Groups};

/// How to shake hands.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Groups of the key exchange, as OpenSSL's SSL_CTX_set1_groups_list takes them [default:
    /// X25519:prime256v1:secp384r1, and X25519MLKEM768 in front where OpenSSL has it (3.5)]
    #[arg(long, value_name = "LIST")]
    groups: Option<Groups>,

    /// Ciphers of TLS 1.2, as `openssl ciphers` takes them [default: those of Mozilla's
    /// intermediate guideline, AES-GCM and ChaCha20 with ECDHE or DHE]
    #[arg(long, value_name = "LIST")]
    ciphers: Option<Ciphers>,

    /// Cipher suites of TLS 1.3, as `openssl ciphers -ciphersuites` takes them [default:
    /// TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256]
    #[arg(long, value_name = "LIST")]
    cipher_suites: Option<CipherSuites>,

    /// TLS 1.3 tickets that a client gets after a full handshake, 0 to 8; a resumed one brings one
    /// ticket. With 0 no client resumes in TLS 1.3, and a client that sends and closes without
    /// reading loses nothing: unread tickets turn its close into a reset, which discards what the
    /// terminator has not read
    #[arg(long, value_name = "N", default_value = "2")]
    #[arg(value_parser = value_parser!(u8).range(0..=8))]
    pub(crate) tickets_per_handshake: u8,
}

impl TlsArgs {
    pub(crate) fn groups(&self) -> Groups {
        self.groups.clone().unwrap_or_default()
    }

    pub(crate) fn ciphers(&self) -> Ciphers {
        self.ciphers.clone().unwrap_or_default()
    }

    pub(crate) fn cipher_suites(&self) -> CipherSuites {
        self.cipher_suites.clone().unwrap_or_default()
    }
}
