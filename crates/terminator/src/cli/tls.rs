//! The flags of the handshake: what is offered, what is asked for, and how many tickets follow.

use std::path::PathBuf;

use clap::{Args, value_parser};

use super::words::{AlpnProtocol, ClientAuthentication, UnknownNames};
use crate::serve::{CipherSuites, Ciphers, Groups};

/// How to shake hands.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// What a client gets that names none of the certificates' names, or no name: the first
    /// certificate, or a refusal
    #[arg(long, value_name = "first|refuse", default_value = "first")]
    pub(crate) unknown_names: UnknownNames,

    /// Protocols to agree on by ALPN, the preferred one first, as `h2,http/1.1`; names of 1 to 255
    /// bytes, between commas [default: none, ALPN is not answered]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) alpn: Vec<AlpnProtocol>,

    /// Certificates of the authorities (PEM) whose clients' certificates are accepted; asks each
    /// client for a certificate (--client-auth)
    #[arg(long, value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,

    /// Revocation lists (PEM) of those authorities; needs --client-ca
    #[arg(long, value_name = "FILE")]
    pub(super) crl: Option<PathBuf>,

    /// Whether clients are asked for certificates, and whether one without is refused [default:
    /// required with --client-ca, else none]
    #[arg(long, value_name = "none|optional|required")]
    pub(super) client_auth: Option<ClientAuthentication>,

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

    /// Bytes of early data (0-RTT) to accept of a client that resumes in TLS 1.3, 1 to 16384; needs
    /// --proxy-protocol-out v2. An attacker can repeat early data to another machine, so the
    /// upstream must be told of it, which the header of version 2 does: where a repetition does
    /// harm, the upstream answers 425 [default: none]
    #[arg(long, value_name = "BYTES")]
    #[arg(value_parser = value_parser!(u32).range(1..=16_384))]
    pub(crate) early_data: Option<u32>,
}

/// How clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificateSettings {
    pub(crate) ca: PathBuf,
    pub(crate) crl: Option<PathBuf>,
    pub(crate) required: bool,
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

    /// The protocols as TLS carries them, each behind its length; empty for none.
    pub(crate) fn alpn_list(&self) -> Vec<u8> {
        let names = self.alpn.iter().map(|name| name.as_str().as_bytes());
        names
            .flat_map(|name| [&[name.len() as u8], name].concat())
            .collect()
    }

    /// None: clients are not asked for certificates.
    pub(crate) fn client_certificates(&self) -> Option<ClientCertificateSettings> {
        let required = match self.client_auth {
            Some(ClientAuthentication::None) => return None,
            Some(ClientAuthentication::Optional) => false,
            Some(ClientAuthentication::Required) | None => true,
        };
        Some(ClientCertificateSettings {
            ca: self.client_ca.clone()?,
            crl: self.crl.clone(),
            required,
        })
    }
}
