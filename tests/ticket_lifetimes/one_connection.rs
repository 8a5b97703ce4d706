//! What a connection remembers begins with its handshake, and ends with the next one.

use std::ptr;

use foreign_types_shared::{ForeignType, ForeignTypeRef};
use openssl::ssl::Ssl;
use openssl_sys as sys;
use rekindle::openssl::ResumptionBuilder;

use crate::common::{Client, Connection, Mechanism};
use crate::lineage::one_more_ticket;
use crate::machine::{Machine, a_clock, hint, own_keys, secs};

unsafe extern "C" {
    fn SSL_set_num_tickets(ssl: *mut sys::SSL, tickets: usize) -> i32;
    fn SSL_clear(ssl: *mut sys::SSL) -> i32;
    fn SSL_up_ref(ssl: *mut sys::SSL) -> i32;
}

const TLS13: [Mechanism; 2] = [Mechanism::Tls13Ticket, Mechanism::Tls13Stateful];

fn ten_seconds(builder: ResumptionBuilder) -> ResumptionBuilder {
    builder.full_handshake_max_age(secs(10))
}

#[test]
fn a_first_ticket_long_after_its_handshake_is_told_what_is_left() {
    for kind in TLS13 {
        let (machine, client) = Machine::and_client(kind, own_keys, ten_seconds);
        let server = Ssl::new(&machine.server).unwrap();
        // SAFETY: a live connection.
        unsafe { SSL_set_num_tickets(server.as_ptr(), 0) };
        let mut connection = client.connect_to(server).unwrap();
        machine.pass(8);
        one_more_ticket(&mut connection);
        assert_eq!(hint(&client), 2, "{kind:?}");
        drop(connection);
        let session = client.session();
        machine.has_its_last_second_after(2, &client, &session);
    }
}

/// The server's object, ready for another connection.
fn cleared(mut connection: Connection) -> Ssl {
    let _ = (connection.client.shutdown(), connection.server.shutdown());
    connection.rude = true;
    let raw = connection.server.ssl().as_ptr();
    // SAFETY: a live connection, and one reference for `Ssl`. The pipe goes before its stream does.
    let server = unsafe {
        SSL_up_ref(raw);
        sys::SSL_set_bio(raw, ptr::null_mut(), ptr::null_mut());
        Ssl::from_ptr(raw)
    };
    drop(connection);
    // SAFETY: as above.
    assert_eq!(unsafe { SSL_clear(server.as_ptr()) }, 1);
    server
}

#[test]
fn a_second_handshake_on_one_object_is_a_new_one() {
    for kind in Mechanism::ALL {
        let clock = a_clock();
        let machine = Machine::with(&clock, kind, own_keys(&clock), ten_seconds);
        let visitor = machine.visitor();
        let full = |server| {
            let client = Client::new(kind);
            let connection = client.connect_to(server).unwrap();
            assert!(!connection.resumed());
            assert_eq!(connection.resumed_by(), None);
            if kind != Mechanism::Tls12Id {
                assert_eq!(hint(&client), 10, "{kind:?}");
            }
            (client, connection)
        };
        // Full, full, resumed, full, resumed.
        let (_, connection) = full(Ssl::new(&machine.server).unwrap());
        machine.pass(4);
        let (client, connection) = full(cleared(connection));
        machine.pass(4);
        let resumed = |client: &Client, server| {
            let connection = client.offer_to(server, &client.session()).unwrap();
            assert!(connection.resumed(), "{kind:?}");
            assert_eq!(connection.resumed_by(), Some(kind.resumed_by()));
            connection
        };
        let connection = resumed(&client, cleared(connection));
        let (_, connection) = full(cleared(connection));
        drop(resumed(&visitor, cleared(connection)));
        let stats = machine.stats();
        assert_eq!(stats.unusable + stats.context_differs, 0, "{kind:?}");
    }
}
