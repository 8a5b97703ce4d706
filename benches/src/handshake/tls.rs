//! Both ends of connections in memory: the server's identity, contexts, and the pipe between them.

use std::sync::LazyLock;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};

pub(crate) use pipe::{Pipe, step};

#[path = "../../../tests/common/pipe.rs"]
mod pipe;

struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate of its own with a key on P-256: what most servers sign with.
static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::new().expect("OpenSSL signs with P-256"));

impl Identity {
    fn new() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
        let name = name.build();
        let mut certificate = X509::builder()?;
        certificate.set_version(2)?;
        let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
        certificate.set_serial_number(&serial)?;
        certificate.set_subject_name(&name)?;
        certificate.set_issuer_name(&name)?;
        let (today, tomorrow) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(1)?);
        certificate.set_not_before(&today)?;
        certificate.set_not_after(&tomorrow)?;
        certificate.set_pubkey(&key)?;
        certificate.sign(&key, MessageDigest::sha256())?;
        Ok(Self {
            certificate: certificate.build(),
            key,
        })
    }
}

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

/// A connection that has not begun.
pub(crate) fn new_ssl(context: &SslContext) -> Ssl {
    Ssl::new(context).expect("memory for a connection")
}
