//! A TLS server with a thread for each connection. Its page says how the session was resumed.
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! cargo run -p rekindle-examples --bin openssl_server -- 127.0.0.1:8443 cert.pem key.pem
//! curl -k https://127.0.0.1:8443/ https://127.0.0.1:8443/
//! ```

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use openssl::ssl::{Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod, SslStream};
use rekindle::openssl::{KeepSession, Resumption};

/// A client that is silent for so long loses its connection.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, certificate, key] = arguments.as_slice() else {
        return Err("usage: openssl_server ADDRESS CERTIFICATE KEY".into());
    };
    let resumption = Resumption::builder()
        .sessions(100_000)
        .session_timeout(Duration::from_secs(3_600))
        .build()?;
    // A thread that sweeps the cache and rotates ticket keys, until the process ends.
    resumption.spawn_maintenance()?;
    let context = context(&resumption, certificate, key)?;

    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (context, resumption) = (context.clone(), resumption.clone());
        thread::Builder::new().spawn(move || {
            if let Err(error) = stream
                .map_err(Into::into)
                .and_then(|stream| serve(stream, &context, &resumption))
            {
                eprintln!("connection: {error}");
            }
        })?;
    }
    Ok(())
}

/// Clones of the resumption, or the same one on several contexts, share cache and ticket keys.
fn context(
    resumption: &Resumption,
    certificate: &str,
    key: &str,
) -> Result<SslContext, Box<dyn Error>> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    // A session resumes only under the session id context that it was made under.
    builder.set_session_id_context(b"openssl_server")?;
    resumption.install(&mut builder)?;
    Ok(builder.build().into_context())
}

fn serve(
    stream: TcpStream,
    context: &SslContext,
    resumption: &Resumption,
) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream = SslStream::new(Ssl::new(context)?, stream)?;
    stream.accept()?;
    // Many clients hang up without close_notify; their sessions are good all the same.
    let mut stream = KeepSession::new(stream, |stream| stream.ssl());

    read_request(&mut *stream)?;
    let how = Resumption::resumed_by(stream.ssl()).map_or("full_handshake", |how| how.name());
    let (cache, tickets) = (resumption.cache().stats(), resumption.ticket_stats());
    let page = format!(
        "resumed by: {how}\ncached sessions: {}\ntickets opened: {}\n",
        cache.entries,
        tickets.opened + tickets.renewed
    );
    let length = page.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    )?;
    stream.shutdown()?;
    Ok(())
}

/// Reads up to the empty line that ends a request without a body.
fn read_request(stream: impl io::Read) -> io::Result<()> {
    let mut lines = BufReader::new(stream.take(16 << 10)).lines();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    Ok(())
}
