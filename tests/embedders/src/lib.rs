//! What the servers share: their arguments, and one `Resumption` for all their contexts.

use std::error::Error;

use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod};
use rekindle::openssl::Resumption;
use rekindle::rustls::Scope;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// `ADDRESS CERTIFICATE KEY on|off`: where to listen, two files, and whether clients get tickets
/// that carry their session.
#[derive(Debug)]
pub struct Arguments {
    pub address: String,
    pub certificate: String,
    pub key: String,
    pub stateless_tickets: bool,
}

impl Arguments {
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let [address, certificate, key, tickets] = arguments.try_into().map_err(
            |_| "arguments: ADDRESS CERTIFICATE KEY, then `on` or `off` for stateless tickets",
        )?;
        Ok(Self {
            address,
            certificate,
            key,
            stateless_tickets: tickets == "on",
        })
    }

    /// The acceptor that these servers are given, and its resumption.
    pub fn acceptor(&self) -> Result<(SslAcceptorBuilder, Resumption), Box<dyn Error>> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        acceptor.set_certificate_chain_file(&self.certificate)?;
        acceptor.set_private_key_file(&self.key, SslFiletype::PEM)?;
        let resumption = self.resume(&mut acceptor)?;
        Ok((acceptor, resumption))
    }

    /// The configuration that the servers on rustls are given.
    pub fn rustls(&self) -> Result<ServerConfig, Box<dyn Error>> {
        let resumption = rekindle::rustls::Resumption::builder().build()?;
        resumption.spawn_maintenance()?;
        let chain = CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let provider = rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into());
        let config = config
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let mut config = config.with_single_cert(chain, key)?;
        let scope = Scope::new("my service");
        config.session_storage = resumption.store(&scope);
        if self.stateless_tickets {
            config.ticketer = resumption.ticketer_with_provider(&scope, config.crypto_provider());
        }
        Ok(config)
    }

    /// All that an acceptor needs to resume.
    pub fn resume(&self, acceptor: &mut SslAcceptorBuilder) -> Result<Resumption, Box<dyn Error>> {
        let resumption = Resumption::builder()
            .stateless_tickets(self.stateless_tickets)
            // The frameworks free connections without a shutdown.
            .keep_sessions(true)
            .build()?;
        acceptor.set_session_id_context(b"my service")?;
        resumption.install(acceptor)?;
        resumption.spawn_maintenance()?;
        Ok(resumption)
    }
}
