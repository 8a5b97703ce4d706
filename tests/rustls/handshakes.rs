//! Whole handshakes: sessions of the store and tickets resume, in the scope and for the time that
//! they are meant for.

use std::io::Read;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use rekindle::hooks::SessionEvent;
use rekindle::rustls::{BuildError, Resumption, Scope};
use rekindle::tickets::{TicketPolicy, TicketRing, TicketSecret};
use rekindle::{Cache, Clock, ManualClock};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

use crate::peers::{Identity, VERSIONS, feed, talk};

const HOUR: Duration = Duration::from_secs(3_600);

fn shop() -> Scope {
    Scope::new("shop.example")
}

fn resumption() -> Resumption {
    Resumption::builder().sessions(1_000).build().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Store,
    Tickets,
    Both,
}

const WAYS: [Way; 3] = [Way::Store, Way::Tickets, Way::Both];

fn server(
    identity: &Identity,
    resumption: &Resumption,
    scope: &Scope,
    way: Way,
    clock: Option<Arc<dyn Clock>>,
) -> Arc<ServerConfig> {
    let store = (way != Way::Tickets).then(|| resumption.store(scope) as _);
    let ticketer = (way != Way::Store).then(|| resumption.ticketer(scope) as _);
    Arc::new(identity.server(store, ticketer, clock))
}

#[test]
fn sessions_and_tickets_resume_in_both_versions() {
    let identity = Identity::new();
    for version in VERSIONS {
        for way in WAYS {
            let resumption = resumption();
            let server = server(&identity, &resumption, &shop(), way, None);
            let client = identity.client(version);
            assert_eq!(client.visit(&server), HandshakeKind::Full);
            for _ in 0..5 {
                assert!(client.is_resumed(&server), "{version:?} {way:?}");
            }
            let (store, tickets) = (resumption.store_stats(), resumption.ticket_stats());
            let stored = if version == &TLS13 {
                store.taken
            } else {
                store.hits
            };
            let of_tickets = way != Way::Store;
            assert_eq!(
                (tickets.opened, stored),
                if of_tickets { (5, 0) } else { (0, 5) }
            );
            assert_eq!(
                (store.refused, tickets.not_sealed, tickets.bad_mac),
                (0, 0, 0)
            );
        }
    }
}

#[test]
fn neither_sessions_nor_tickets_cross_to_another_scope() {
    let identity = Identity::new();
    for version in VERSIONS {
        for way in WAYS {
            let resumption = resumption();
            let [ours, theirs] = [shop(), Scope::new("admin.example")]
                .map(|scope| server(&identity, &resumption, &scope, way, None));
            let client = identity.client(version);
            client.visit(&ours);
            // Both clients have the session now; one of them asks the wrong server.
            let stranger = client.clone();
            assert_eq!(
                stranger.visit(&theirs),
                HandshakeKind::Full,
                "{version:?} {way:?}"
            );
            if way == Way::Store {
                assert_eq!(resumption.store_stats().taken, 0, "it is still there");
            } else {
                assert_eq!(resumption.ticket_stats().bad_mac, 1);
            }
        }
    }
}

#[test]
fn a_session_ends_with_its_timeout_and_a_ticket_with_its_lifetime() {
    let identity = Identity::new();
    for version in VERSIONS {
        for (way, ended) in [(Way::Store, 0), (Way::Tickets, 1)] {
            let clock = Arc::new(ManualClock::new());
            let policy = TicketPolicy::default().period(10 * HOUR).lifetime(2 * HOUR);
            let ring = TicketRing::builder().policy(policy).clock(clock.clone());
            let cache = Cache::builder().capacity(100).clock(clock.clone());
            let resumption = Resumption::builder()
                .cache(Arc::new(cache.build().unwrap()))
                .ticket_ring(Arc::new(ring.build().unwrap()))
                .session_timeout(2 * HOUR);
            let resumption = resumption.build().unwrap();
            let server = server(&identity, &resumption, &shop(), way, Some(clock.clone()));
            let second = Duration::from_secs(1);
            for (waits, resumes) in [(2 * HOUR - second, true), (2 * HOUR + second, false)] {
                let client = identity.client(version);
                client.visit(&server);
                clock.advance(waits);
                assert_eq!(
                    client.is_resumed(&server),
                    resumes,
                    "{version:?} {way:?} {waits:?}"
                );
            }
            assert_eq!(resumption.ticket_stats().expired, ended);
        }
    }
}

#[test]
fn tickets_of_earlier_keys_open_until_their_end_and_count_as_renewed() {
    let identity = Identity::new();
    let clock = Arc::new(ManualClock::new());
    let policy = TicketPolicy::default().period(HOUR).lifetime(2 * HOUR);
    let ring = TicketRing::builder().policy(policy).clock(clock.clone());
    let ring = Arc::new(ring.build().unwrap());
    let resumption = Resumption::builder().ticket_ring(ring).build().unwrap();
    let server = server(
        &identity,
        &resumption,
        &shop(),
        Way::Tickets,
        Some(clock.clone()),
    );
    let client = identity.client(&TLS12);
    client.visit(&server);
    clock.advance(HOUR + HOUR / 2);
    resumption.maintain().unwrap();
    assert!(client.is_resumed(&server));
    let stats = resumption.ticket_stats();
    assert_eq!((stats.opened, stats.renewed), (0, 1));
    clock.advance(3 * HOUR);
    resumption.maintain().unwrap();
    assert!(!client.is_resumed(&server));
    assert_eq!(resumption.ticket_stats().retired_key, 1);
}

#[test]
fn machines_with_one_secret_open_each_others_tickets() {
    let identity = Identity::new();
    let secret = TicketSecret::random(HOUR, None).unwrap();
    let clock = Arc::new(ManualClock::new());
    let machine = || {
        let ring = TicketRing::builder().secret(&secret).clock(clock.clone());
        let builder = Resumption::builder().ticket_ring(Arc::new(ring.build().unwrap()));
        builder.build().unwrap()
    };
    let machines = [machine(), machine(), resumption()];
    let [one, other, stranger] = machines.each_ref().map(|resumption| {
        let clock = Some(clock.clone() as _);
        server(&identity, resumption, &shop(), Way::Tickets, clock)
    });
    for version in VERSIONS {
        let client = identity.client(version);
        client.visit(&one);
        assert!(client.is_resumed(&other));
        assert!(!client.is_resumed(&stranger));

        let client = identity.client(version);
        client.visit(&one);
        clock.advance(HOUR);
        for machine in &machines {
            machine.maintain().unwrap();
        }
        assert!(client.is_resumed(&other), "across a rotation");
    }
    assert_eq!(machines[1].ticket_stats().renewed, 2);
}

/// rustls gives early data only with a store and without tickets: each session is given out once.
#[test]
fn of_two_equal_early_flights_one_is_accepted() {
    let identity = Identity::new();
    for round in 0..50 {
        let resumption = resumption();
        let store = resumption.store(&shop());
        let mut config = identity.server(Some(store), None, None);
        config.max_early_data_size = 1_024;
        config.send_tls13_tickets = 1;
        let server = Arc::new(config);
        let client = identity.client(&TLS13);
        client.visit(&server);
        let mut connection = client.connection();
        let mut early = connection.early_data().expect("a session that allows it");
        std::io::Write::write_all(&mut early, b"buy").unwrap();
        let mut flight = Vec::new();
        connection.write_tls(&mut flight).unwrap();
        // The same bytes at two connections, at the same time.
        let barrier = Barrier::new(2);
        let accepted: usize = thread::scope(|scope| {
            let send = || {
                let mut server = ServerConnection::new(Arc::clone(&server)).unwrap();
                barrier.wait();
                feed(&mut server, &flight);
                let mut bytes = [0; 3];
                let early = server.early_data();
                let read =
                    early.is_some_and(|mut early| early.read(&mut bytes).is_ok_and(|n| n > 0));
                usize::from(read && &bytes == b"buy")
            };
            let both = [(); 2].map(|()| scope.spawn(send));
            both.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(accepted, 1, "round {round}");
        assert_eq!(resumption.store_stats().taken, 1);
    }
}

#[test]
fn hooks_see_what_handshakes_do() {
    let identity = Identity::new();
    let resumption = resumption();
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    resumption
        .hooks()
        .add(move |event, _| seen.lock().unwrap().push(event));
    // The end of the hooks' run, not of the handshake.
    resumption.hooks().add(|_, _| panic!("a hook"));
    let server = server(&identity, &resumption, &shop(), Way::Store, None);
    let client = identity.client(&TLS13);
    client.visit(&server);
    assert!(client.is_resumed(&server));
    let events = events.lock().unwrap().clone();
    let taken = [SessionEvent::Get, SessionEvent::Remove];
    assert!(events.windows(2).any(|pair| pair == taken), "{events:?}");
    assert!(
        events
            .iter()
            .filter(|event| **event == SessionEvent::New)
            .count()
            >= 2
    );
}

#[test]
fn a_session_outlives_a_connection_that_breaks_off() {
    let identity = Identity::new();
    let resumption = resumption();
    let server_config = server(&identity, &resumption, &shop(), Way::Store, None);
    let client = identity.client(&TLS12);
    let mut connection = client.connection();
    let mut server = ServerConnection::new(Arc::clone(&server_config)).unwrap();
    talk(&mut connection, &mut server);
    drop(server);
    assert!(client.is_resumed(&server_config));
}

#[test]
fn what_cannot_be_built_says_why() {
    let error = |builder: rekindle::rustls::ResumptionBuilder| builder.build().unwrap_err();
    for timeout in [Duration::ZERO, 24 * HOUR + Duration::from_nanos(1)] {
        let error = error(Resumption::builder().session_timeout(timeout));
        assert!(matches!(error, BuildError::SessionTimeout(_)), "{error}");
    }
    let ring = Arc::new(TicketRing::random().unwrap());
    let both = Resumption::builder()
        .ticket_ring(ring)
        .ticket_policy(TicketPolicy::default());
    assert!(matches!(error(both), BuildError::ConflictingTicketKeys));
    assert!(matches!(
        error(Resumption::builder().sessions(0)),
        BuildError::Cache(_)
    ));
}
