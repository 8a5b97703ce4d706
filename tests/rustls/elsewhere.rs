//! Sessions that come from another machine: they resume, in their scope and until their end, but
//! never with early data, in this version of rustls and in the oldest one.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rekindle::resume::TlsLibrary;
use rekindle::rustls::{Resumption, Scope, SessionChange};
use rekindle::tickets::TicketRing;
use rekindle::{Cache, ManualClock, Refused, Time};
use rustls::server::StoresServerSessions;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

use crate::peers::{Client, Identity, VERSIONS, feed, move_bytes};
use crate::told::{Stored, Told, quiet_watchers};

const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(1);

fn scope() -> Scope {
    Scope::new("shop.example")
}

struct Machine {
    clock: Arc<ManualClock>,
    resumption: Resumption,
    told: Told,
}

impl Machine {
    fn new() -> Self {
        Self::with_cache(Cache::builder().capacity(1_000))
    }

    fn with_cache(cache: rekindle::CacheBuilder<()>) -> Self {
        let clock = Arc::new(ManualClock::new());
        // Later than all that is subtracted from it.
        clock.advance(Duration::from_secs(30 * 86_400));
        let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
        let cache = cache.clock(clock.clone()).build().unwrap();
        let resumption = Resumption::builder()
            .cache(Arc::new(cache))
            .ticket_ring(Arc::new(ring))
            .build()
            .unwrap();
        let told = Told::default();
        resumption.watch(told.watcher(TlsLibrary::Rustls, clock.clone()));
        Self {
            clock,
            resumption,
            told,
        }
    }

    /// A server that accepts early data.
    fn server(&self, identity: &Identity) -> Arc<ServerConfig> {
        self.server_of(identity, &scope())
    }

    fn server_of(&self, identity: &Identity, scope: &Scope) -> Arc<ServerConfig> {
        let store = self.resumption.store(scope);
        let mut config = identity.server(Some(store), None, Some(self.clock.clone()));
        config.max_early_data_size = 1_024;
        config.send_tls13_tickets = 1;
        config.into()
    }

    fn stored(&self) -> Vec<Stored> {
        self.told.take()
    }

    fn insert(&self, session: &Stored) -> Result<bool, Refused> {
        let end = self.resumption.cache().now().saturating_add(session.left);
        let (id, scope) = (&session.id, &session.scope);
        (self.resumption).insert_from_elsewhere(id, scope, &session.encoded, end)
    }
}

/// A client that has been at a machine, and its session.
fn visited(
    identity: &Identity,
    machine: &Machine,
    version: &'static rustls::SupportedProtocolVersion,
) -> (Client, Stored) {
    let client = identity.client(version);
    assert_eq!(client.visit(&machine.server(identity)), HandshakeKind::Full);
    let stored = machine.stored().pop();
    (client, stored.expect("a session"))
}

#[test]
fn a_session_of_one_machine_resumes_on_another_in_its_scope() {
    let identity = Identity::new();
    for version in VERSIONS {
        for (name, resumes) in [("shop.example", true), ("admin.example", false)] {
            let [here, there] = [(); 2].map(|()| Machine::new());
            let (client, stored) = visited(&identity, &here, version);
            assert_eq!(stored.scope, scope());
            assert!(there.insert(&stored).unwrap());
            let server = there.server_of(&identity, &Scope::new(name));
            assert_eq!(client.is_resumed(&server), resumes, "{version:?} {name}");
            // Its own renewals go on there.
            assert!(client.is_resumed(&server), "{version:?} {name}");
        }
        // One that is put under another scope by those that carry it is of that scope.
        let [here, there] = [(); 2].map(|()| Machine::new());
        let (client, stored) = visited(&identity, &here, version);
        let scope = Scope::new("admin.example");
        assert!(there.insert(&Stored { scope, ..stored }).unwrap());
        assert!(!client.is_resumed(&there.server(&identity)), "{version:?}");
    }
}

/// The other machine's copy is its own: TLS 1.3 resumes once on each.
#[test]
fn the_machine_that_made_it_has_it_still() {
    let identity = Identity::new();
    for version in VERSIONS {
        let [here, there] = [(); 2].map(|()| Machine::new());
        let (client, stored) = visited(&identity, &here, version);
        assert!(there.insert(&stored).unwrap());
        let store = there.resumption.store(&scope());
        let id = stored.id.as_bytes();
        assert!(store.take(id).is_some() && store.take(id).is_none());
        assert!(client.is_resumed(&here.server(&identity)), "{version:?}");
    }
}

#[test]
fn what_is_there_stays_as_it_is_and_what_has_ended_stays_away() {
    let identity = Identity::new();
    for version in VERSIONS {
        let [here, there] = [(); 2].map(|()| Machine::new());
        let (client, stored) = visited(&identity, &here, version);
        let cache = here.resumption.cache();
        let bytes = || cache.peek(&stored.id, |(), encoded, end| (encoded.to_vec(), end));
        let before = bytes();
        assert!(before.is_some());
        assert!(!here.insert(&stored).unwrap());
        assert_eq!(bytes(), before, "its own stays its own");

        let now = there.resumption.cache().now();
        let insert = |end| {
            let Stored { id, encoded, .. } = &stored;
            (there.resumption).insert_from_elsewhere(id, &scope(), encoded, end)
        };
        for ended in [Time::from_millis(0), Time::from_millis(now.as_millis() - 1)] {
            assert!(!insert(ended).unwrap());
        }
        assert!(there.resumption.cache().is_empty());
        assert!(insert(now).unwrap(), "its last moment");
        there.clock.advance(TICK);
        assert!(!client.is_resumed(&there.server(&identity)), "{version:?}");
    }
}

#[test]
fn what_rustls_cannot_read_ends_in_a_full_handshake() {
    let identity = Identity::new();
    for version in VERSIONS {
        let here = Machine::new();
        let long = visited(&identity, &here, version).1.encoded.len();
        for len in (0..4).chain((4..long).step_by(7)).chain([long - 1]) {
            for is_garbage in [false, true] {
                let there = Machine::new();
                let (client, mut stored) = visited(&identity, &here, version);
                match is_garbage {
                    true => stored.encoded = vec![len as u8; len],
                    false => stored.encoded.truncate(len),
                }
                assert!(there.insert(&stored).unwrap());
                let case = format!("{version:?}, {len} bytes, {is_garbage}");
                assert!(!client.is_resumed(&there.server(&identity)), "{case}");
                let stats = there.resumption.store_stats();
                let found = match version == &TLS13 {
                    true => stats.taken,
                    false => stats.hits,
                };
                assert_eq!(found, 1, "{case}: rustls has seen it");
            }
        }
    }
}

#[test]
fn what_the_cache_refuses_is_counted() {
    let identity = Identity::new();
    let (_, stored) = visited(&identity, &Machine::new(), &TLS12);
    let small = Machine::with_cache(Cache::builder().capacity(10).max_encoded_len(60));
    let refused = small.insert(&stored);
    let expected = Refused::TooLarge {
        len: Scope::LEN + stored.encoded.len(),
        limit: 60,
    };
    assert_eq!(refused, Err(expected));
    let stats = small.resumption.cache().stats();
    assert_eq!((stats.refused.too_large, stats.entries), (1, 0));
    // That of the store counts what handshakes have put.
    assert_eq!(small.resumption.store_stats().refused, 0);
}

/// The time of day at which rustls has made it decides, in whole seconds; an extension reaches
/// those of machines whose clocks are ahead.
#[test]
fn a_session_of_elsewhere_is_revoked_if_it_began_before() {
    let identity = Identity::new();
    let second = Duration::from_secs(1);
    for version in VERSIONS {
        for target in [Some(scope()), None] {
            for (extends, later, resumes) in [
                (false, Duration::ZERO, false),
                (false, second, true),
                (true, second, false),
                (true, MINUTE, false),
                (true, MINUTE + second, true),
            ] {
                let [here, there] = [(); 2].map(|()| Machine::new());
                let resumption = &there.resumption;
                match &target {
                    Some(scope) => resumption.revoke(scope),
                    None => resumption.revoke_all(),
                }
                if extends {
                    let until = rekindle::Clock::unix_time(&*there.clock) + MINUTE;
                    resumption.extend_revocation(target.as_ref(), until);
                }
                here.clock.advance(later);
                there.clock.advance(later);
                // Of this machine's own, the extension is none.
                there.clock.advance(TICK);
                let (own, _) = visited(&identity, &there, version);
                assert!(own.is_resumed(&there.server(&identity)));
                let (client, stored) = visited(&identity, &here, version);
                assert!(there.insert(&stored).unwrap());
                let is_resumed = client.is_resumed(&there.server(&identity));
                let case = format!("{version:?}, {extends}, {later:?}");
                assert_eq!(is_resumed, resumes, "{case}");
                let refused = resumption.store_stats().revoked;
                assert_eq!(refused, u64::from(!resumes), "{case}");
            }
        }
    }
}

/// What a fleet says of a session's end may be less than rustls's timeout, or more.
#[test]
fn when_a_session_began_does_not_depend_on_when_it_ends() {
    let identity = Identity::new();
    let hour = 60 * MINUTE;
    for version in VERSIONS {
        for left in [MINUTE, 2 * hour, 48 * hour] {
            let [here, there] = [(); 2].map(|()| Machine::new());
            let of_before = visited(&identity, &here, version);
            here.clock.advance(MINUTE);
            there.clock.advance(MINUTE);
            there.resumption.revoke(&scope());
            here.clock.advance(MINUTE);
            there.clock.advance(MINUTE);
            let of_after = visited(&identity, &here, version);
            for ((client, stored), resumes) in [(of_before, false), (of_after, true)] {
                assert!(there.insert(&Stored { left, ..stored }).unwrap());
                let is_resumed = client.is_resumed(&there.server(&identity));
                assert_eq!(is_resumed, resumes, "{version:?}, {left:?}");
            }
        }
    }
}

#[test]
fn a_revocation_of_elsewhere_holds_for_what_has_begun() {
    let identity = Identity::new();
    for version in VERSIONS {
        for target in [Some(scope()), None] {
            let [here, there] = [(); 2].map(|()| Machine::new());
            let unix = || rekindle::Clock::unix_time(&*there.clock);
            let revoke = |until| {
                (there.resumption).revoke_from_elsewhere(target.as_ref(), until);
            };
            let server = there.server(&identity);
            let (own, _) = visited(&identity, &there, version);
            let (guest, stored) = visited(&identity, &here, version);
            assert!(there.insert(&stored).unwrap());
            for until in [Duration::ZERO, unix() - 2 * MINUTE] {
                revoke(until);
                assert!(own.is_resumed(&server), "{version:?}: of long ago");
            }
            let first = unix() + MINUTE;
            revoke(first);
            assert!(!own.is_resumed(&server), "{version:?}");
            assert!(!guest.is_resumed(&server), "{version:?}");
            // Its own of now resume; the same one again changes nothing, another one does.
            there.clock.advance(TICK);
            let (own, _) = visited(&identity, &there, version);
            revoke(first);
            assert!(own.is_resumed(&server), "{version:?}");
            let second = unix() + MINUTE / 2;
            revoke(second);
            assert!(!own.is_resumed(&server), "{version:?}");
            there.clock.advance(TICK);
            let (own, _) = visited(&identity, &there, version);
            for until in [first, second] {
                revoke(until);
                assert!(own.is_resumed(&server), "{version:?}");
            }
            revoke(Duration::MAX);
            assert!(!own.is_resumed(&server), "{version:?}");
            there.clock.advance(TICK);
            let (own, _) = visited(&identity, &there, version);
            assert!(own.is_resumed(&server), "{version:?}: for good");
        }
    }
}

/// A client with a session brings early data to a server: whether that accepted it, after which the
/// client says the rest of it in the usual way. What the server heard, early and late.
fn bring(client: &Client, server: &Arc<ServerConfig>) -> (HandshakeKind, Vec<u8>, Vec<u8>) {
    let mut client = client.connection();
    let mut early = client.early_data().expect("a session that allows it");
    early.write_all(b"buy").unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let (mut heard_early, mut heard_late) = (Vec::new(), Vec::new());
    move_bytes(&mut client, &mut server);
    if let Some(mut early) = server.early_data() {
        early.read_to_end(&mut heard_early).unwrap();
    }
    while client.is_handshaking() || server.is_handshaking() {
        move_bytes(&mut client, &mut server);
    }
    if !client.is_early_data_accepted() {
        client.writer().write_all(b"buy").unwrap();
    }
    // As many turns as tickets and data need.
    for _ in 0..3 {
        move_bytes(&mut client, &mut server);
        let mut bytes = [0; 100];
        if let Ok(read) = server.reader().read(&mut bytes) {
            heard_late.extend_from_slice(&bytes[..read]);
        }
    }
    client.send_close_notify();
    move_bytes(&mut client, &mut server);
    let kind = server.handshake_kind().unwrap();
    (kind, heard_early, heard_late)
}

#[test]
fn early_data_is_accepted_by_the_machine_that_made_the_session_alone() {
    let identity = Identity::new();
    let [here, there] = [(); 2].map(|()| Machine::new());
    // Two clients with the same session.
    let (client, stored) = visited(&identity, &here, &TLS13);
    let elsewhere = bring_elsewhere(&identity, &client, &there, &stored);
    assert_eq!(
        elsewhere,
        (HandshakeKind::Resumed, Vec::new(), b"buy".to_vec())
    );
    // The ticket that the other machine has given out is its own.
    let again = bring(&client, &there.server(&identity));
    assert_eq!(again, (HandshakeKind::Resumed, b"buy".to_vec(), Vec::new()));

    // Brought to the first machine, it is accepted, once.
    let (client, stored) = visited(&identity, &here, &TLS13);
    assert!(!here.insert(&stored).unwrap(), "it reads what it has told");
    let at_home = bring(&client, &here.server(&identity));
    assert_eq!(
        at_home,
        (HandshakeKind::Resumed, b"buy".to_vec(), Vec::new())
    );
}

fn bring_elsewhere(
    identity: &Identity,
    client: &Client,
    there: &Machine,
    stored: &Stored,
) -> (HandshakeKind, Vec<u8>, Vec<u8>) {
    assert!(there.insert(stored).unwrap());
    bring(client, &there.server(identity))
}

/// The same bytes, delivered to each machine: by a network that is not honest.
#[test]
fn of_a_flight_that_all_machines_get_one_accepts_it() {
    let identity = Identity::new();
    for _ in 0..10 {
        let machines = [(); 3].map(|()| Machine::new());
        let (client, stored) = visited(&identity, &machines[0], &TLS13);
        for there in &machines[1..] {
            assert!(there.insert(&stored).unwrap());
        }
        let mut connection = client.connection();
        let mut early = connection.early_data().expect("a session that allows it");
        early.write_all(b"buy").unwrap();
        let mut flight = Vec::new();
        connection.write_tls(&mut flight).unwrap();
        let accepted = [2, 1, 0, 0, 2].map(|number| {
            let server = machines[number].server(&identity);
            let mut server = ServerConnection::new(server).unwrap();
            feed(&mut server, &flight);
            server.early_data().is_some()
        });
        assert_eq!(accepted, [false, false, true, false, false]);
        let taken = machines
            .each_ref()
            .map(|machine| machine.resumption.store_stats().taken);
        assert_eq!(taken, [1, 1, 1]);
    }
}

fn words(resumption: &Resumption) -> Receiver<String> {
    let (tell, told) = channel();
    resumption.watch(move |change| {
        tell.send(match change {
            SessionChange::Stored { scope, .. } => format!("stored {scope:?}"),
            SessionChange::Removed { .. } => "removed".to_owned(),
            SessionChange::Revoked { scope, .. } => format!("revoked {scope:?}"),
            other => panic!("{other:?}"),
        })
        .unwrap();
    });
    told
}

#[test]
fn watchers_are_told_what_handshakes_do_whatever_becomes_of_the_others() {
    quiet_watchers();
    let identity = Identity::new();
    for version in VERSIONS {
        let machine = Machine::new();
        let first = words(&machine.resumption);
        machine.resumption.watch(|_| panic!("a watcher"));
        let last = words(&machine.resumption);
        let (client, stored) = visited(&identity, &machine, version);
        assert!(client.is_resumed(&machine.server(&identity)));
        machine.resumption.revoke(&scope());
        machine.resumption.revoke_all();
        // What is no handshake's, and what came from elsewhere.
        machine.resumption.cache().remove(&stored.id);
        assert!(machine.insert(&stored).unwrap());
        machine.resumption.revoke_from_elsewhere(None, MINUTE);
        machine.resumption.extend_revocation(None, MINUTE);
        let is_stored = format!("stored {:?}", scope());
        let mut expected = vec![is_stored.clone()];
        if version == &TLS13 {
            expected.extend(["removed".to_owned(), is_stored]);
        }
        expected.extend([Some(scope()), None].map(|scope| format!("revoked {:?}", scope.as_ref())));
        assert_eq!(last.try_iter().collect::<Vec<_>>(), expected, "{version:?}");
        assert_eq!(first.try_iter().collect::<Vec<_>>(), expected);
    }
}
