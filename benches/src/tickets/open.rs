//! How long it takes to open a ticket: a ClientHello offers many.

use std::cell::Cell;
use std::time::{Duration, Instant};

use openssl::ssl::{SniError, SslStream, SslVersion};

use super::seal::{Connection, NAME};
use crate::process;
use crate::threads::on_threads;
use crate::tls::{
    Pipe, Server, Store, client_builder, count_opened, new_ssl, opened, step, ticket_of,
};

/// Sessions in a cache that is there but not used.
pub(super) const ROOM: usize = 100;

const TICKETS: usize = 32;

thread_local! {
    /// Whether the server ends the handshake at the client's name: it has looked at the tickets by
    /// then.
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

pub(super) struct Opener {
    pub(super) server: Server,
    /// A ClientHello without tickets.
    bare: Vec<u8>,
    /// The same with [`TICKETS`] of them.
    laden: Vec<u8>,
}

impl Opener {
    pub(super) fn new(store: Store) -> Self {
        let server = Server::configured(store, ROOM, |context| {
            // With rekindle on it, what counts is rekindle's own callback of that kind.
            count_opened(context);
            context.set_servername_callback(|_, _| match REFUSES.get() {
                true => Err(SniError::ALERT_FATAL),
                false => Ok(()),
            });
        });
        let mut connection = Connection::new(&server.context);
        connection.seal(TICKETS);
        let sessions = connection.receive();
        assert_eq!(sessions.len(), TICKETS);
        let resumes = |session| connection.resumes(session, &server.context);
        assert!(sessions.iter().all(resumes), "each of them would resume");
        let tickets: Vec<_> = sessions.iter().map(|session| ticket_of(session)).collect();
        let bare = without_tickets(NAME);
        Self {
            server,
            laden: with_tickets(&bare, &tickets),
            bare,
        }
    }

    /// Lets each thread open tickets for the length of a turn; nanoseconds for each ticket.
    pub(super) fn turn(&self, threads: usize, length: Duration) -> f64 {
        let warm_up = |_| {
            self.decide(&self.bare, 0);
            self.decide(&self.laden, TICKETS);
        };
        let before = self.opened_by_rekindle();
        let times = on_threads(threads, warm_up, |()| {
            let (mut bare, mut laden, mut count) = (Duration::ZERO, Duration::ZERO, 0);
            let start = Instant::now();
            loop {
                bare += self.decide(&self.bare, 0);
                laden += self.decide(&self.laden, TICKETS);
                count += TICKETS;
                if start.elapsed() >= length {
                    break;
                }
            }
            let time = laden.as_nanos() as f64 - bare.as_nanos() as f64;
            (time / count as f64, count)
        });
        if let Some(before) = before {
            let tickets: usize = times.iter().map(|(_, count)| count + TICKETS).sum();
            let opened = self.opened_by_rekindle().expect("as before") - before;
            assert_eq!(opened, tickets as u64, "every ticket is opened");
        }
        times.iter().map(|(time, _)| time).sum::<f64>() / threads as f64
    }

    /// Lets the server look at a ClientHello until it refuses the name; how long that took.
    fn decide(&self, hello: &[u8], tickets: usize) -> Duration {
        let before = opened();
        let (near, far) = Pipe::pair();
        far.outgoing.borrow_mut().extend(hello);
        let mut server = SslStream::new(new_ssl(&self.server.context), near).expect("a stream");
        let start = process::cpu_time_of_thread();
        REFUSES.set(true);
        let result = server.accept();
        REFUSES.set(false);
        let time = process::cpu_time_of_thread() - start;
        let error = result.expect_err("the name is refused");
        let stack = error.ssl_error().map(|stack| stack.errors());
        let reason = stack.and_then(|errors| errors.first()?.reason());
        assert_eq!(reason, Some("callback failed"), "nothing else: {error}");
        if self.server.resumption.is_none() {
            assert_eq!(opened() - before, tickets, "every ticket is opened");
        }
        time
    }

    /// Tickets that rekindle has opened, on all threads.
    fn opened_by_rekindle(&self) -> Option<u64> {
        let stats = self.server.resumption.as_ref()?.ticket_stats();
        Some(stats.opened + stats.renewed)
    }
}

const PRE_SHARED_KEY: u16 = 41;

/// A MAC of SHA-256 that the server does not check, as it chooses none of the tickets.
const BINDER: [u8; 32] = [0; 32];

/// One record, of TLS 1.3 and with SHA-256 only, that names a server.
fn without_tickets(server: &str) -> Vec<u8> {
    let mut context = client_builder(SslVersion::TLS1_3);
    let suites = context.set_ciphersuites("TLS_AES_128_GCM_SHA256");
    suites.expect("every OpenSSL has it");
    let mut client = new_ssl(&context.build());
    client.set_hostname(server).expect("a name");
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(client, near).expect("a stream");
    let done = step(client.connect()).expect("the beginning of a handshake");
    assert!(!done, "no server answers");
    far.incoming.borrow_mut().drain(..).collect()
}

/// The same with an extension behind the others that offers tickets (RFC 8446, section 4.2.11).
fn with_tickets(hello: &[u8], tickets: &[Vec<u8>]) -> Vec<u8> {
    let (mut identities, mut binders) = (Vec::new(), Vec::new());
    for ticket in tickets {
        identities.extend(with_length(ticket));
        let age = [0; 4];
        identities.extend(age);
        binders.push(BINDER.len() as u8);
        binders.extend(BINDER);
    }
    let content = [with_length(&identities), with_length(&binders)].concat();
    let extension = [&PRE_SHARED_KEY.to_be_bytes()[..], &with_length(&content)].concat();

    let mut hello = [hello, &extension].concat();
    // Of the record, of the message (its last two bytes of three), of all extensions.
    for at in [3, 7, extensions_at(&hello)] {
        let length = short(&hello, at) + extension.len();
        hello[at..at + 2].copy_from_slice(&fits(length).to_be_bytes());
    }
    assert!(hello.len() < 1 << 14, "one record");
    hello
}

fn extensions_at(hello: &[u8]) -> usize {
    // Headers of record and message, version, random.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]); // session id
    at += 2 + short(hello, at); // cipher suites
    at + 1 + usize::from(hello[at]) // compression methods
}

fn short(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&fits(bytes.len()).to_be_bytes()[..], bytes].concat()
}

fn fits(length: usize) -> u16 {
    u16::try_from(length).expect("a length of two bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_ticket_is_not_taken_for_an_open_one() {
        for store in [Store::BuiltInKey, Store::RekindleTickets] {
            let opener = Opener::new(store);
            opener.decide(&opener.laden, TICKETS);
            // The last byte of the last ticket's MAC: behind it are its age and all binders.
            let mut damaged = opener.laden.clone();
            let binders = 2 + 33 * TICKETS;
            let age = 4;
            let last = damaged.len() - binders - age - 1;
            damaged[last] ^= 1;
            let before = opener.opened_by_rekindle();
            opener.decide(&damaged, TICKETS - 1);
            if let Some(before) = before {
                let opened = opener.opened_by_rekindle().unwrap() - before;
                assert_eq!(opened, TICKETS as u64 - 1);
            }
        }
    }
}
