//! Which key exchange groups and ciphers are offered, as OpenSSL writes lists of them. A list that
//! parses is one that the OpenSSL in use takes.

use std::str::FromStr;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod};

use crate::error::first_reason;

/// The lists of Mozilla's guideline 5.7, "intermediate": <https://ssl-config.mozilla.org>.
const GROUPS: &str = "X25519:prime256v1:secp384r1";
/// In front of them where OpenSSL has it, from 3.5 on: a client that has it too is safe from a
/// quantum computer that records the handshake now.
const HYBRID_GROUP: &str = "X25519MLKEM768";
const CIPHERS: &str = "\
    ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
    DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";
const CIPHER_SUITES: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// Groups of the key exchange, of TLS 1.2 and 1.3.
#[derive(Debug, Clone)]
pub(crate) struct Groups(String);

/// Ciphers of TLS 1.2.
#[derive(Debug, Clone)]
pub(crate) struct Ciphers(String);

/// Cipher suites of TLS 1.3.
#[derive(Debug, Clone)]
pub(crate) struct CipherSuites(String);

impl Groups {
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_groups_list(&self.0)
    }
}

impl Ciphers {
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_cipher_list(&self.0)
    }
}

impl CipherSuites {
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_ciphersuites(&self.0)
    }
}

impl Default for Groups {
    fn default() -> Self {
        let hybrid = format!("{HYBRID_GROUP}:{GROUPS}").parse();
        hybrid.unwrap_or_else(|_| Self(GROUPS.into()))
    }
}

impl Default for Ciphers {
    fn default() -> Self {
        Self(CIPHERS.into())
    }
}

impl Default for CipherSuites {
    fn default() -> Self {
        Self(CIPHER_SUITES.into())
    }
}

impl FromStr for Groups {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let groups = Self(list.into());
        accepted(list, |context| groups.set(context)).map_err(|reason| {
            let openssl = openssl::version::version();
            format!("{openssl} takes no such list of groups: {reason}")
        })?;
        Ok(groups)
    }
}

impl FromStr for Ciphers {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        // OpenSSL ignores a name that it does not know as long as another selects a cipher. Words
        // that begin so change what the words before them select.
        let selecting = list
            .split([':', ',', ' ', ';'])
            .filter(|word| !word.is_empty() && !word.starts_with(['!', '-', '+', '@']));
        for word in selecting {
            accepted(word, |context| context.set_cipher_list(word))
                .map_err(|reason| format!("`{word}` selects no cipher of TLS 1.2: {reason}"))?;
        }
        let ciphers = Self(list.into());
        accepted(list, |context| ciphers.set(context))?;
        Ok(ciphers)
    }
}

impl FromStr for CipherSuites {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        // OpenSSL ignores a name that it does not know.
        for word in list.split(':') {
            accepted(word, |context| context.set_ciphersuites(word))
                .map_err(|reason| format!("`{word}` is no cipher suite of TLS 1.3: {reason}"))?;
        }
        let suites = Self(list.into());
        accepted(list, |context| suites.set(context))?;
        Ok(suites)
    }
}

/// Whether a context takes a list that is not empty: to OpenSSL an empty one may be valid.
fn accepted(
    list: &str,
    set: impl FnOnce(&mut SslContextBuilder) -> Result<(), ErrorStack>,
) -> Result<(), String> {
    if list.is_empty() {
        return Err("it is empty".into());
    }
    SslContext::builder(SslMethod::tls_server())
        .and_then(|mut context| set(&mut context))
        .map_err(|error| first_reason(&error))
}
