//! OpenSSL and rustls beside each other: one cache, one ring, and neither takes the other's
//! sessions and tickets for its own.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/der.rs"]
mod der;

use std::sync::Arc;

use rekindle::openssl::{Resumption, SessionChange};
use rekindle::resume::TlsLibrary;
use rekindle::rustls::Scope;
use rustls::server::{ProducesTickets, StoresServerSessions};

use common::{Client, Mechanism, server};
use der::ticket_of;

use crate::peers::{Identity, VERSIONS};

#[test]
fn one_cache_and_one_ring_serve_both() {
    let resumption = Resumption::builder().sessions(100).build().unwrap();
    let (openssl, scope) = (server(&resumption), Scope::new("shop.example"));
    let identity = Identity::new();
    for version in VERSIONS {
        let (store, ticketer) = (
            resumption.rustls_store(&scope),
            resumption.rustls_ticketer(&scope),
        );
        let stateful = Arc::new(identity.server(Some(store), None, None));
        let stateless = Arc::new(identity.server(None, Some(ticketer), None));
        for config in [stateful, stateless] {
            let client = identity.client(version);
            client.visit(&config);
            assert!(client.is_resumed(&config));
        }
    }
    for mechanism in [Mechanism::Tls12Ticket, Mechanism::Tls13Ticket] {
        let client = Client::new(mechanism);
        client.connect(&openssl);
        assert!(client.reconnect(&openssl).resumed());
    }
    // Statistics apart.
    let (ours, theirs) = (resumption.ticket_stats(), resumption.rustls_ticket_stats());
    assert!(
        ours.opened >= 2 && theirs.opened == 2,
        "{ours:?} {theirs:?}"
    );
    let store = resumption.rustls_store_stats();
    assert_eq!((store.hits, store.taken), (2, 1));
}

/// A machine of both libraries tells of rustls's sessions, and takes those of others.
#[test]
fn a_session_of_rustls_comes_from_elsewhere_into_the_cache_of_both() {
    let (scope, identity) = (Scope::new("shop.example"), Identity::new());
    for version in VERSIONS {
        let [here, there] = [(); 2].map(|()| Resumption::builder().sessions(100).build().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        here.watch(move |change| {
            if let SessionChange::Stored {
                id,
                scope,
                encoded,
                library: TlsLibrary::Rustls,
                expires_at,
                ..
            } = *change
            {
                let stored = (*id, *scope, encoded.to_vec(), expires_at);
                tell.send(stored).unwrap();
            }
        });
        let [at_home, elsewhere] = [&here, &there].map(|resumption| {
            let store = resumption.rustls_store(&scope);
            Arc::new(identity.server(Some(store), None, None))
        });
        let client = identity.client(version);
        client.visit(&at_home);
        for (id, of_scope, encoded, expires_at) in told.try_iter() {
            assert_eq!(of_scope, scope);
            let insert =
                || there.insert_rustls_from_elsewhere(&id, &of_scope, &encoded, expires_at);
            assert_eq!((insert(), insert()), (Ok(true), Ok(false)));
            // OpenSSL takes it for none of its own.
            let refused = there.insert_from_elsewhere(&id, &encoded, expires_at);
            assert!(matches!(refused, Ok(false)));
            assert!(there.cache().get_session(&id).is_none());
        }
        assert!(client.is_resumed(&elsewhere), "{version:?}");
    }
}

#[test]
fn neither_finds_the_others_sessions() {
    let resumption = Resumption::builder()
        .sessions(100)
        .stateless_tickets(false)
        .build()
        .unwrap();
    let openssl = server(&resumption);
    let store = resumption.rustls_store(&Scope::new("shop.example"));
    let client = Client::new(Mechanism::Tls12Id);
    client.connect(&openssl);
    let guard = resumption.cache().pin();
    let ids: Vec<_> = guard.iter().map(|entry| *entry.id()).collect();
    assert!(!ids.is_empty());
    for id in &ids {
        assert_eq!(
            (store.get(id.as_bytes()), store.take(id.as_bytes())),
            (None, None)
        );
    }
    assert!(client.reconnect(&openssl).resumed(), "it is still there");
    // And the other way round.
    let id = rekindle::SessionId::new(&[9; 32]).unwrap();
    assert!(store.put(vec![9; 32], b"a session of rustls".to_vec()));
    assert!(resumption.cache().get_session(&id).is_none());
    assert!(store.get(&[9; 32]).is_some());
}

#[test]
fn neither_opens_the_others_tickets() {
    let resumption = Resumption::builder().sessions(100).build().unwrap();
    let ticketer = resumption.rustls_ticketer(&Scope::new("shop.example"));
    let openssl = server(&resumption);
    let client = Client::new(Mechanism::Tls12Ticket);
    client.connect(&openssl);
    let session = client.session().to_der().unwrap();
    assert_eq!(ticketer.decrypt(&ticket_of(&session)), None);
    assert_eq!(resumption.rustls_ticket_stats().malformed, 1);
    // OpenSSL looks for the key by the first 16 bytes, which are no key's name.
    let ticket = ticketer.encrypt(b"a session of rustls").unwrap();
    let (ring, name) = (resumption.ticket_ring(), *ticket.first_chunk().unwrap());
    let found = format!("{:?}", ring.load().opening(&name, ring.now()));
    assert_eq!(found, "Unknown");
}
