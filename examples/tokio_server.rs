//! A TLS server on tokio. It serves metrics for Prometheus in plain HTTP on a second address, reads
//! its certificate again on SIGHUP, and on SIGTERM ends when its connections have ended.
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! server="cargo run -p rekindle-examples --bin tokio_server --"
//! $server 127.0.0.1:8443 127.0.0.1:9090 cert.pem key.pem
//! curl -k https://127.0.0.1:8443/ https://127.0.0.1:8443/ http://127.0.0.1:9090/
//! ```

use std::env;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod};
use prometheus_client::{encoding::text, registry::Registry};
use rekindle::openssl::{KeepSession, Resumption};
use rekindle_prometheus::ResumptionCollector;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_openssl::SslStream;

type Failure = Box<dyn Error + Send + Sync>;

/// How long a connection may last, and how long the drain waits for the last one.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, metrics_address, certificate, key] = arguments.as_slice() else {
        return Err("usage: tokio_server ADDRESS METRICS_ADDRESS CERTIFICATE KEY".into());
    };
    let hour = Duration::from_secs(3_600);
    let resumption = Resumption::builder().session_timeout(hour).build()?;
    // Maintenance may work for a moment: on a thread of its own, not on a worker of the runtime.
    resumption.spawn_maintenance()?;
    let mut registry = Registry::with_prefix("rekindle");
    registry.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));
    let mut context = context(&resumption, certificate, key)?;

    let (mut reload, mut stop) = (
        signal(SignalKind::hangup())?,
        signal(SignalKind::terminate())?,
    );
    let listener = TcpListener::bind(address).await?;
    let metrics = TcpListener::bind(metrics_address).await?;
    println!("metrics on {}", metrics.local_addr()?);
    println!("listening on {}", listener.local_addr()?);
    tokio::spawn(serve_metrics(metrics, Arc::new(registry)));
    // Each connection holds a sender: when all are gone, the receiver ends.
    let (open, mut drained) = mpsc::channel::<()>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (context, open) = (context.clone(), open.clone());
                tokio::spawn(async move {
                    let served = timeout(PATIENCE, serve(stream, &context));
                    if let Ok(Err(error)) = served.await {
                        eprintln!("connection: {error}");
                    }
                    drop(open);
                });
            }
            // The new context shares the resumption: sessions of the old one resume under it.
            _ = reload.recv() => match self::context(&resumption, certificate, key) {
                Ok(new) => context = new,
                Err(error) => eprintln!("not reloaded: {error}"),
            },
            _ = stop.recv() => break,
        }
    }
    drop((listener, open));
    let _ = timeout(PATIENCE, drained.recv()).await;
    println!("drained");
    Ok(())
}

fn context(resumption: &Resumption, certificate: &str, key: &str) -> Result<SslContext, Failure> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    builder.set_session_id_context(b"tokio_server")?;
    resumption.install(&mut builder)?;
    Ok(builder.build().into_context())
}

async fn serve(stream: TcpStream, context: &SslContext) -> Result<(), Failure> {
    let mut stream = SslStream::new(Ssl::new(context)?, stream)?;
    Pin::new(&mut stream).accept().await?;
    let mut stream = KeepSession::new(stream, |stream| stream.ssl());
    let how = Resumption::resumed_by(stream.ssl()).map_or("full_handshake", |how| how.name());
    answer(&mut *stream, &format!("resumed by: {how}\n")).await
}

async fn serve_metrics(listener: TcpListener, registry: Arc<Registry>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut page = String::new();
        let encoded = text::encode(&mut page, &registry);
        let _ = encoded.map(|()| tokio::spawn(async move { answer(&mut stream, &page).await }));
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S, page: &str) -> Result<(), Failure> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 << 10 {
        request.push(io.read_u8().await?);
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", page.len());
    io.write_all(format!("{head}Connection: close\r\n\r\n{page}").as_bytes())
        .await?;
    Ok(io.shutdown().await?)
}
