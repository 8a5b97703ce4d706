//! A TLS server on tokio-rustls: TLS 1.3 resumes by ticket, TLS 1.2 by ticket or session id. With a
//! secret (`rekindle-terminator keys generate --format secret`), machines that share it resume each
//! other's tickets; `store` instead keeps sessions in the cache, each for one use.
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
//!     -keyout key.pem -out cert.pem
//! cargo run -p rekindle-examples --bin rustls_server -- 127.0.0.1:8443 cert.pem key.pem
//! curl -k https://127.0.0.1:8443/ https://127.0.0.1:8443/
//! ```

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rekindle::rustls::rustls::ServerConfig;
use rekindle::rustls::rustls::pki_types::pem::PemObject;
use rekindle::rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rekindle::rustls::{Resumption, Scope};
use rekindle_key_files::read_secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

type Failure = Box<dyn Error + Send + Sync>;

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (certificate, key, address, keys) = match arguments.as_slice() {
        [address, certificate, key] => (certificate, key, address, None),
        [address, certificate, key, keys] => (certificate, key, address, Some(keys.as_str())),
        _ => return Err("usage: rustls_server ADDRESS CERTIFICATE KEY [store|SECRET]".into()),
    };
    let mut builder = Resumption::builder().sessions(100_000);
    if let Some(secret) = keys.filter(|keys| *keys != "store") {
        let (file, notices) = read_secret(Path::new(secret))?;
        notices.iter().for_each(|notice| eprintln!("{notice}"));
        builder = builder.ticket_secret(file.secret);
    }
    let resumption = builder.build()?;
    resumption.spawn_maintenance()?;

    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key)?;
    // Sessions never cross to a configuration of another scope.
    let scope = Scope::new("rustls_server");
    config.session_storage = resumption.store(&scope);
    if keys != Some("store") {
        config.ticketer = resumption.ticketer(&scope);
    }

    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(Err(error)) = timeout(PATIENCE, serve(stream, acceptor)).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor) -> Result<(), Failure> {
    let mut stream = acceptor.accept(stream).await?;
    let how = stream.get_ref().1.handshake_kind();
    let page = format!("handshake: {how:?}\n");
    let mut request = [0; 4_096];
    if stream.read(&mut request).await? > 0 {
        let length = page.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all((head + &page).as_bytes()).await?;
    }
    stream.shutdown().await?;
    Ok(())
}
