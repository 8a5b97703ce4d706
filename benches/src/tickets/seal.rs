//! How long it takes to seal a ticket.

use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::threads::on_threads;
use crate::tls::Server;

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
