//! How long it takes to seal a ticket: a connection of TLS 1.3 in memory, whose server hands out
//! tickets on demand.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openssl::ssl::{Ssl, SslContext, SslSession, SslSessionCacheMode, SslStream, SslVersion};

use crate::process;
use crate::threads::on_threads;
use crate::tls::{
    Pipe, Server, client_builder, new_ssl, offer, receive_tickets, request_ticket, shake_hands,
};

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
        let (client, server) = shake_hands(named(&context), new_ssl(server));
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
        let start = process::cpu_time_of_thread();
        let result = self.server.do_handshake();
        let time = process::cpu_time_of_thread() - start;
        result.expect("tickets need no answer");
        time
    }

    /// The client's sessions with those tickets that it had not seen yet.
    pub(super) fn receive(&mut self) -> Vec<SslSession> {
        receive_tickets(&mut self.client);
        mem::take(&mut *self.received.lock().expect("not poisoned"))
    }

    /// Whether a session that this client has received is resumed.
    pub(super) fn resumes(&self, session: &SslSession, server: &SslContext) -> bool {
        let mut client = named(&self.context);
        offer(&mut client, session);
        let (client, server) = shake_hands(client, new_ssl(server));
        let reused = server.ssl().session_reused();
        assert_eq!(client.ssl().session_reused(), reused);
        reused
    }
}

/// The server name of every connection: a ticket opens under the one that it was sealed under.
pub(super) const NAME: &str = "tickets.example";

fn named(client: &SslContext) -> Ssl {
    let mut ssl = new_ssl(client);
    ssl.set_hostname(NAME).expect("a name");
    ssl
}

/// Tickets that are sealed by one call.
const TICKETS: usize = 16;

/// Lets each thread seal tickets on a connection of its own for the length of a turn; nanoseconds
/// for each ticket.
pub(super) fn turn(server: &Server, threads: usize, length: Duration) -> f64 {
    let connect = |_| {
        let mut connection = Connection::new(&server.context);
        // A new thread seeds its random numbers first.
        connection.seal(TICKETS);
        assert_eq!(connection.receive().len(), TICKETS);
        connection
    };
    let times = on_threads(threads, connect, |mut connection| {
        let (mut time, mut sealed, start) = (Duration::ZERO, 0, Instant::now());
        loop {
            time += connection.seal(TICKETS);
            sealed += TICKETS;
            let sessions = connection.receive();
            assert_eq!(sessions.len(), TICKETS, "every ticket arrives");
            if start.elapsed() >= length {
                let resumes = connection.resumes(&sessions[0], &server.context);
                assert!(resumes, "a sealed ticket opens");
                return time.as_nanos() as f64 / sealed as f64;
            }
        }
    });
    times.iter().sum::<f64>() / threads as f64
}
