//! A TLS server whose ticket keys are derived from a secret and the time. Servers that share the
//! secret, on any number of machines, resume each other's tickets without talking to each other.
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! server="cargo run -p rekindle-examples --bin shared_ticket_keys --"
//! $server ticket-secret                     # makes the file, with a random secret
//! $server ticket-secret cert.pem key.pem 127.0.0.1:8443 127.0.0.1:8444     # two servers
//! openssl s_client -connect 127.0.0.1:8443 -sess_out session <<< ""
//! openssl s_client -connect 127.0.0.1:8444 -sess_in session <<< ""         # "Reused"
//! ```

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;
use std::{env, thread};

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use rekindle::openssl::{KeepSession, Resumption};
use rekindle::tickets::{TicketPolicy, TicketSecret};
use rekindle_key_files::{parse_secret, secret_text};

/// How long each derived key seals.
const PERIOD: Duration = Duration::from_secs(3_600);
/// How long a client may come back.
const TIMEOUT: Duration = Duration::from_secs(86_400);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [secret] => make_secret(secret),
        [secret, certificate, key, addresses @ ..] if !addresses.is_empty() => {
            let secret = parse_secret(&fs::read(secret)?)?.secret;
            let mut servers = Vec::new();
            for address in addresses {
                // A server of its own: nothing is shared with the others but the secret.
                let resumption = resumption(secret.clone())?;
                let acceptor = acceptor(&resumption, certificate, key)?;
                let listener = TcpListener::bind(address)?;
                println!("listening on {}", listener.local_addr()?);
                servers.push(thread::spawn(move || serve(&listener, &acceptor)));
            }
            servers.into_iter().for_each(|server| drop(server.join()));
            Ok(())
        }
        _ => Err("usage: shared_ticket_keys SECRET [CERTIFICATE KEY ADDRESS...]".into()),
    }
}

/// A file that only its owner can read. Copy it to the other machines over a safe channel.
fn make_secret(path: &str) -> Result<(), Box<dyn Error>> {
    let secret = TicketSecret::random(PERIOD, None)?;
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret_text(&secret.into()).as_bytes())?;
    Ok(())
}

fn resumption(secret: TicketSecret) -> Result<Resumption, Box<dyn Error>> {
    let resumption = Resumption::builder()
        .ticket_secret(secret)
        .ticket_policy(TicketPolicy::default().period(PERIOD))
        // Keys open for as long as tickets live.
        .session_timeout(TIMEOUT)
        .stateless_tickets(true)
        .build()?;
    resumption.spawn_maintenance()?;
    Ok(resumption)
}

fn acceptor(
    resumption: &Resumption,
    certificate: &str,
    key: &str,
) -> Result<SslAcceptor, Box<dyn Error>> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    // The same on every server: a session resumes only under the context that it was made under.
    builder.set_session_id_context(b"shared_ticket_keys")?;
    resumption.install(&mut builder)?;
    Ok(builder.build())
}

/// Answers the first line of each client with how it came back, and closes.
fn serve(listener: &TcpListener, acceptor: &SslAcceptor) {
    for stream in listener.incoming().filter_map(Result::ok) {
        let acceptor = acceptor.clone();
        thread::spawn(move || {
            let Ok(stream) = acceptor.accept(stream) else {
                return;
            };
            let mut stream = KeepSession::new(stream, |stream| stream.ssl());
            let how = Resumption::resumed_by(stream.ssl()).map_or("full_handshake", |by| by.name());
            let mut line = String::new();
            let read = BufReader::new(&mut *stream)
                .take(16 << 10)
                .read_line(&mut line);
            if read.is_ok() && writeln!(stream, "resumed by: {how}").is_ok() {
                let _ = stream.shutdown();
            }
        });
    }
}
