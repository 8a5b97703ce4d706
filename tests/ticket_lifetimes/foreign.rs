//! Foreign servers that share a key: OpenSSL's own tickets have no lineages, and copy application
//! data that they do not know.

use std::ffi::{c_int, c_long, c_void};
use std::sync::Arc;

use openssl::ssl::SslContext;
use openssl_sys::{self as sys, SSL_CTX};

use rekindle_key_files::TicketKeyFormat;

use crate::clock::TwoClocks;
use crate::common::{Client, Connection, Mechanism, server_builder};
use crate::lineage::{LIMIT, TIMEOUT, limits};
use crate::machine::{Machine, hint, ring, stubborn};
use crate::records::long_record;
use crate::wall_clock;

unsafe extern "C" {
    fn SSL_CTX_ctrl(context: *mut SSL_CTX, cmd: c_int, larg: c_long, parg: *mut c_void) -> c_long;
}

const SET_TICKET_KEYS: c_int = 59;

/// A server without Rekindle, under the key of that number.
struct Plain {
    clock: Arc<TwoClocks>,
    server: SslContext,
}

impl Plain {
    fn new(clock: &Arc<TwoClocks>, number: u8) -> Self {
        let mut builder = server_builder(b"tests");
        crate::advertised_lifetime::set_timeout(&mut builder, TIMEOUT as c_long);
        let mut key = long_record(number);
        // SAFETY: a live context; OpenSSL copies the key.
        let set = unsafe {
            let context: *mut sys::SSL_CTX = builder.as_ptr();
            SSL_CTX_ctrl(context, SET_TICKET_KEYS, 80, key.as_mut_ptr().cast())
        };
        assert_eq!(set, 1);
        Self {
            clock: clock.clone(),
            server: builder.build(),
        }
    }

    fn connect(&self, client: &Client) -> Connection {
        wall_clock::is_by(&self.clock);
        client.connect(&self.server)
    }

    fn reconnect(&self, client: &Client) -> Connection {
        wall_clock::is_by(&self.clock);
        client.offer(&self.server, &stubborn(&self.clock, &client.session()))
    }
}

/// A machine, a foreign server with the same key and clock, and a client.
fn with_the_same_key(kind: Mechanism) -> (Machine, Plain, Client) {
    let keys = TicketKeyFormat::OpenSsl80.parse(&long_record(1)).unwrap();
    let keys = |clock: &Arc<TwoClocks>| ring(clock).keys(&keys).build().unwrap();
    let (ours, client) = Machine::and_client(kind, keys, limits);
    let theirs = Plain::new(&ours.clock, 1);
    (ours, theirs, client)
}

#[test]
fn each_resumes_the_others_tickets() {
    for kind in Mechanism::TICKETS {
        let (ours, theirs, client) = with_the_same_key(kind);
        ours.connect(&client);
        assert!(theirs.reconnect(&client).resumed(), "{kind:?}");
        assert!(ours.reconnect(&client).resumed(), "{kind:?}");
        theirs.connect(&client);
        assert!(ours.reconnect(&client).resumed(), "{kind:?}");
        assert_eq!(ours.stats().opened, 2, "{kind:?}");
    }
}

#[test]
fn a_chain_that_goes_through_one_ends_here() {
    for begins_here in [true, false] {
        let (ours, theirs, client) = with_the_same_key(Mechanism::Tls13Ticket);
        if begins_here {
            ours.connect(&client);
        } else {
            theirs.connect(&client);
        }
        // It never tells more than what is left, also after renewals by the other server.
        for age in (5..=LIMIT).step_by(5) {
            ours.pass(5);
            let here = age % 10 == 5;
            let again = if here {
                ours.reconnect(&client)
            } else {
                theirs.reconnect(&client)
            };
            assert!(again.resumed(), "{begins_here}, at {age}");
            if here {
                let left = TIMEOUT.min(LIMIT - age);
                assert_eq!(hint(&client), left, "{begins_here}, at {age}");
            }
        }
        ours.pass(1);
        assert!(!ours.reconnect(&client).resumed(), "{begins_here}");
    }
}

#[test]
fn a_chain_that_only_they_have_renewed_has_ended_here() {
    let (ours, theirs, client) = with_the_same_key(Mechanism::Tls13Ticket);
    ours.connect(&client);
    ours.pass(1);
    assert!(ours.reconnect(&client).resumed());
    for _ in 0..10 {
        ours.pass(10);
        assert!(theirs.reconnect(&client).resumed());
    }
    assert!(!ours.reconnect(&client).resumed(), "101 s");
    assert_eq!(ours.stats().lineage_ended, 1);
    ours.pass(1);
    assert!(ours.reconnect(&client).resumed(), "a new one");
}

#[test]
fn a_ticket_that_they_have_renewed_before_it_came_here_keeps_its_lineage() {
    let (ours, theirs, client) = with_the_same_key(Mechanism::Tls13Ticket);
    ours.connect(&client);
    ours.pass(20);
    assert!(theirs.reconnect(&client).resumed());
    for age in [40, 60, 80, 100] {
        ours.pass(20);
        assert!(ours.reconnect(&client).resumed());
        assert!(age == LIMIT || hint(&client) == TIMEOUT.min(LIMIT - age));
    }
    ours.pass(1);
    assert!(!ours.reconnect(&client).resumed());
}
