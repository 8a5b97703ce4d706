//! What watchers are told, in which order, and what they cannot break.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rekindle::openssl::{Resumption, Scope, SessionChange};
use rekindle::{Cache, SessionId, Time};

use crate::common::{self, Client, Mechanism};
use crate::flight::Flight;
use crate::machine::{HOUR, Machine, scope};
use crate::told::quiet_watchers;

/// A change as a watcher was told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Stored(SessionId, Time),
    Removed(SessionId, Time),
    Revoked(Option<Scope>, Duration),
}

impl Told {
    fn of(change: &SessionChange<'_>) -> Self {
        match change {
            SessionChange::Stored { id, expires_at, .. } => Self::Stored(**id, *expires_at),
            SessionChange::Removed { id, expires_at, .. } => Self::Removed(**id, *expires_at),
            SessionChange::Revoked { scope, at, .. } => Self::Revoked(scope.copied(), *at),
            other => panic!("{other:?}"),
        }
    }
}

fn told(resumption: &Resumption) -> Receiver<Told> {
    let (tell, told) = channel();
    resumption.watch(move |change| tell.send(Told::of(change)).unwrap());
    told
}

fn all(told: &Receiver<Told>) -> Vec<Told> {
    told.try_iter().collect()
}

#[test]
fn each_session_that_is_stored_is_told_as_it_is_in_the_cache() {
    for kind in Mechanism::STATEFUL {
        let machine = Machine::new(kind);
        let told = told(&machine.resumption);
        let client = Client::new(kind);
        client.connect(&machine.server());
        assert!(client.reconnect(&machine.server()).resumed());
        let content = machine.content();
        let mut expected: Vec<_> = (content.iter())
            .map(|(id, _, expires_at)| Told::Stored(*id, *expires_at))
            .collect();
        let mut got = all(&told);
        let key = |told: &Told| format!("{told:?}");
        expected.sort_by_key(key);
        got.sort_by_key(key);
        assert_eq!(got, expected, "{kind:?}");
        // Bytes and scope.
        let mut stored = machine.stored();
        stored.sort_by_key(|one| one.id);
        for (one, (id, encoded, _)) in stored.iter().zip(&content) {
            assert_eq!((&one.id, &one.encoded), (id, encoded));
            assert_eq!(one.scope, scope());
        }
        assert_eq!(stored.len(), content.len());
    }
}

/// The connection that resumes a session of single use removes it, then stores others.
#[test]
fn a_session_that_is_taken_is_told_before_those_in_its_place() {
    let kind = Mechanism::Tls13Stateful;
    for early in [false, true] {
        let machine = Machine::configured(kind, |builder| {
            let accept = rekindle::openssl::EarlyData::up_to(1_000);
            builder.single_use(!early).early_data(accept)
        });
        let (client, stored) = machine.visited(kind);
        let (_, _, end) = machine.content()[0];
        let told = told(&machine.resumption);
        let (server, session) = (machine.server(), client.session());
        if early {
            let flight = Flight::new(&client, &session, None);
            assert!(flight.complete(&server).unwrap().accepted());
        } else {
            assert!(client.offer(&server, &session).resumed());
        }
        let got = all(&told);
        assert_eq!(got[0], Told::Removed(stored.id, end), "{early}");
        let is_of = |told: &&Told| match told {
            Told::Stored(id, _) | Told::Removed(id, _) => *id == stored.id,
            Told::Revoked(..) => true,
        };
        assert_eq!(got.iter().filter(is_of).count(), 1, "{got:?}");
        assert!(matches!(got[1], Told::Stored(..)), "{got:?}");
        // It is not there to be taken again.
        assert!(!client.offer(&server, &session).resumed());
        let removed = all(&told);
        let is_removed = |told: &Told| matches!(told, Told::Removed(..));
        assert!(!removed.iter().any(is_removed), "{removed:?}");
    }
}

#[test]
fn a_session_whose_connection_fails_is_told_and_one_that_is_kept_is_not() {
    for kind in Mechanism::STATEFUL {
        for keeps in [false, true] {
            let machine = Machine::configured(kind, |builder| builder.keep_sessions(keeps));
            let client = Client::new(kind);
            let mut connection = client.connect(&machine.server());
            let id = machine.stored().pop().unwrap().id;
            let end = (machine.resumption.cache()).peek(&id, |_, _, end| end);
            let told = told(&machine.resumption);
            connection.rude = true;
            drop(connection);
            let expected = match keeps {
                false => vec![Told::Removed(id, end.unwrap())],
                true => Vec::new(),
            };
            assert_eq!(all(&told), expected, "{kind:?}, {keeps}");
        }
    }
}

#[test]
fn revocations_are_told_with_the_time_of_day() {
    let machine = Machine::new(Mechanism::Tls12Id);
    let told = told(&machine.resumption);
    let unix = || rekindle::Clock::unix_time(&*machine.clock);
    let first = unix();
    machine.resumption.revoke(&scope());
    machine.clock.pass(HOUR);
    machine.resumption.revoke_all();
    let expected = [
        Told::Revoked(Some(scope()), first),
        Told::Revoked(None, first + HOUR),
    ];
    assert_eq!(all(&told), expected);
}

/// Only what handshakes of this machine do, and what its program revokes, is for other machines.
#[test]
fn nothing_else_is_told() {
    for kind in Mechanism::STATEFUL {
        let few = common::cache(Cache::builder().capacity(7));
        let machine = Machine::configured(kind, |builder| builder.cache(few));
        let (_, guest) = Machine::new(kind).visited(kind);
        let (client, stored) = machine.visited(kind);
        let told = told(&machine.resumption);
        let (cache, resumption) = (machine.resumption.cache(), &machine.resumption);
        // What comes from elsewhere.
        assert!(machine.insert(&guest).unwrap());
        assert!(!machine.insert(&guest).unwrap());
        assert!(
            resumption
                .insert_from_elsewhere(&SessionId::new(b"x").unwrap(), b"x", Time::NEVER)
                .is_err()
        );
        resumption.revoke_from_elsewhere(None, HOUR);
        resumption.revoke_from_elsewhere(Some(&scope()), HOUR);
        resumption.extend_revocation(Some(&scope()), HOUR);
        // Lookups and full handshakes that store nothing are no change.
        if kind == Mechanism::Tls12Id {
            assert!(client.reconnect(&machine.server()).resumed());
        }
        // The program's own calls.
        let session = cache.get_session(&stored.id).unwrap();
        assert!(cache.remove(&stored.id));
        cache.insert_session(&stored.id, session).unwrap();
        assert!(cache.take_session(&stored.id).is_some());
        assert!(cache.clear() > 0);
        assert_eq!(all(&told), [], "{kind:?}");
        // Evictions: of those that were stored, few are there.
        for _ in 0..30 {
            Client::new(kind).connect(&machine.server());
        }
        let is_stored = |told: &Told| matches!(told, Told::Stored(..));
        let got = all(&told);
        assert!(got.len() >= 30 && got.iter().all(is_stored), "{kind:?}");
        assert!(cache.len() <= 7 && cache.stats().evicted.unused > 0);
        // What the cache does not take, and what comes after the end.
        resumption.close();
        Client::new(kind).connect(&machine.server());
        assert_eq!(all(&told), [], "{kind:?}");
    }
}

#[test]
fn a_session_that_expires_is_not_told() {
    for kind in Mechanism::STATEFUL {
        let machine = Machine::new(kind);
        let (client, _) = machine.visited(kind);
        let told = told(&machine.resumption);
        machine.clock.pass(Duration::from_secs(8 * 86_400));
        for _ in 0..60 {
            machine.resumption.maintain().unwrap();
        }
        assert!(machine.resumption.cache().is_empty());
        assert_eq!(all(&told), [], "{kind:?}");
        drop(client);
    }
}

#[test]
fn a_session_that_the_cache_refuses_is_not_told() {
    let small = common::cache(Cache::builder().capacity(10).max_encoded_len(1));
    let kind = Mechanism::Tls12Id;
    let machine = Machine::configured(kind, |builder| builder.cache(small));
    let told = told(&machine.resumption);
    Client::new(kind).connect(&machine.server());
    assert_eq!(all(&told), []);
}

#[test]
fn several_watchers_are_told_in_the_order_in_which_they_came() {
    let machine = Machine::new(Mechanism::Tls12Id);
    let (tell, told) = channel();
    for number in 0..3 {
        let tell = tell.clone();
        (machine.resumption).watch(move |change| tell.send((number, Told::of(change))).unwrap());
    }
    Client::new(Mechanism::Tls12Id).connect(&machine.server());
    machine.resumption.revoke_all();
    let told: Vec<_> = told.try_iter().collect();
    let numbers: Vec<_> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2]);
    for of_one_change in told.chunks(3) {
        assert!(
            of_one_change
                .iter()
                .all(|(_, told)| *told == of_one_change[0].1)
        );
    }
}

#[test]
fn a_watcher_that_panics_keeps_nothing_from_the_others() {
    quiet_watchers();
    for kind in Mechanism::STATEFUL {
        let machine = Machine::configured(kind, |builder| builder.single_use(true));
        let before = told(&machine.resumption);
        machine.resumption.watch(|_| panic!("a watcher"));
        let behind = told(&machine.resumption);
        let client = Client::new(kind);
        client.connect(&machine.server());
        let mut again = client.reconnect(&machine.server());
        assert!(again.resumed(), "{kind:?}");
        again.rude = true;
        drop(again);
        machine.resumption.revoke(&scope());
        machine.resumption.revoke_all();
        let got = all(&behind);
        assert_eq!(all(&before), got, "{kind:?}");
        let count = |is: fn(&Told) -> bool| got.iter().filter(|told| is(told)).count();
        assert!(count(|told| matches!(told, Told::Stored(..))) > 0);
        assert!(count(|told| matches!(told, Told::Removed(..))) > 0);
        assert_eq!(count(|told| matches!(told, Told::Revoked(..))), 2);
    }
}

/// It adds others, which have their turn at the next change.
#[test]
fn a_watcher_may_call_what_it_watches() {
    let machine = Arc::new(Machine::new(Mechanism::Tls12Id));
    let (of_watcher, calls) = (Arc::downgrade(&machine), Arc::new(AtomicUsize::new(0)));
    let counts = Arc::clone(&calls);
    fn adds_itself(machine: &std::sync::Weak<Machine>, calls: &Arc<AtomicUsize>) {
        calls.fetch_add(1, Ordering::Relaxed);
        let Some(machine) = machine.upgrade() else {
            return;
        };
        machine.resumption.revoke_from_elsewhere(None, HOUR);
        machine.resumption.cache().clear();
        let (of_watcher, counts) = (Arc::downgrade(&machine), Arc::clone(calls));
        (machine.resumption).watch(move |_| adds_itself(&of_watcher, &counts));
    }
    (machine.resumption).watch(move |_| adds_itself(&of_watcher, &counts));
    for expected in [1, 3, 7] {
        machine.resumption.revoke_all();
        assert_eq!(calls.load(Ordering::Relaxed), expected);
    }
}

/// Its own handshake waits for it, and no other one.
#[test]
fn a_watcher_that_is_slow_keeps_its_own_handshake_waiting_alone() {
    let kind = Mechanism::Tls12Id;
    let machine = Machine::new(kind);
    let (client, _) = machine.visited(kind);
    let (reached, is_reached) = channel();
    let (go_on, goes_on) = channel::<()>();
    let (reached, goes_on) = (Mutex::new(reached), Mutex::new(goes_on));
    let is_first = AtomicUsize::new(0);
    machine.resumption.watch(move |_| {
        if is_first.fetch_add(1, Ordering::SeqCst) == 0 {
            reached.lock().unwrap().send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
        }
    });
    thread::scope(|threads| {
        let waits = threads.spawn(|| {
            Client::new(kind).connect(&machine.server());
        });
        is_reached.recv().unwrap();
        // Others resume, are stored, and are told.
        assert!(client.reconnect(&machine.server()).resumed());
        Client::new(kind).connect(&machine.server());
        machine.resumption.revoke_all();
        assert!(!waits.is_finished());
        go_on.send(()).unwrap();
        waits.join().unwrap();
    });
}

/// Eight clients that come back all the time: what was told adds up to what the cache holds, and no
/// session is removed before it is stored.
#[test]
fn under_load_what_is_told_adds_up() {
    let kind = Mechanism::Tls13Stateful;
    let machine = Machine::configured(kind, |builder| builder.single_use(true));
    let told = told(&machine.resumption);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let (client, server) = (Client::new(kind), machine.server());
                client.connect(&server);
                for _ in 0..10 {
                    assert!(client.reconnect(&server).resumed());
                }
            });
        }
    });
    let mut there = HashSet::new();
    let (mut stored, mut removed) = (0, 0);
    for told in all(&told) {
        match told {
            Told::Stored(id, _) => {
                assert!(there.insert(id), "stored twice");
                stored += 1;
            }
            Told::Removed(id, _) => {
                assert!(there.remove(&id), "removed before it was stored");
                removed += 1;
            }
            Told::Revoked(..) => unreachable!(),
        }
    }
    assert_eq!((stored, removed), (8 * 12, 8 * 10));
    let content: HashSet<_> = machine.content().iter().map(|(id, ..)| *id).collect();
    assert_eq!(there, content);
}

#[test]
fn a_change_shows_no_secrets() {
    let machine = Machine::new(Mechanism::Tls12Id);
    let (tell, shown) = channel();
    (machine.resumption).watch(move |change| tell.send(format!("{change:?}")).unwrap());
    Client::new(Mechanism::Tls12Id).connect(&machine.server());
    let shown: Vec<_> = shown.try_iter().collect();
    assert!(shown[0].starts_with("Stored(SessionId("), "{shown:?}");
    assert!(shown[0].len() < 100, "{shown:?}");
    let stored = machine.stored().pop().unwrap();
    let secret = format!("{:?}", &stored.encoded[40..60]);
    assert!(!shown[0].contains(&secret[1..secret.len() - 1]));
}

#[test]
fn watchers_are_told_alike_however_sessions_are_stored() {
    common::with_other_storages(&[
        each_session_that_is_stored_is_told_as_it_is_in_the_cache,
        a_session_that_is_taken_is_told_before_those_in_its_place,
        a_session_whose_connection_fails_is_told_and_one_that_is_kept_is_not,
        nothing_else_is_told,
        a_session_that_expires_is_not_told,
        under_load_what_is_told_adds_up,
    ]);
}
