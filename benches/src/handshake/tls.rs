//! Both ends of connections in memory: contexts, and the pipe between them.

use std::sync::LazyLock;

use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslSessionCacheMode, SslVerifyMode, SslVersion,
};

use crate::identity::Identity;
use crate::way::Way;

pub(crate) use pipe::{Pipe, step};

#[path = "../../../tests/common/pipe.rs"]
mod pipe;

/// What all servers show.
static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::new().expect("OpenSSL signs with P-256"));

/// A server's context with certificate, key and session id context, for the caller to add to.
pub(crate) fn server_builder() -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        builder.set_certificate(&IDENTITY.certificate)?;
        builder.set_private_key(&IDENTITY.key)?;
        builder.set_session_id_context(b"benches")?;
        Ok::<_, ErrorStack>(builder)
    };
    build().expect("a server's context")
}

/// A client's context that speaks one version and trusts everybody: checking certificates is not
/// what is measured.
pub(crate) fn client_builder(version: SslVersion) -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(version))?;
        builder.set_max_proto_version(Some(version))?;
        Ok::<_, ErrorStack>(builder)
    };
    let mut builder = build().expect("a client's context");
    builder.set_verify(SslVerifyMode::NONE);
    // Sessions are kept by whoever drives the client.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder
}

/// A client that comes one way and no other.
pub(crate) fn client(way: Way) -> SslContext {
    client_builder(way.version()).build()
}

/// A connection that has not begun.
pub(crate) fn new_ssl(context: &SslContext) -> Ssl {
    Ssl::new(context).expect("memory for a connection")
}
