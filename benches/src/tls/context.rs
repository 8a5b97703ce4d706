//! Contexts of servers and clients.

use std::sync::LazyLock;

use openssl::error::ErrorStack;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslSessionCacheMode, SslVerifyMode, SslVersion,
};

use super::identity::Identity;

static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::new().expect("OpenSSL signs with P-256"));

/// A server's context with certificate, key and session id context, for the caller to add to.
pub(super) fn server_builder() -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        builder.set_certificate(&IDENTITY.certificate)?;
        builder.set_private_key(&IDENTITY.key)?;
        builder.set_session_id_context(b"benches")?;
        Ok::<_, ErrorStack>(builder)
    };
    build().expect("a server's context")
}

/// A client's context that speaks one version and trusts every server: checking chains is not what
/// is measured. The caller keeps the sessions.
pub(crate) fn client_builder(version: SslVersion) -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(version))?;
        builder.set_max_proto_version(Some(version))?;
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        Ok::<_, ErrorStack>(builder)
    };
    build().expect("a client's context")
}
