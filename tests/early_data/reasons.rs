//! Why a flight is refused.

use std::sync::Arc;

use openssl::ssl::{AlpnError, select_next_proto};
use rekindle::openssl::{EarlyDataStatus, Resumption};
use rekindle::tickets::{TicketKeys, TicketRing};

use crate::clock::clock;
use crate::common::{Client, server, server_builder};
use crate::flight::{Delivered, Flight, WAYS, accepting, configured, counted, pass, visited};

fn refused(delivered: &Delivered) {
    assert!(!delivered.accepted());
    assert_eq!(delivered.status, EarlyDataStatus::Rejected);
}

#[test]
fn one_that_took_too_long() {
    let clock = clock();
    let (resumption, server, client) = visited(WAYS[0], &clock);
    let late = Flight::of(&client);
    pass(&clock, 12);
    let came = late.complete(&server).unwrap();
    refused(&came);
    assert!(came.resumed);
    assert_eq!(counted(&resumption), [("too_old", 1)]);
}

#[test]
fn one_with_a_ticket_of_another_machine() {
    let keys = TicketKeys::random().unwrap();
    let (a_clock, b_clock) = (clock(), clock());
    let [ours, theirs] = [&a_clock, &b_clock].map(|clock| {
        let ring = TicketRing::builder().clock(clock.clone()).keys(&keys);
        let ring = Arc::new(ring.build().unwrap());
        configured(WAYS[0], clock, |builder| builder.ticket_ring(ring))
    });
    let [here, there] = [&ours, &theirs].map(server);
    for clock in [&a_clock, &b_clock] {
        pass(clock, 60);
    }
    let client = Client::new(WAYS[0]);
    client.connect(&there);
    let flight = Flight::of(&client);
    refused(&Delivered::to(&here, &flight.bytes).unwrap());
    assert_eq!(counted(&ours), [("foreign", 1)]);
    // Where it was meant for it is accepted, and only there.
    assert!(flight.complete(&there).unwrap().accepted());
    let came = Flight::of(&client).complete(&here).unwrap();
    refused(&came);
    assert!(came.resumed, "in one round trip");
}

/// Tickets of before the start may have been used for flights that this process knows nothing of.
#[test]
fn one_that_comes_right_after_the_start() {
    let (clock, keys) = (clock(), TicketKeys::random().unwrap());
    let ring = TicketRing::builder().clock(clock.clone()).keys(&keys);
    let ring = Arc::new(ring.build().unwrap());
    let resumption = configured(WAYS[0], &clock, |builder| builder.ticket_ring(ring));
    let (server, client) = (server(&resumption), Client::new(WAYS[0]));
    client.connect(&server);
    let came = Flight::of(&client).complete(&server).unwrap();
    refused(&came);
    assert!(came.resumed);
    assert_eq!(counted(&resumption), [("starting", 1)]);
    pass(&clock, 31);
    client.connect(&server);
    assert!(Flight::of(&client).complete(&server).unwrap().accepted());
}

#[test]
fn one_under_another_server_name() {
    for kind in WAYS {
        let (resumption, server, client) = visited(kind, &clock());
        client.try_connect(&server, None, Some("a.test")).unwrap();
        let other = Flight::new(&client, &client.session(), Some("b.test"));
        let came = other.complete(&server).unwrap();
        refused(&came);
        assert!(!came.resumed, "{kind:?}");
        assert_eq!(counted(&resumption), [("name_differs", 1)], "{kind:?}");
    }
}

#[test]
fn one_with_another_protocol() {
    for kind in WAYS {
        let resumption = accepting(kind, &clock());
        let mut builder = server_builder(b"tests");
        resumption.install(&mut builder).unwrap();
        let (plain, mut with_alpn) = (builder.build(), server_builder(b"tests"));
        resumption.install(&mut with_alpn).unwrap();
        with_alpn.set_alpn_select_callback(|_, offered| {
            select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
        });
        let client = Client::new(kind);
        client.connect(&with_alpn.build());
        // The client itself refuses to use early data where its own list has changed.
        let came = Flight::of(&client).complete(&plain).unwrap();
        refused(&came);
        assert!(came.resumed, "{kind:?}");
        assert_eq!(counted(&resumption), [("alpn_differs", 1)], "{kind:?}");
    }
}

#[test]
fn one_whose_client_is_asked_for_a_second_hello() {
    for kind in WAYS {
        let resumption = accepting(kind, &clock());
        let servers = ["X25519:P-256", "P-384"].map(|groups| {
            let mut builder = server_builder(b"tests");
            builder.set_groups_list(groups).unwrap();
            resumption.install(&mut builder).unwrap();
            builder.build()
        });
        let client = Client::new(kind);
        client.connect(&servers[0]);
        let came = Flight::of(&client).complete(&servers[1]).unwrap();
        refused(&came);
        assert!(came.resumed, "{kind:?}");
        assert_eq!(counted(&resumption), [("retried", 1)], "{kind:?}");
    }
}

#[test]
fn one_whose_session_is_not_resumed() {
    for kind in WAYS {
        let clock = clock();
        let (_, _, client) = visited(kind, &clock);
        let stranger = accepting(kind, &clock);
        let came = Flight::of(&client).complete(&server(&stranger)).unwrap();
        refused(&came);
        assert!(!came.resumed, "{kind:?}");
        assert_eq!(counted(&stranger), [("not_resumed", 1)], "{kind:?}");
    }
}

#[test]
fn without_the_builder_there_is_no_early_data() {
    let resumption = Resumption::builder().build().unwrap();
    let (server, client) = (server(&resumption), Client::new(WAYS[0]));
    client.connect(&server);
    assert_eq!(client.session().max_early_data(), 0);
    assert!(client.reconnect(&server).resumed());
}
