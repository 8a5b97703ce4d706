//! Sessions in any number, from one handshake.

use openssl::ssl::{ShutdownState, SslContext, SslSession};
use rand::Rng;
use rand::rngs::StdRng;

use crate::tls::{Server, new_ssl, receive_tickets, shake_hands};

pub(super) struct Template {
    der: Vec<u8>,
    /// Where in it the id is.
    id: usize,
}

impl Template {
    pub(super) fn new(server: &Server, client: &SslContext) -> Self {
        let session = Self::session(server, client);
        let der = session.to_der().expect("an encoding");
        assert_eq!(session.id().len(), 32, "a session with an id");
        let id = der.windows(32).position(|bytes| bytes == session.id());
        Self {
            id: id.expect("it is in there"),
            der,
        }
    }

    /// The server's end of a session from a full handshake.
    fn session(server: &Server, client: &SslContext) -> SslSession {
        let (mut client, mut server) = shake_hands(new_ssl(client), new_ssl(&server.context));
        receive_tickets(&mut client);
        let session = server.ssl().session().map(ToOwned::to_owned);
        let closed = ShutdownState::SENT | ShutdownState::RECEIVED;
        client.set_shutdown(closed);
        server.set_shutdown(closed);
        session.expect("a session")
    }

    /// A session with an id of its own, and its encoding.
    pub(super) fn fresh(&self, rng: &mut StdRng) -> (SslSession, Vec<u8>) {
        let mut der = self.der.clone();
        der[self.id..self.id + 32].copy_from_slice(&rng.random::<[u8; 32]>());
        (SslSession::from_der(&der).expect("a session"), der)
    }
}
