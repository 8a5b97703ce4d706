//! A TLS server on tokio that shares its sessions with others, over a Valkey or Redis. A session
//! that it does not have it fetches in the middle of the handshake, for which no thread waits.
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! cargo run -p rekindle-examples --bin shared_ticket_keys -- secret    # makes the file
//! redis-server --port 6379 --save '' &
//! server="cargo run -p rekindle-examples --bin fleet -- redis://127.0.0.1:6379 secret"
//! $server cert.pem key.pem 127.0.0.1:8443 & $server cert.pem key.pem 127.0.0.1:8444 &
//! openssl s_client -connect 127.0.0.1:8443 -sess_out session <<< ""
//! openssl s_client -connect 127.0.0.1:8444 -sess_in session <<< ""         # "Reused"
//! ```

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use openssl::ssl::{self, ErrorCode, Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod};
use rekindle::openssl::{KeepSession, Resumption};
use rekindle::resume::Scope;
use rekindle_fleet::{Fleet, RedisStore, Sharing};
use rekindle_key_files::parse_secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_openssl::SslStream;

type Failure = Box<dyn Error + Send + Sync>;

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [store, secret, certificate, key, address] = arguments.as_slice() else {
        return Err("usage: fleet STORE SECRET CERTIFICATE KEY ADDRESS".into());
    };
    // Tickets that only name a session of the cache: all sessions can be shared.
    let hour = Duration::from_secs(3_600);
    let builder = Resumption::builder().session_timeout(hour);
    let resumption = builder.stateless_tickets(false).build()?;
    resumption.spawn_maintenance()?;
    // The same on all machines: what their sessions belong to.
    let scope = Scope::new("fleet example");
    let secret = parse_secret(&fs::read(secret)?)?.secret;
    let fleet = Fleet::builder(secret, RedisStore::new(store)?)
        .scopes([scope])
        .session_lifetime(hour)
        .sharing(Sharing::Fetch)
        .start(resumption.clone())?;
    let fleet = Arc::new(fleet);

    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    resumption.install_scoped(&mut builder, &scope)?;
    let of_callback = Arc::clone(&fleet);
    builder.set_client_hello_callback(move |ssl, _| of_callback.on_client_hello(ssl, &scope));
    let context = builder.build().into_context();

    let mut stop = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let context = context.clone();
                tokio::spawn(async move {
                    if let Ok(Err(error)) = timeout(PATIENCE, serve(stream, &context)).await {
                        eprintln!("connection: {error}");
                    }
                });
            }
            _ = stop.recv() => break,
        }
    }
    // What others do not have yet gets two seconds.
    tokio::task::spawn_blocking(move || fleet.close(Duration::from_secs(2))).await?;
    Ok(())
}

/// Where the client names a session that is not here, OpenSSL stops and asks to be called again:
/// when the session has come, or 20 ms have passed.
async fn accept(stream: &mut SslStream<TcpStream>) -> Result<(), ssl::Error> {
    loop {
        match Pin::new(&mut *stream).accept().await {
            Err(error) if error.code() == ErrorCode::WANT_CLIENT_HELLO_CB => {
                if let Some(fetched) = Fleet::awaited(stream.ssl()) {
                    fetched.await;
                }
            }
            done => return done,
        }
    }
}

async fn serve(stream: TcpStream, context: &SslContext) -> Result<(), Failure> {
    let mut stream = SslStream::new(Ssl::new(context)?, stream)?;
    accept(&mut stream).await?;
    let mut stream = KeepSession::new(stream, |stream| stream.ssl());
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 << 10 {
        request.push(stream.read_u8().await?);
    }
    let how = Resumption::resumed_by(stream.ssl()).map_or("full_handshake", |how| how.name());
    let answer = format!("HTTP/1.0 200 OK\r\n\r\nresumed by: {how}\n");
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}
