//! Each flight is accepted once: one after another, in parallel, altered, and long afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rekindle::openssl::{EarlyData, EarlyDataStatus};

use crate::clock::clock;
use crate::common::{Client, Pipe, server};
use crate::flight::{Delivered, Flight, WAYS, configured, counted, pass, visited};

#[test]
fn a_flight_is_accepted_once() {
    for kind in WAYS {
        let (resumption, server, client) = visited(kind, &clock());
        let flight = Flight::of(&client);
        assert!(
            Delivered::to(&server, &flight.bytes).unwrap().accepted(),
            "{kind:?}"
        );
        for _ in 0..3 {
            assert!(
                !Delivered::to(&server, &flight.bytes).unwrap().accepted(),
                "{kind:?}"
            );
        }
        // A session of the cache is gone: its flights do not get as far as to be judged.
        let refused = resumption.early_data_stats();
        assert_eq!(refused.accepted, 1, "{kind:?}");
        if kind.stateless() {
            assert_eq!(refused.replayed, 3);
        }
    }
}

/// The client notices a round trip, and nothing else.
#[test]
fn a_refused_flight_resumes_all_the_same() {
    for kind in WAYS {
        let (resumption, server, client) = visited(kind, &clock());
        let flight = Flight::of(&client);
        assert!(Delivered::to(&server, &flight.bytes).unwrap().accepted());
        // Of the two deliveries the client's own came second.
        let came = flight.complete(&server).unwrap();
        assert_eq!(came.status, EarlyDataStatus::Rejected, "{kind:?}");
        assert_eq!(came.resumed, kind.stateless(), "{kind:?}");
        let what = if kind.stateless() {
            "replayed"
        } else {
            "not_resumed"
        };
        assert_eq!(counted(&resumption), [("accepted", 1), (what, 1)]);
    }
}

#[test]
fn an_accepted_flight_is_early_until_the_handshake_is_complete() {
    for kind in WAYS {
        let (resumption, server, client) = visited(kind, &clock());
        let flight = Flight::of(&client);
        let early = Delivered::to(&server, &flight.bytes).unwrap();
        assert_eq!(early.status, EarlyDataStatus::Accepted, "{kind:?}");
        client.connect(&server);
        let came = Flight::of(&client).complete(&server).unwrap();
        assert!(came.accepted() && came.resumed, "{kind:?}");
        assert_eq!(came.status, EarlyDataStatus::Completed, "{kind:?}");
        assert_eq!(counted(&resumption), [("accepted", 2)], "{kind:?}");
        let without = client.reconnect(&server);
        let status = rekindle::openssl::Resumption::early_data_status(without.server.ssl());
        assert_eq!(status, EarlyDataStatus::NotSent, "{kind:?}");
    }
}

/// What tells flights apart is the client's random bytes, which the binder covers as it does all
/// that is before it: no change of a flight makes another one of it.
#[test]
fn a_flight_with_any_byte_changed_is_not_accepted() {
    let (resumption, server, client) = visited(WAYS[0], &clock());
    let flight = Flight::of(&client).bytes;
    let hello = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
    // The header of the record is not part of the ClientHello.
    for at in 5..hello {
        let mut changed = flight.clone();
        changed[at] ^= 1;
        let accepted = Delivered::to(&server, &changed).is_ok_and(|came| came.accepted());
        assert!(!accepted, "byte {at}");
    }
    assert_eq!(resumption.early_data_stats().accepted, 0);
    assert!(Delivered::to(&server, &flight).unwrap().accepted());
    // No two flights of one session have the same.
    let random = |flight: &[u8]| flight[11..43].to_vec();
    let another = Flight::of(&client).bytes;
    assert_ne!(random(&flight), random(&another));
    assert!(Delivered::to(&server, &another).unwrap().accepted());
}

#[test]
fn of_eight_threads_that_deliver_one_flight_one_has_it_accepted() {
    for kind in WAYS {
        let (resumption, server, client) = visited(kind, &clock());
        for round in 1..=20 {
            let flight = Flight::of(&client).bytes;
            let accepted = AtomicUsize::new(0);
            thread::scope(|threads| {
                let deliver = || {
                    let came = Delivered::to(&server, &flight).unwrap();
                    accepted.fetch_add(came.accepted().into(), Ordering::Relaxed);
                };
                // Joined one by one: see `tests/strikes.rs`.
                let running = [(); 8].map(|()| threads.spawn(deliver));
                for thread in running {
                    thread.join().unwrap();
                }
            });
            assert_eq!(accepted.into_inner(), 1, "{kind:?}");
            assert_eq!(resumption.early_data_stats().accepted, round, "{kind:?}");
            client.connect(&server);
        }
    }
}

/// By then, OpenSSL takes it for too old.
#[test]
fn a_flight_is_not_accepted_when_it_has_been_forgotten() {
    let clock = clock();
    let (resumption, server, client) = visited(WAYS[0], &clock);
    let flight = Flight::of(&client).bytes;
    assert!(Delivered::to(&server, &flight).unwrap().accepted());
    for _ in 0..60 {
        pass(&clock, 1);
        resumption.maintain().unwrap();
        assert!(!Delivered::to(&server, &flight).unwrap().accepted());
    }
}

/// There is room for 30 flights, and for up to four times as many. Few more are sent: OpenSSL takes
/// each for ten seconds only, by its own clock.
#[test]
fn what_cannot_be_remembered_is_refused() {
    const ALL: u64 = 140;
    let clock = clock();
    let few = EarlyData::up_to(1_000).flights_per_second(1);
    let resumption = configured(WAYS[0], &clock, |builder| builder.early_data(few));
    let (server, client) = (server(&resumption), Client::new(WAYS[0]));
    client.connect(&server);
    let flights: Vec<_> = (0..ALL).map(|_| Flight::of(&client).bytes).collect();
    let deliver = || {
        let accepted = |flight: &&Vec<u8>| Delivered::to(&server, flight).unwrap().accepted();
        flights.iter().filter(accepted).count() as u64
    };
    let first = deliver();
    assert!((60..=121).contains(&first), "{first}");
    // Of those that were refused for want of room, none is there; the others have been seen.
    assert_eq!(deliver(), 0);
    let stats = resumption.early_data_stats();
    assert_eq!(stats.accepted, first);
    assert_eq!(stats.replayed, first);
    assert_eq!(stats.full, 2 * (ALL - first));
    // Time makes room.
    pass(&clock, 31);
    client.connect(&server);
    assert!(
        Delivered::to(&server, &Flight::of(&client).bytes)
            .unwrap()
            .accepted()
    );
}

/// OpenSSL keeps what it has found out of an age when a handshake begins anew on one object.
#[test]
#[allow(unsafe_code)]
fn a_connection_object_that_is_used_again_accepts_no_old_flight() {
    use foreign_types_shared::ForeignTypeRef;
    use openssl::ssl::{Ssl, SslStream};

    unsafe extern "C" {
        fn SSL_clear(ssl: *mut openssl_sys::SSL) -> std::ffi::c_int;
    }
    let clock = clock();
    let (resumption, server, client) = visited(WAYS[0], &clock);
    let old = Flight::of(&client).bytes;
    assert!(Delivered::to(&server, &old).unwrap().accepted());
    pass(&clock, 40);
    for _ in 0..60 {
        resumption.maintain().unwrap();
    }
    client.connect(&server);
    let mut fresh = Flight::of(&client).bytes;
    let hello = 5 + usize::from(u16::from_be_bytes([fresh[3], fresh[4]]));
    fresh[hello - 1] ^= 1;

    let (near, far) = Pipe::pair();
    near.outgoing.borrow_mut().extend(&fresh);
    let mut ssl = Ssl::new(&server).unwrap();
    ssl.set_accept_state();
    let mut stream = SslStream::new(ssl, far).unwrap();
    let mut buffer = [0; 100];
    assert!(
        stream.read_early_data(&mut buffer).is_err(),
        "a wrong binder"
    );
    near.incoming.borrow_mut().clear();
    stream.get_ref().incoming.borrow_mut().clear();
    // SAFETY: a live connection, whose handshake has failed.
    assert_eq!(unsafe { SSL_clear(stream.ssl().as_ptr()) }, 1);
    near.outgoing.borrow_mut().extend(&old);
    let _ = stream.read_early_data(&mut buffer);
    assert_eq!(resumption.early_data_stats().accepted, 1);
}

/// Another process may have a copy of it.
#[test]
fn a_session_that_was_put_into_the_cache_from_elsewhere_gets_none() {
    let (resumption, server, client) = visited(WAYS[1], &clock());
    let flight = Flight::of(&client);
    let copies: Vec<_> = {
        let guard = resumption.cache().pin();
        let copy = |view: rekindle::EntryView<'_, _>| (*view.id(), view.encoded().to_vec());
        guard.iter().map(copy).collect()
    };
    for (id, der) in copies {
        let copy = openssl::ssl::SslSession::from_der(&der).unwrap();
        resumption.cache().insert_session(&id, copy).unwrap();
    }
    let came = flight.complete(&server).unwrap();
    assert!(!came.accepted() && came.resumed);
    assert_eq!(counted(&resumption), [("foreign", 1)]);
}

/// A program that shares sessions puts one back at each lookup.
#[test]
fn a_session_that_a_hook_puts_back_accepts_a_flight_once() {
    let (resumption, server, client) = visited(WAYS[1], &clock());
    let flight = Flight::of(&client).bytes;
    assert!(Delivered::to(&server, &flight).unwrap().accepted());
    let (cache, session) = (Arc::clone(resumption.cache()), client.session());
    let der = session.to_der().unwrap();
    resumption.hooks().add(move |event, id| {
        if event == rekindle::hooks::SessionEvent::Get {
            let session = openssl::ssl::SslSession::from_der(&der).unwrap();
            cache.insert_session(id, session).unwrap();
        }
    });
    for _ in 0..3 {
        let again = Delivered::to(&server, &flight);
        assert!(!again.is_ok_and(|came| came.accepted()));
    }
    assert_eq!(resumption.early_data_stats().accepted, 1);
}
