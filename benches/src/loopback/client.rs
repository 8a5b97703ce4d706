//! Clients, each for one kind of handshake.

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslOptions};
use rekindle_test_servers::GROUP;

use crate::tls::{HandshakeKind, client_builder};

/// The cipher suites of TLS 1.2 and TLS 1.3.
pub(super) const CIPHER_SUITES: [&str; 2] =
    ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"];

/// A client's context. It offers one cipher suite, one group, one signature algorithm, so that
/// every server ends up with the same. It does not check the certificate's chain, to spend as
/// little time as a client can; the handshake's own signature is checked.
pub(super) fn client(kind: HandshakeKind) -> Result<SslContext, ErrorStack> {
    let mut builder = client_builder(kind.version());
    builder.set_cipher_list(CIPHER_SUITES[0])?;
    builder.set_ciphersuites(CIPHER_SUITES[1])?;
    // The other is the certificate's: in TLS 1.2 it has to be among them. Every server takes the
    // first: four are told to, and OpenSSL prefers it for rekindle.
    builder.set_groups_list(&format!("{GROUP}:P-256"))?;
    builder.set_sigalgs_list("ECDSA+SHA256")?;
    // One read for all that has come, not two for each record.
    builder.set_read_ahead(true);
    if kind == HandshakeKind::Tls12Id {
        // No server gives a ticket that was not asked for.
        builder.set_options(SslOptions::NO_TICKET);
    }
    Ok(builder.build())
}
