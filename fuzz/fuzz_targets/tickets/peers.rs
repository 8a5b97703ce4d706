//! A server that resumes, and what its clients do.

use std::cell::Cell;
use std::time::Duration;

use openssl::ssl::{SniError, Ssl, SslContext, SslSession, SslStream};
use rekindle::openssl::{ResumedBy, Resumption};

use crate::common::{Client, Pipe, server_builder};
use crate::hello::Hello;

const NAME: &str = "fuzz.example";

thread_local! {
    /// Whether handshakes end once the server has decided whether it resumes.
    static STOP: Cell<bool> = const { Cell::new(false) };

    /// What it has decided, if it came to that.
    static RESUMES: Cell<Option<bool>> = const { Cell::new(None) };
}

pub(crate) fn resumption() -> Resumption {
    let resumption = Resumption::builder()
        .sessions(10)
        .stateless_tickets(true)
        // The tickets of the first moment are offered as long as the process lives.
        .session_timeout(Duration::from_secs(30 * 24 * 60 * 60));
    resumption.build().expect("a resumption")
}

pub(crate) fn server(resumption: &Resumption) -> SslContext {
    let mut context = server_builder(b"fuzz");
    resumption.install(&mut context).expect("a fresh context");
    // OpenSSL looks for a session in the ClientHello, ticket, PSK and binder included, before it
    // tells the server's name. What comes after would cost ten times as much: two signatures and
    // key exchanges in a full handshake.
    context.set_servername_callback(|ssl, _| {
        RESUMES.set(Some(ssl.session_reused()));
        if STOP.get() {
            return Err(SniError::ALERT_FATAL);
        }
        Ok(())
    });
    context.build()
}

/// The session that a full handshake gives a client.
pub(crate) fn session(client: &Client, server: &SslContext) -> SslSession {
    handshake(client, server, None).expect("a full handshake");
    client.session()
}

/// What a client says first when it offers a session.
pub(crate) fn hello(client: &Client, session: &SslSession) -> Hello {
    Hello::new(client.hello(session, NAME))
}

/// Lets a server decide upon a ClientHello. An error if it does not come to that.
pub(crate) fn decide(server: &SslContext, hello: &[u8]) -> Result<Option<ResumedBy>, String> {
    let (near, far) = Pipe::pair();
    far.outgoing.borrow_mut().extend(hello);
    let server = Ssl::new(server).expect("a connection");
    let mut server = SslStream::new(server, near).expect("a stream");
    RESUMES.set(None);
    STOP.set(true);
    let result = server.accept();
    STOP.set(false);
    let how = Resumption::resumed_by(server.ssl());
    match RESUMES.get() {
        None => Err(result.expect_err("undecided").to_string()),
        Some(resumes) => {
            assert_eq!(how.is_some(), resumes);
            Ok(how)
        }
    }
}

/// A whole handshake, and a byte after it.
pub(crate) fn handshake(
    client: &Client,
    server: &SslContext,
    session: Option<&SslSession>,
) -> Result<Option<ResumedBy>, String> {
    let connection = client.try_connect(server, session, Some(NAME))?;
    let how = connection.resumed_by();
    assert_eq!(how.is_some(), connection.resumed());
    Ok(how)
}
