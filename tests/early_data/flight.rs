//! Flights of early data: what a client sends before it hears of the server, to be delivered, twice
//! if need be, by a network that is not honest.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{ErrorCode, Ssl, SslContext, SslSession, SslStream};
use rekindle::openssl::{
    EarlyData, EarlyDataStats, EarlyDataStatus, Resumption, ResumptionBuilder,
};
use rekindle::tickets::TicketRing;

use crate::clock::TwoClocks;
use crate::common::{Client, Mechanism, Pipe, server};

/// What clients say in their early data.
pub(crate) const SAID: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// The ways in which sessions with early data come back.
pub(crate) const WAYS: [Mechanism; 2] = [Mechanism::Tls13Ticket, Mechanism::Tls13Stateful];

/// Time passes for tickets. OpenSSL's own clock stands still for a test; it is told of ages by way
/// of a session's time.
pub(crate) fn pass(clock: &TwoClocks, seconds: u64) {
    clock.pass(Duration::from_secs(seconds));
    clock.step(-(seconds as i64));
}

/// A resumption that accepts early data.
pub(crate) fn accepting(kind: Mechanism, clock: &Arc<TwoClocks>) -> Resumption {
    configured(kind, clock, |builder| builder)
}

pub(crate) fn configured(
    kind: Mechanism,
    clock: &Arc<TwoClocks>,
    configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
) -> Resumption {
    let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
    let builder = Resumption::builder()
        .stateless_tickets(kind.stateless())
        .ticket_ring(Arc::new(ring))
        .early_data(EarlyData::up_to(1_000));
    configure(builder).build().unwrap()
}

/// A server that accepts early data, and a client that has a session of it.
pub(crate) fn visited(kind: Mechanism, clock: &Arc<TwoClocks>) -> (Resumption, SslContext, Client) {
    let resumption = accepting(kind, clock);
    let server = server(&resumption);
    let client = Client::new(kind);
    client.connect(&server);
    (resumption, server, client)
}

/// A client that has sent its first flight.
pub(crate) struct Flight {
    client: SslStream<Pipe>,
    /// The other end.
    far: Pipe,
    /// ClientHello and early data.
    pub(crate) bytes: Vec<u8>,
}

impl Flight {
    pub(crate) fn new(client: &Client, session: &SslSession, name: Option<&str>) -> Self {
        let (near, far) = Pipe::pair();
        let mut ssl = client.new_connection(Some(session), name);
        ssl.set_connect_state();
        let mut client = SslStream::new(ssl, near).unwrap();
        assert_eq!(client.write_early_data(SAID).unwrap(), SAID.len());
        let bytes = far.incoming.borrow().iter().copied().collect();
        Self { client, far, bytes }
    }

    /// With the session that the client was given last.
    pub(crate) fn of(client: &Client) -> Self {
        Self::new(client, &client.session(), None)
    }

    /// Delivers the flight, and lets both sides go on to the end of the handshake.
    pub(crate) fn complete(mut self, server: &SslContext) -> Result<Delivered, String> {
        let mut ssl = Ssl::new(server).unwrap();
        ssl.set_accept_state();
        let mut server = SslStream::new(ssl, self.far).unwrap();
        let mut delivered = Delivered::read(&mut server)?;
        let (mut client_done, mut server_done) = (false, false);
        while !(client_done && server_done) {
            client_done = client_done || crate::common::step(self.client.do_handshake())?;
            // Early data that comes in parts is read before the handshake goes on.
            server_done = server_done || crate::common::step(server.do_handshake())?;
        }
        delivered.status = Resumption::early_data_status(server.ssl());
        delivered.resumed = server.ssl().session_reused();
        // A client whose flight was refused says it again; the server hears it once.
        let mut heard = Vec::new();
        if delivered.status == EarlyDataStatus::Rejected {
            self.client.write_all(SAID).unwrap();
            heard.extend_from_slice(SAID);
        }
        let mut late = vec![0; 10 * SAID.len()];
        let read = server.ssl_read(&mut late).unwrap_or(0);
        assert_eq!(late[..read], heard);
        // The client's tickets come with the first answer.
        server.write_all(b"!").unwrap();
        self.client.read_exact(&mut [0]).unwrap();
        // OpenSSL removes the session of a connection that ends without a word.
        let _ = (self.client.shutdown(), server.shutdown());
        Ok(delivered)
    }
}

/// What a server has made of a flight.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) status: EarlyDataStatus,
    pub(crate) said: Vec<u8>,
    pub(crate) resumed: bool,
}

impl Delivered {
    /// Delivers some bytes to a new connection of a server, which answers into the void.
    pub(crate) fn to(server: &SslContext, bytes: &[u8]) -> Result<Self, String> {
        let (near, far) = Pipe::pair();
        near.outgoing.borrow_mut().extend(bytes);
        let mut ssl = Ssl::new(server).unwrap();
        ssl.set_accept_state();
        Self::read(&mut SslStream::new(ssl, far).unwrap())
    }

    /// Reads early data, as much as has come.
    fn read(server: &mut SslStream<Pipe>) -> Result<Self, String> {
        let (mut said, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match server.read_early_data(&mut buffer) {
                Ok(0) => break,
                Ok(len) => said.extend_from_slice(&buffer[..len]),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(Self {
            status: Resumption::early_data_status(server.ssl()),
            said,
            resumed: server.ssl().session_reused(),
        })
    }

    /// Whether the program was told what the client had said.
    pub(crate) fn accepted(&self) -> bool {
        let accepted = matches!(
            self.status,
            EarlyDataStatus::Accepted | EarlyDataStatus::Completed
        );
        assert_eq!(self.said, if accepted { SAID } else { b"" });
        accepted
    }
}

/// The counters, of which all that were not named are zero.
pub(crate) fn counted(resumption: &Resumption) -> Vec<(&'static str, u64)> {
    let EarlyDataStats {
        accepted,
        replayed,
        too_old,
        foreign,
        starting,
        handover,
        full,
        name_differs,
        alpn_differs,
        retried,
        not_resumed,
        ..
    } = resumption.early_data_stats();
    let all = [
        ("accepted", accepted),
        ("replayed", replayed),
        ("too_old", too_old),
        ("foreign", foreign),
        ("starting", starting),
        ("handover", handover),
        ("full", full),
        ("name_differs", name_differs),
        ("alpn_differs", alpn_differs),
        ("retried", retried),
        ("not_resumed", not_resumed),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}
