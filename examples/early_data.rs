//! A TLS server on tokio that accepts early data (0-RTT) and forwards requests to a server behind
//! it, as RFC 8470 has it: what is safe to repeat goes on with `Early-Data: 1`, anything else is
//! answered with 425 (Too Early), so that the client sends it again after the handshake.
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! python3 -m http.server 8080 --bind 127.0.0.1 &
//! cargo run -p rekindle-examples --bin early_data -- \
//!     127.0.0.1:8443 cert.pem key.pem 127.0.0.1:8080
//! printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' >request
//! openssl s_client -connect 127.0.0.1:8443 -sess_out session -ign_eof <request
//! openssl s_client -connect 127.0.0.1:8443 -sess_in session -early_data request -ign_eof <request
//! ```

use std::env;
use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use openssl::ssl::{Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod};
use rekindle::openssl::{EarlyData, EarlyDataStatus, KeepSession, Resumption};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_openssl::SslStream;

type Failure = Box<dyn Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(30);

/// A request, its body included, that this server takes.
const LONGEST: usize = 16 << 10;

/// Methods whose requests may come twice (RFC 9110, section 9.2.1).
const SAFE: [&[u8]; 3] = [b"GET ", b"HEAD ", b"OPTIONS "];

const TOO_EARLY: &[u8] =
    b"HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, certificate, key, upstream] = arguments.as_slice() else {
        return Err("usage: early_data ADDRESS CERTIFICATE KEY UPSTREAM".into());
    };
    let resumption = Resumption::builder()
        .early_data(EarlyData::up_to(LONGEST as u32))
        .build()?;
    resumption.spawn_maintenance()?;
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    builder.set_groups_list("X25519:P-256")?;
    resumption.install(&mut builder)?;
    let context = builder.build().into_context();

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (context, upstream, stats) = (context.clone(), upstream.clone(), resumption.clone());
        tokio::spawn(async move {
            let served = timeout(PATIENCE, serve(stream, &context, &upstream)).await;
            if let Ok(Err(error)) = served {
                eprintln!("connection: {error}");
            }
            println!("{:?}", stats.early_data_stats());
        });
    }
}

async fn serve(stream: TcpStream, context: &SslContext, upstream: &str) -> Result<(), Failure> {
    let stream = SslStream::new(Ssl::new(context)?, stream)?;
    let mut stream = KeepSession::new(stream, |stream| stream.ssl());
    let (mut request, mut buffer) = (Vec::new(), [0; 4 << 10]);
    let mut answered = false;
    // Before the handshake. Nothing came early if the first call returns no bytes.
    loop {
        let read = Pin::new(&mut *stream).read_early_data(&mut buffer).await?;
        if read == 0 {
            break;
        }
        request.extend_from_slice(&buffer[..read]);
        if !answered && is_complete(&request) {
            // The handshake goes on while this is on its way.
            let answer = answer(&request, &stream, upstream).await?;
            Pin::new(&mut *stream).write_early_data(&answer).await?;
            answered = true;
        }
    }
    Pin::new(&mut *stream).accept().await?;
    while !answered && !is_complete(&request) && request.len() < LONGEST {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    if !answered {
        let answer = answer(&request, &stream, upstream).await?;
        stream.write_all(&answer).await?;
    }
    Ok(stream.shutdown().await?)
}

/// Where the head of the first request ends.
fn end_of_head(request: &[u8]) -> Option<usize> {
    let at = request.windows(4).position(|end| end == b"\r\n\r\n")?;
    Some(at + 4)
}

fn is_complete(request: &[u8]) -> bool {
    end_of_head(request).is_some()
}

/// Whether a request may come twice: a safe method, and nothing behind its head.
fn is_safe(request: &[u8]) -> bool {
    SAFE.iter().any(|method| request.starts_with(method))
        && end_of_head(request) == Some(request.len())
}

async fn answer(
    request: &[u8],
    stream: &SslStream<TcpStream>,
    upstream: &str,
) -> Result<Vec<u8>, Failure> {
    let is_early = Resumption::early_data_status(stream.ssl()) == EarlyDataStatus::Accepted;
    if is_early && !is_safe(request) {
        return Ok(TOO_EARLY.to_vec());
    }
    let (head, body) = request.split_at(end_of_head(request).unwrap_or(request.len()));
    let is_connection = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next();
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"connection"))
    };
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let mut forwarded = lines.next().unwrap_or_default().to_vec();
    // A client's own claim to be early stays as it is: it says as much.
    if is_early {
        forwarded.extend_from_slice(b"Early-Data: 1\r\n");
    }
    forwarded.extend_from_slice(b"Connection: close\r\n");
    lines
        .filter(|line| !is_connection(line))
        .for_each(|line| forwarded.extend_from_slice(line));
    forwarded.extend_from_slice(body);
    let mut behind = TcpStream::connect(upstream).await?;
    behind.write_all(&forwarded).await?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer).await?;
    Ok(answer)
}
