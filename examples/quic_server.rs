//! A QUIC server on quinn: sessions resume from the cache, with 0-RTT, each once. What a client
//! sends early it may send again to another machine: answer only what may be asked twice.
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
//! cargo run -p rekindle-examples --bin quic_server -- 127.0.0.1:4433 cert.pem key.pem
//! ```

use std::env;
use std::error::Error;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming, ServerConfig};
use rekindle::rustls::rustls::pki_types::pem::PemObject;
use rekindle::rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rekindle::rustls::rustls::{self, version::TLS13};
use rekindle::rustls::{Resumption, Scope};

type Failure = Box<dyn Error + Send + Sync>;

const LONGEST_REQUEST: usize = 4_096;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, certificate, key] = arguments.as_slice() else {
        return Err("usage: quic_server ADDRESS CERTIFICATE KEY".into());
    };
    let resumption = Resumption::builder().sessions(100_000).build()?;
    resumption.spawn_maintenance()?;

    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into());
    let config = config
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth();
    let mut config = config.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"hello".to_vec()];
    // rustls gives early data only with a store and without a ticketer. In QUIC all or nothing.
    config.session_storage = resumption.store(&Scope::new("quic_server"));
    config.max_early_data_size = u32::MAX;

    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config)?));
    let endpoint = Endpoint::server(config, address.parse()?)?;
    println!("listening on {}", endpoint.local_addr()?);
    while let Some(incoming) = endpoint.accept().await {
        let resumption = resumption.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(incoming, &resumption).await {
                eprintln!("connection: {error}");
            }
        });
    }
    Ok(())
}

async fn serve(incoming: Incoming, resumption: &Resumption) -> Result<(), Failure> {
    // Always there on a server: half of the answers go before the handshake is done.
    let connection: Connection = match incoming.accept()?.into_0rtt() {
        Ok((connection, _accepted)) => connection,
        Err(connecting) => connecting.await?,
    };
    let (mut send, mut receive) = connection.accept_bi().await?;
    let early = receive.is_0rtt();
    receive.read_to_end(LONGEST_REQUEST).await?;
    let taken = resumption.store_stats().taken;
    let answer = format!("early: {early}, sessions taken so far: {taken}\n");
    send.write_all(answer.as_bytes()).await?;
    send.finish()?;
    connection.closed().await;
    Ok(())
}
