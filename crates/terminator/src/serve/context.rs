//! Makes an `SSL_CTX` from the certificate and the settings.

use openssl::ssl::{SslAcceptor, SslContext, SslMethod, SslOptions};
use rekindle::openssl::Resumption;

use super::identity::Identity;
use super::session_id_context::SessionIdContext;
use super::tls_lists::{CipherSuites, Ciphers, Groups};
use crate::error::TlsError;

/// What every context has in common: a session made under one certificate resumes under the next.
#[derive(Debug)]
pub(crate) struct ContextSettings {
    pub(super) resumption: Resumption,
    pub(super) session_id_context: SessionIdContext,
    pub(super) groups: Groups,
    pub(super) ciphers: Ciphers,
    pub(super) cipher_suites: CipherSuites,
    /// TLS 1.3 tickets that a client gets after a full handshake.
    pub(super) tickets_per_handshake: usize,
}

impl ContextSettings {
    pub(super) fn context(&self, identity: &Identity) -> Result<SslContext, TlsError> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        self.groups.set(&mut builder)?;
        self.ciphers.set(&mut builder)?;
        self.cipher_suites.set(&mut builder)?;
        // A client could otherwise repeat the most expensive part of the handshake on one
        // connection.
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        // One read takes all that has come. Without read-ahead OpenSSL makes two reads for each
        // record, of its header and of the rest. Its buffer holds a whole record either way.
        builder.set_read_ahead(true);
        builder.set_certificate(&identity.leaf)?;
        for certificate in &identity.intermediates {
            builder.add_extra_chain_cert(certificate.clone())?;
        }
        builder.set_private_key(&identity.key)?;
        builder.check_private_key()?;
        builder.set_session_id_context(self.session_id_context.as_bytes())?;
        builder.set_num_tickets(self.tickets_per_handshake)?;
        self.resumption.install(&mut builder)?;
        Ok(builder.build().into_context())
    }
}
