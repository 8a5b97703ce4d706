//! Which servers open which tickets, and what a server does that cannot seal one.

use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use rekindle::Cache;
use rekindle::openssl::{ResumedBy, Resumption};
use rekindle::tickets::{TicketRing, TicketSecret};

use crate::common::{Client, Mechanism, peers, resumption, server, server_builder};
use crate::records::record;
use crate::{randomness, with_cache};

#[test]
fn servers_with_the_same_keys_resume_each_others_tickets() {
    let secret = TicketSecret::random(Duration::from_secs(3_600), None).unwrap();
    let secret = &secret;
    for (kind, derived) in Mechanism::TICKETS
        .into_iter()
        .flat_map(|kind| [(kind, true), (kind, false)])
    {
        let build = || {
            let builder = Resumption::builder();
            let builder = if derived {
                builder.ticket_secret(secret.clone())
            } else {
                let ring = TicketRing::random().unwrap();
                ring.update(&record(1)).unwrap();
                builder.ticket_ring(Arc::new(ring))
            };
            builder.build().unwrap()
        };
        let (a, b) = (build(), build());
        let (server_a, server_b) = (server(&a), server(&b));
        let client = Client::new(kind);
        client.connect(&server_a);
        assert!(client.reconnect(&server_b).resumed(), "{kind:?}");
        assert!(client.reconnect(&server_a).resumed(), "{kind:?}");
    }
}

#[test]
fn fresh_servers_never_open_each_others_tickets() {
    for kind in Mechanism::TICKETS {
        let (a, b) = (resumption(kind), resumption(kind));
        let client = Client::new(kind);
        client.connect(&server(&a));
        assert!(!client.reconnect(&server(&b)).resumed(), "{kind:?}");
        assert_eq!(b.ticket_stats().unknown_key, 1);
    }
}

#[test]
fn tickets_of_an_old_key_are_renewed_and_of_a_gone_one_fall_back() {
    for kind in Mechanism::TICKETS {
        let (resumption, server, client) = peers(kind);
        let ring = resumption.ticket_ring();
        ring.update(&record(1)).unwrap();
        client.connect(&server);
        let old = client.session();

        ring.update(&[record(2), record(1)].concat()).unwrap();
        let renewed = client.offer(&server, &old).resumed_by();
        assert_eq!(renewed, Some(ResumedBy::RenewedTicket), "{kind:?}");
        let new = client.session();
        assert_ne!(new.to_der().unwrap(), old.to_der().unwrap());

        ring.update(&record(2)).unwrap();
        let fresh = client.offer(&server, &new);
        assert_eq!(fresh.resumed_by(), Some(ResumedBy::Ticket), "{kind:?}");
        assert!(!client.offer(&server, &old).resumed(), "{kind:?}");
        assert_eq!(resumption.ticket_stats().retired_key, 1);
    }
}

#[test]
fn tickets_work_when_the_cache_has_no_room() {
    let builder = with_cache(Cache::builder().capacity(1).max_encoded_len(1));
    let resumption = builder.stateless_tickets(true).build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Ticket));
    client.connect(&server);
    assert!(client.reconnect(&server).resumed());
}

#[test]
fn a_ticket_without_randomness_is_a_handshake_without_a_ticket() {
    for kind in Mechanism::TICKETS {
        let (resumption, client) = (resumption(kind), Client::new(kind));
        let mut server = server_builder(b"tests");
        // AES-GCM of TLS 1.2 asks for as many random bytes as the vector of a ticket.
        server.set_cipher_list("CHACHA20").unwrap();
        resumption.install(&mut server).unwrap();
        let server = server.build();
        let sealed = || resumption.ticket_stats().sealed;
        randomness::is_short_of(8, || {
            assert!(!client.connect(&server).resumed(), "{kind:?}");
            assert_eq!(ErrorStack::get().errors().len(), 0, "of a ticket");
            assert_eq!(sealed(), 0);
            assert!(resumption.ticket_stats().not_sealed > 0);
        });
        client.connect(&server);
        let before = sealed();
        randomness::is_short_of(8, || {
            assert!(client.reconnect(&server).resumed(), "{kind:?}");
            assert_eq!(sealed(), before);
        });
        assert!(client.reconnect(&server).resumed(), "{kind:?}");
    }
}
