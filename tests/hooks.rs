//! Session hooks in real handshakes: when they run, what they find, what they can do.

mod common;

use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use common::{Client, Mechanism, peers, resumption, server};
use openssl::ssl::SslSession;
use rekindle::hooks::SessionEvent::{self, Get, New, Remove};
use rekindle::openssl::{Resumption, Scope, SessionChange};
use rekindle::{Cache, SessionId};

/// Sends on what each hook was called with, and what the cache held under that id then.
fn watch(resumption: &Resumption) -> Receiver<(SessionEvent, SessionId, bool)> {
    let (sender, receiver) = channel();
    let cache = Arc::clone(resumption.cache());
    resumption.hooks().add(move |event, id| {
        let there = cache.get_buffer(id, &mut []).is_some();
        sender.send((event, *id, there)).unwrap();
    });
    receiver
}

fn events(receiver: &Receiver<(SessionEvent, SessionId, bool)>) -> Vec<(SessionEvent, bool)> {
    let calls = receiver.try_iter();
    calls.map(|(event, _, there)| (event, there)).collect()
}

#[test]
fn a_new_session_is_there_when_its_hook_runs() {
    for kind in Mechanism::STATEFUL {
        let resumption = resumption(kind);
        let seen = watch(&resumption);
        let connection = Client::new(kind).connect(&server(&resumption));
        let expected = connection.session().id().to_vec();
        let seen: Vec<_> = seen.try_iter().collect();
        // A server sends two stateful tickets in TLS 1.3, and shows the id of the last one.
        let (event, id, there) = seen.last().copied().expect("an event");
        assert_eq!((event, there), (New, true), "{kind:?}");
        assert_eq!(id.as_bytes(), expected, "{kind:?}");
        assert!(seen.iter().all(|(event, ..)| *event == New));
    }
}

#[test]
fn the_hook_before_a_lookup_runs_at_a_hit_and_at_a_miss() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    client.connect(&server);
    let seen = watch(&resumption);
    assert!(client.reconnect(&server).resumed());
    assert_eq!(events(&seen), [(Get, true)]);
    resumption.cache().clear();
    assert!(!client.reconnect(&server).resumed());
    assert_eq!(events(&seen), [(Get, false), (New, true)]);
}

#[test]
fn an_insert_before_the_lookup_turns_it_into_a_hit() {
    for kind in Mechanism::STATEFUL {
        let (near, far) = (resumption(kind), resumption(kind));
        let client = Client::new(kind);
        client.connect(&server(&far));
        let elsewhere = Arc::clone(far.cache());
        let here = Arc::clone(near.cache());
        near.hooks().add(move |event, id| {
            let mut der = [0; 4096];
            if event == Get
                && let Some(copied) = elsewhere.get_buffer(id, &mut der)
            {
                let session = SslSession::from_der(&der[..copied.stored]).unwrap();
                here.insert_session(id, session).unwrap();
            }
        });
        assert!(client.reconnect(&server(&near)).resumed(), "{kind:?}");
    }
}

#[test]
fn what_is_about_to_be_removed_can_still_be_read() {
    for kind in Mechanism::STATEFUL {
        let (resumption, server, client) = peers(kind);
        let mut connection = client.connect(&server);
        let stored = resumption.cache().len();
        let seen = watch(&resumption);
        // OpenSSL removes the session of a connection that ends without a word.
        connection.rude = true;
        drop(connection);
        assert_eq!(events(&seen), [(Remove, true)], "{kind:?}");
        assert_eq!(resumption.cache().len(), stored - 1);
    }
}

#[test]
fn what_is_not_there_is_not_removed() {
    for kind in Mechanism::ALL {
        let resumption = resumption(kind);
        let mut connection = Client::new(kind).connect(&server(&resumption));
        resumption.cache().clear();
        let seen = watch(&resumption);
        connection.rude = true;
        drop(connection);
        assert_eq!(events(&seen), [], "{kind:?}");
    }
}

#[test]
fn a_refused_session_is_not_announced() {
    let cache = Cache::builder().capacity(10).max_encoded_len(1);
    let builder = Resumption::builder().cache(common::cache(cache));
    let resumption = builder.stateless_tickets(false).build().unwrap();
    let seen = watch(&resumption);
    Client::new(Mechanism::Tls12Id).connect(&server(&resumption));
    assert_eq!(events(&seen), []);
    assert_eq!(resumption.cache().stats().refused.too_large, 1);
}

#[test]
fn sessions_that_travel_in_tickets_run_no_hook() {
    for kind in Mechanism::TICKETS {
        let resumption = resumption(kind);
        let seen = watch(&resumption);
        let (server, client) = (server(&resumption), Client::new(kind));
        client.connect(&server);
        assert!(client.reconnect(&server).resumed());
        assert_eq!(events(&seen), [], "{kind:?}");
    }
}

#[test]
fn calls_run_no_hook() {
    let [resumption, other] = [Mechanism::Tls12Id; 2].map(resumption);
    let connection = Client::new(Mechanism::Tls12Id).connect(&server(&other));
    let session = connection.session();
    let id = SessionId::new(session.id()).unwrap();
    let seen = watch(&resumption);
    let cache = resumption.cache();
    cache.insert_session(&id, session).unwrap();
    assert!(cache.get_session(&id).is_some());
    assert!(cache.take_session(&id).is_some());
    assert!(!cache.remove(&id));
    assert_eq!(events(&seen), []);
}

#[test]
fn hooks_run_in_order_and_may_remove_and_add() {
    // Static: hooks that own a share of it would keep it alive for good.
    static RESUMPTION: LazyLock<Resumption> = LazyLock::new(|| resumption(Mechanism::Tls12Id));
    let (server, client) = (server(&RESUMPTION), Client::new(Mechanism::Tls12Id));
    client.connect(&server);
    let (sender, order) = channel();
    for n in 1..=3 {
        let sender = sender.clone();
        RESUMPTION.hooks().add(move |event, id| {
            sender.send((n, event)).unwrap();
            if (n, event) == (1, Get) {
                assert!(RESUMPTION.cache().remove(id));
                RESUMPTION.hooks().add(|_, _| ());
            }
        });
    }
    let again = client.reconnect(&server);
    assert!(!again.resumed(), "the first hook removed it");
    let order: Vec<_> = order.try_iter().collect();
    let expected = [Get, New].map(|event| [1, 2, 3].map(|n| (n, event)));
    assert_eq!(order, expected.concat());
    assert_eq!(RESUMPTION.hooks().len(), 4);
    // Leak sanitizer does not see entries, which are behind tagged pointers.
    RESUMPTION.close();
}

#[test]
fn a_hook_that_panics_does_not_break_the_handshake() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    resumption.hooks().add(|_, _| panic!("in a hook"));
    client.connect(&server);
    let resumed = client.reconnect(&server).resumed();
    panic::set_hook(quiet);
    assert!(resumed);
}

#[test]
fn hooks_are_added_while_handshakes_run() {
    let resumption = resumption(Mechanism::Tls12Id);
    let calls = Arc::new(AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let handshakes = scope.spawn(|| {
            let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
            client.connect(&server);
            while !done.load(Ordering::Relaxed) {
                assert!(client.reconnect(&server).resumed());
            }
        });
        for _ in 0..100 {
            let theirs = Arc::clone(&calls);
            resumption.hooks().add(move |_, _| {
                theirs.fetch_add(1, Ordering::Relaxed);
            });
            let before = calls.load(Ordering::Relaxed);
            while calls.load(Ordering::Relaxed) == before {
                assert!(!handshakes.is_finished(), "a handshake failed");
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        handshakes.join().unwrap();
    });
}

#[test]
fn a_closed_resumption_serves_tickets_only() {
    for kind in Mechanism::ALL {
        let (resumption, server, client) = peers(kind);
        client.connect(&server);
        let seen = watch(&resumption);
        resumption.close();
        assert!(resumption.cache().is_empty());
        let resumed = client.reconnect(&server).resumed();
        assert_eq!(resumed, kind.stateless(), "{kind:?}");
        assert!(resumption.cache().is_empty());
        assert_eq!(events(&seen), [], "{kind:?}");
    }
}

#[test]
fn hooks_run_alike_however_sessions_are_stored() {
    common::with_other_storages(&[
        a_new_session_is_there_when_its_hook_runs,
        the_hook_before_a_lookup_runs_at_a_hit_and_at_a_miss,
        an_insert_before_the_lookup_turns_it_into_a_hit,
        what_is_about_to_be_removed_can_still_be_read,
        a_refused_session_is_not_announced,
        calls_run_no_hook,
        a_closed_resumption_serves_tickets_only,
    ]);
}

/// What watchers are told, in a word each.
fn watched(resumption: &Resumption) -> Receiver<String> {
    let (tell, told) = channel();
    resumption.watch(move |change| {
        let word = match change {
            SessionChange::Stored { encoded, scope, .. } => {
                assert!(SslSession::from_der(encoded).is_ok());
                format!("stored {scope:?}")
            }
            SessionChange::Removed { .. } => "removed".to_owned(),
            SessionChange::Revoked { scope, .. } => format!("revoked {scope:?}"),
            other => format!("{other:?}"),
        };
        tell.send(word).unwrap();
    });
    told
}

#[test]
fn watchers_are_told_what_is_stored_removed_and_revoked() {
    for kind in Mechanism::ALL {
        let resumption = common::resumption(kind);
        let scope = Scope::new("watched");
        let mut builder = common::server_builder(b"");
        resumption.install_scoped(&mut builder, &scope).unwrap();
        let server = builder.build();
        let told = watched(&resumption);
        let take = || told.try_iter().collect::<Vec<_>>();
        let client = Client::new(kind);
        let mut connection = client.connect(&server);
        let stored = format!("stored {scope:?}");
        let sessions = match kind {
            Mechanism::Tls12Id => 1,
            // Two tickets.
            Mechanism::Tls13Stateful => 2,
            Mechanism::Tls12Ticket | Mechanism::Tls13Ticket => 0,
        };
        assert_eq!(take(), vec![stored; sessions], "{kind:?}");
        connection.rude = true;
        drop(connection);
        assert_eq!(take(), vec!["removed"; sessions.min(1)], "{kind:?}");
        resumption.revoke(&scope);
        resumption.revoke_all();
        let revoked = [Some(&scope), None].map(|scope| format!("revoked {scope:?}"));
        assert_eq!(take(), revoked, "{kind:?}");
        // What comes from elsewhere is not told.
        resumption.revoke_from_elsewhere(None, Duration::from_secs(1));
        assert_eq!(take(), [""; 0], "{kind:?}");
    }
}
