//! A connection of TLS 1.3 in memory whose server hands out tickets on demand.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslSession, SslSessionCacheMode, SslStream, SslVersion,
};

use crate::handshake::{
    Pipe, client_builder, new_ssl, offer, request_ticket, step, thread_cpu_time,
};

/// Both ends of it.
pub(super) struct Connection {
    client: SslStream<Pipe>,
    server: SslStream<Pipe>,
    context: SslContext,
    received: Arc<Mutex<Vec<SslSession>>>,
}

impl Connection {
    /// After a full handshake, with all its tickets received and thrown away.
    pub(super) fn new(server: &SslContext) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let mut context = client_builder(SslVersion::TLS1_3);
        context
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let keep = Arc::clone(&received);
        context.set_new_session_callback(move |_, session| {
            keep.lock().expect("not poisoned").push(session);
        });
        let context = context.build();
        let (client, server) = shake_hands(new_ssl(&context), new_ssl(server));
        let mut this = Self {
            client,
            server,
            context,
            received,
        };
        assert!(!this.receive().is_empty(), "a handshake comes with tickets");
        this
    }

    /// Lets the server seal and send more tickets; the time that it took for all of them.
    pub(super) fn seal(&mut self, tickets: usize) -> Duration {
        for _ in 0..tickets {
            // Takes no more than a note of it.
            request_ticket(&mut self.server);
        }
        let start = thread_cpu_time();
        let result = self.server.do_handshake();
        let time = thread_cpu_time() - start;
        result.expect("tickets need no answer");
        time
    }

    /// The client's sessions with those tickets that it had not seen yet.
    pub(super) fn receive(&mut self) -> Vec<SslSession> {
        let nothing = self.client.ssl_read(&mut [0]);
        let nothing = nothing.expect_err("no data, but tickets");
        assert_eq!(nothing.code(), ErrorCode::WANT_READ, "{nothing}");
        mem::take(&mut *self.received.lock().expect("not poisoned"))
    }

    /// Whether a session that this client has received is resumed.
    pub(super) fn resumes(&self, session: &SslSession, server: &SslContext) -> bool {
        let mut client = new_ssl(&self.context);
        offer(&mut client, session);
        let (client, server) = shake_hands(client, new_ssl(server));
        let reused = server.ssl().session_reused();
        assert_eq!(client.ssl().session_reused(), reused);
        reused
    }
}

fn shake_hands(client: Ssl, server: Ssl) -> (SslStream<Pipe>, SslStream<Pipe>) {
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(client, near).expect("a stream");
    let mut server = SslStream::new(server, far).expect("a stream");
    let (mut client_done, mut server_done) = (false, false);
    while !(client_done && server_done) {
        client_done = client_done || step(client.connect()).expect("a handshake");
        server_done = server_done || step(server.accept()).expect("a handshake");
    }
    (client, server)
}
