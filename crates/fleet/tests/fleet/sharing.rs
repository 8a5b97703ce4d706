//! What one machine has made, the others resume; what one has ended, they do not.

use std::time::Duration;

use rekindle::openssl::Resumption;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rekindle_fleet::{FleetBuilder, MemoryStore, Sharing};

use crate::common::{Client, Mechanism};
use crate::host::{Given, Host, LIFETIME, scope, secret};
use crate::servers::{RedisServer, is_skipped, store_of};

/// Makes a machine of a fleet.
type Hosts<'h> = &'h dyn Fn(&dyn Fn(FleetBuilder) -> FleetBuilder) -> Host;

/// Of sessions of each kind, over a store in memory, and over a real one: empty each time.
fn with_stores(test: impl Fn(Mechanism, Hosts<'_>)) {
    for kind in Mechanism::STATEFUL {
        let memory = MemoryStore::new();
        test(kind, &|set| Host::with(kind, memory.clone(), set));
    }
    if is_skipped() {
        return;
    }
    let server = RedisServer::start();
    for kind in Mechanism::STATEFUL {
        server.ask(&["FLUSHALL"]);
        test(kind, &|set| Host::with(kind, store_of(&server), set));
    }
}

/// In each way to share.
fn in_each_way(test: impl Fn(Mechanism, Sharing, &dyn Fn() -> Host)) {
    for sharing in [Sharing::Replicate, Sharing::Fetch, Sharing::Both] {
        with_stores(|kind, host| {
            let deadline = Duration::from_secs(10);
            let set = |fleet: FleetBuilder| fleet.sharing(sharing).fetch_deadline(deadline);
            test(kind, sharing, &|| host(&set));
        });
    }
}

/// Waits until another machine can have a session.
fn reaches(given: &Given, from: &Host, to: &Host, sharing: Sharing) {
    from.has_told();
    if sharing == Sharing::Replicate {
        to.waits_for(given);
    }
}

#[test]
fn a_session_of_one_machine_resumes_on_all() {
    in_each_way(|kind, sharing, host| {
        let [a, b, c] = [(); 3].map(|()| host());
        let client = Client::new(kind);
        let given = a.connect(&client);
        [&b, &c]
            .into_iter()
            .for_each(|other| reaches(&given, &a, other, sharing));
        for other in [&b, &c] {
            let connection = other.offer(&client, &given);
            assert!(connection.resumed(), "{kind:?} {sharing:?}");
            assert_eq!(connection.resumed_by(), Some(kind.resumed_by()));
        }
        let stats = b.fleet.stats();
        assert!(stats.store_up, "{stats:?}");
        assert_eq!(
            (stats.refused_forged, stats.refused_cache),
            (0, 0),
            "{stats:?}"
        );
        if sharing == Sharing::Fetch {
            assert_eq!((stats.fetched, stats.replicated), (1, 0), "{stats:?}");
        }
        let stats = a.fleet.stats();
        // Of TLS 1.3, the others have made new ones.
        if kind == Mechanism::Tls12Id {
            assert_eq!(
                (stats.replicated, stats.fetched),
                (0, 0),
                "its own: {stats:?}"
            );
        }
    });
}

#[test]
fn a_session_that_fails_on_one_machine_ends_on_all() {
    in_each_way(|kind, sharing, host| {
        let [a, b, c] = [(); 3].map(|()| host());
        let client = Client::new(kind);
        let (mut connection, given) = a.open(&client);
        reaches(&given, &a, &b, sharing);
        assert!(b.resumes(&client, &given));
        // The client hangs up, and OpenSSL removes the session.
        connection.rude = true;
        drop(connection);
        assert!(!a.knows(&given));
        b.waits_for_end_of(&given);
        c.until(|| c.fleet.stats().endings_received > 0);
        for host in [&a, &b, &c] {
            assert!(!host.resumes(&client, &given), "{kind:?} {sharing:?}");
        }
    });
}

#[test]
fn a_session_for_one_use_is_used_up_on_all() {
    for sharing in [Sharing::Replicate, Sharing::Fetch, Sharing::Both] {
        let store = MemoryStore::new();
        let host = || {
            let resumption = Resumption::builder()
                .stateless_tickets(false)
                .single_use(true);
            let deadline = Duration::from_secs(10);
            let set = |fleet: FleetBuilder| fleet.sharing(sharing).fetch_deadline(deadline);
            Host::of(resumption.build().unwrap(), secret(), store.clone(), set)
        };
        let [a, b] = [(); 2].map(|()| host());
        let client = Client::new(Mechanism::Tls13Stateful);
        let given = a.connect(&client);
        reaches(&given, &a, &b, sharing);
        assert!(b.resumes(&client, &given));
        a.waits_for_end_of(&given);
        for host in [&a, &b] {
            assert!(!host.resumes(&client, &given), "{sharing:?}");
        }
    }
}

#[test]
fn sessions_that_are_revoked_on_one_machine_are_on_all() {
    for of_scope in [true, false] {
        in_each_way(|kind, sharing, host| {
            let [a, b, c] = [(); 3].map(|()| host());
            let client = Client::new(kind);
            let given = a.connect(&client);
            reaches(&given, &a, &c, sharing);
            match of_scope {
                true => b.resumption.revoke(&scope()),
                false => b.resumption.revoke_all(),
            }
            for other in [&a, &c] {
                other.until(|| other.fleet.stats().endings_received > 0);
            }
            for host in [&a, &b, &c] {
                assert!(!host.resumes(&client, &given), "{kind:?} {sharing:?}");
            }
            // What a machine makes afterwards resumes there.
            std::thread::sleep(Duration::from_millis(20));
            let again = b.connect(&client);
            assert!(b.resumes(&client, &again), "{kind:?} {sharing:?}");
        });
    }
}

#[test]
fn a_removal_that_the_program_asks_for_reaches_all() {
    in_each_way(|kind, sharing, host| {
        let [a, b] = [(); 2].map(|()| host());
        let client = Client::new(kind);
        let given = a.connect(&client);
        reaches(&given, &a, &b, sharing);
        b.fleet.remove(&given.id, LIFETIME);
        a.waits_for_end_of(&given);
        for host in [&a, &b] {
            assert!(!host.resumes(&client, &given), "{kind:?} {sharing:?}");
        }
    });
}

#[test]
fn a_machine_that_joins_reads_what_is_there_but_for_what_has_ended() {
    with_stores(|kind, host| {
        let a = host(&|fleet| fleet);
        let client = Client::new(kind);
        let mut given: Vec<_> = (0..300).map(|_| a.open(&client)).collect();
        let (mut connection, removed) = given.swap_remove(7);
        connection.rude = true;
        drop(connection);
        a.until(|| a.fleet.stats().endings_published > 0);
        a.has_told();
        let b = host(&|fleet| fleet);
        given.iter().for_each(|(_, given)| b.waits_for(given));
        assert!(!b.knows(&removed), "it was removed before");
        let stats = b.fleet.stats();
        assert!(stats.caught_up >= 299 && stats.replicated == 0, "{stats:?}");
        assert!(b.resumes(&client, &given[0].1));
    });
}

#[test]
fn a_machine_follows_its_own_scopes_and_those_that_come_later() {
    with_stores(|kind, host| {
        let a = host(&|fleet| fleet);
        let b = host(&|fleet| fleet.scopes([Scope::new("another.test")]));
        let c = host(&|fleet| fleet);
        let client = Client::new(kind);
        let given = a.connect(&client);
        c.waits_for(&given);
        assert!(!b.knows(&given));
        assert_eq!(
            b.fleet.stats().refused_forged,
            0,
            "it does not even read it"
        );
        b.fleet.set_scopes([scope()]);
        b.waits_for(&given);
    });
}

#[test]
fn another_secret_is_another_fleet() {
    if is_skipped() {
        return;
    }
    let server = RedisServer::start();
    let kind = Mechanism::Tls12Id;
    let a = Host::new(kind, store_of(&server));
    let resumption = Resumption::builder().stateless_tickets(false);
    let another = TicketSecret::random(secret().period(), None).unwrap();
    let b = Host::of(
        resumption.build().unwrap(),
        another,
        store_of(&server),
        |fleet| fleet,
    );
    let c = Host::new(kind, store_of(&server));
    let given = a.connect(&Client::new(kind));
    c.waits_for(&given);
    assert!(!b.knows(&given));
    assert_eq!(
        b.fleet.stats().refused_forged,
        0,
        "it does not know where to look"
    );
}

#[test]
fn a_session_ends_everywhere_when_its_time_is_over() {
    if is_skipped() {
        return;
    }
    let server = RedisServer::start();
    let kind = Mechanism::Tls13Stateful;
    let host = || {
        let timeout = Duration::from_secs(2);
        let resumption = Resumption::builder()
            .session_timeout(timeout)
            .stateless_tickets(false);
        Host::of(
            resumption.build().unwrap(),
            secret(),
            store_of(&server),
            |fleet| fleet,
        )
    };
    let [a, b] = [(); 2].map(|()| host());
    let client = Client::new(kind);
    let given = a.connect(&client);
    b.waits_for(&given);
    b.waits_for_end_of(&given);
    assert!(!b.resumes(&client, &given));
    // One that joins then has no use for it.
    let c = host();
    c.until(|| c.fleet.stats().refused_expired > 0);
    assert!(!c.knows(&given));
}
