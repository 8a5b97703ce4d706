//! Makes an `SSL_CTX` from certificates and the settings.

use openssl::ssl::{
    AlpnError, SslAcceptor, SslAcceptorBuilder, SslContextBuilder, SslMethod, SslOptions,
    select_next_proto,
};
use rekindle::openssl::Resumption;
use rekindle::resume::Scope;

use super::client_auth::ClientAuth;
use super::fetch::SessionFetch;
use super::identity::Identity;
use super::lists::{CipherSuites, Ciphers, Groups};
use super::session_id_context::SessionIdContext;
use crate::error::TlsError;

/// What all contexts have in common.
#[derive(Debug, Clone)]
pub(crate) struct ContextSettings {
    pub(crate) resumption: Resumption,
    /// Looks for sessions that are not in the cache.
    pub(crate) session_fetch: Option<SessionFetch>,
    /// What sessions belong to, as other servers call it.
    pub(crate) session_id_context: Option<SessionIdContext>,
    pub(crate) groups: Groups,
    pub(crate) ciphers: Ciphers,
    pub(crate) cipher_suites: CipherSuites,
    /// TLS 1.3 tickets that a client gets after a full handshake.
    pub(crate) tickets_per_handshake: usize,
    /// Protocols in the order of preference, each behind its length; empty for none.
    pub(crate) alpn: Vec<u8>,
    pub(crate) client_auth: Option<ClientAuth>,
}

impl ContextSettings {
    /// A context with certificates of different kinds of keys for the same names, of which `name`
    /// is one, and what its sessions belong to.
    pub(super) fn context(
        &self,
        identities: &[&Identity],
        name: &str,
    ) -> Result<(SslAcceptorBuilder, Scope), TlsError> {
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
        for identity in identities {
            identity.set(&mut builder)?;
        }
        builder.set_num_tickets(self.tickets_per_handshake)?;
        self.set_alpn(&mut builder);
        // Only a name that was accepted is kept in the session: in TLS 1.2 a resumed connection
        // would have none.
        builder.set_servername_callback(|_, _| Ok(()));
        let mut scope = Scope::builder().name(name);
        if let Some(context) = &self.session_id_context {
            scope = scope.label("session id context", context.as_bytes());
        }
        match (&self.client_auth, &self.session_id_context) {
            (Some(auth), _) => {
                auth.set(&mut builder)?;
                scope = auth.bind(scope);
            }
            // Other servers have the same, so it is taken as it is.
            (None, Some(context)) => builder.set_session_id_context(context.as_bytes())?,
            (None, None) => {}
        }
        let scope = scope.build();
        self.resumption.install_scoped(&mut builder, &scope)?;
        Ok((builder, scope))
    }

    /// A client that offers none of ours is told so (RFC 7301, section 3.2): it must not speak
    /// another protocol than what it believes.
    fn set_alpn(&self, builder: &mut SslContextBuilder) {
        if self.alpn.is_empty() {
            return;
        }
        let ours = self.alpn.clone();
        builder.set_alpn_select_callback(move |_, theirs| {
            first_of_ours(&ours, theirs).ok_or(AlpnError::ALERT_FATAL)
        });
    }
}

/// The name among theirs that comes first among ours.
fn first_of_ours<'a>(ours: &[u8], theirs: &'a [u8]) -> Option<&'a [u8]> {
    let chosen = select_next_proto(ours, theirs)?;
    let places = theirs.windows(chosen.len());
    places.into_iter().find(|name| *name == chosen)
}
