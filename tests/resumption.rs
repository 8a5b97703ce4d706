//! Real handshakes, in process: every resumption mechanism, and every reason not to.

mod common;
#[path = "common/randomness.rs"]
mod randomness;
#[path = "common/records.rs"]
mod records;

use std::io::Read;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{
    Client, Mechanism, STORAGE, ask_for_certificates, peers, resumption, server, server_builder,
    server_with_id_context,
};
use openssl::error::ErrorStack;
use openssl::ssl::{self, AlpnError, NameType, SslContext, SslSession, SslSessionRef};
use records::record;
use rekindle::openssl::{
    BuildError, CachedSession, InstallError, KeepSession, ResumedBy, Resumption, ResumptionBuilder,
    SessionStorage,
};
use rekindle::tickets::{PolicyError, TicketPolicy, TicketRing, TicketRingError, TicketSecret};
use rekindle::{Cache, CacheBuilder, Clock, ManualClock, SessionId, Time};

/// A resumption whose sessions stay in that cache.
fn with_cache(cache: CacheBuilder<CachedSession>) -> ResumptionBuilder {
    let builder = Resumption::builder().cache(common::cache(cache));
    builder.stateless_tickets(false)
}

fn id_of(session: &SslSessionRef) -> SessionId {
    SessionId::new(session.id()).unwrap()
}

#[test]
fn every_way_resumes() {
    for kind in Mechanism::ALL {
        let (_, server, client) = peers(kind);
        let first = client.connect(&server);
        assert!(!first.resumed(), "{kind:?}");
        assert_eq!(first.resumed_by(), None);
        for _ in 0..5 {
            let again = client.reconnect(&server);
            assert!(again.resumed(), "{kind:?}");
            assert_eq!(again.resumed_by(), Some(kind.resumed_by()), "{kind:?}");
        }
    }
}

#[test]
fn a_session_id_stays_the_same_over_resumptions() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    let first = client.connect(&server).session();
    assert_eq!(first.id().len(), 32);
    assert_eq!(client.reconnect(&server).session().id(), first.id());
    assert_eq!(resumption.cache().len(), 1);
}

#[test]
fn lookups_and_tickets_are_counted() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    client.connect(&server);
    client.reconnect(&server);
    resumption.cache().clear();
    assert!(!client.reconnect(&server).resumed());
    let stats = resumption.cache().stats();
    assert_eq!((stats.hits, stats.misses, stats.inserts), (1, 1, 2));

    let (resumption, server, client) = peers(Mechanism::Tls12Ticket);
    client.connect(&server);
    client.reconnect(&server);
    let stats = resumption.ticket_stats();
    assert_eq!((stats.sealed, stats.opened, stats.unknown_key), (1, 1, 0));
}

#[test]
fn sessions_that_travel_in_tickets_do_not_fill_the_cache() {
    for kind in Mechanism::TICKETS {
        let (resumption, server, client) = peers(kind);
        client.connect(&server);
        assert!(client.reconnect(&server).resumed());
        assert_eq!(resumption.cache().len(), 0, "{kind:?}");
    }
}

#[test]
fn what_get_buffer_returns_is_the_session_in_der() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    let id = id_of(&client.connect(&server).session());
    let mut buffer = [0; 4096];
    let copied = resumption.cache().get_buffer(&id, &mut buffer).unwrap();
    assert_eq!(copied.needed, copied.stored);
    let session = SslSession::from_der(&buffer[..copied.stored]).unwrap();
    assert_eq!(session.id(), id.as_bytes());
    let live = resumption.cache().get_session(&id).unwrap();
    assert_eq!(live.to_der().unwrap(), buffer[..copied.stored]);
}

#[test]
fn another_session_id_context_never_resumes() {
    for kind in Mechanism::ALL {
        let resumption = resumption(kind);
        let ours = server_with_id_context(&resumption, b"ours");
        let theirs = server_with_id_context(&resumption, b"theirs");
        let client = Client::new(kind);
        client.connect(&ours);
        let session = client.session();
        assert!(!client.offer(&theirs, &session).resumed(), "{kind:?}");
    }
}

#[test]
fn an_expired_session_is_not_resumed() {
    for kind in Mechanism::STATEFUL {
        let clock = Arc::new(ManualClock::new());
        let builder = with_cache(Cache::builder().capacity(10).clock(clock.clone()));
        let resumption = builder.session_timeout(Duration::from_secs(60)).build();
        let resumption = resumption.unwrap();
        let (server, client) = (server(&resumption), Client::new(kind));
        client.connect(&server);
        let session = client.session();
        // A minute from then, less what the handshake itself may have taken.
        clock.advance(Duration::from_secs(58));
        assert!(client.offer(&server, &session).resumed(), "{kind:?}");
        clock.advance(Duration::from_secs(4));
        assert!(!client.offer(&server, &session).resumed(), "{kind:?}");
        assert_eq!(resumption.cache().stats().expired, 1, "{kind:?}");
    }
}

#[test]
fn a_session_lives_up_to_and_including_its_last_second() {
    struct Fixed(Duration);
    impl Clock for Fixed {
        fn now(&self) -> Time {
            Time::from_millis(1_000_000)
        }
        fn unix_time(&self) -> Duration {
            self.0
        }
    }
    let (_, server, client) = peers(Mechanism::Tls12Id);
    let session = client.connect(&server).session();
    let (time, timeout) = (session.time() as u64, session.timeout() as u64);
    // Right at a second's end, the worst moment for rounding: ten seconds old for one more
    // millisecond, and then `timeout - 10` seconds to go until it is `timeout` seconds old, which
    // is still good for a whole second.
    let clock = Fixed(Duration::from_millis((time + 10) * 1_000 + 999));
    let cache = Cache::builder().capacity(10).clock(Arc::new(clock));
    let cache = common::cache(cache);
    cache.insert_session(&id_of(&session), session).unwrap();
    let expires_at = cache.pin().iter().next().unwrap().expires_at();
    let expected = Time::from_millis(1_000_000 + (timeout - 10) * 1_000);
    assert_eq!(expires_at, expected);
}

#[test]
fn a_removed_session_is_not_resumed() {
    for kind in Mechanism::STATEFUL {
        let (resumption, server, client) = peers(kind);
        client.connect(&server);
        let session = client.session();
        let ids: Vec<SessionId> = resumption.cache().pin().iter().map(|e| *e.id()).collect();
        assert!(!ids.is_empty());
        assert!(client.offer(&server, &session).resumed(), "{kind:?}");
        for id in &ids {
            assert!(resumption.cache().remove(id));
        }
        assert!(!client.offer(&server, &session).resumed(), "{kind:?}");
    }
}

#[test]
fn a_taken_session_is_handed_out_once() {
    let (resumption, server, client) = peers(Mechanism::Tls12Id);
    let id = id_of(&client.connect(&server).session());
    assert_eq!(
        resumption.cache().take_session(&id).unwrap().id(),
        id.as_bytes()
    );
    assert!(resumption.cache().take_session(&id).is_none());
    assert!(!client.reconnect(&server).resumed());
}

#[test]
fn sessions_resume_when_sni_swaps_the_context() {
    for kind in Mechanism::ALL {
        let (resumption, other) = (resumption(kind), resumption(kind));
        for on_back in [Some(&resumption), Some(&other), None] {
            let mut back = server_builder(b"tests");
            if let Some(on_back) = on_back {
                on_back.install(&mut back).unwrap();
            }
            let mut front = server_builder(b"tests");
            resumption.install(&mut front).unwrap();
            let back = back.build();
            front.set_servername_callback(move |ssl, _| {
                assert_eq!(ssl.servername(NameType::HOST_NAME), Some("other.example"));
                ssl.set_ssl_context(&back).unwrap();
                Ok(())
            });
            let server = front.build();
            let client = Client::new(kind);
            let connect = |session: Option<&SslSession>| {
                let name = Some("other.example");
                client.try_connect(&server, session, name).unwrap()
            };
            assert!(!connect(None).resumed());
            let again = connect(Some(&client.session()));
            assert!(again.resumed(), "{kind:?}, {on_back:?}");
            assert_eq!(again.resumed_by(), Some(kind.resumed_by()));
        }
        assert_eq!(
            other.cache().stats().inserts + other.ticket_stats().sealed,
            0
        );
    }
}

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
fn a_session_above_the_limit_is_refused_and_counted() {
    let builder = with_cache(Cache::builder().capacity(10).max_encoded_len(100));
    let resumption = builder.build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
    client.connect(&server);
    assert!(!client.reconnect(&server).resumed());
    assert_eq!(resumption.cache().stats().refused.too_large, 2);
    assert_eq!(resumption.cache().len(), 0);
}

#[test]
fn sessions_with_client_certificates_resume() {
    for kind in Mechanism::ALL {
        let (resumption, client) = (resumption(kind), Client::new(kind));
        let mut server = server_builder(b"tests");
        resumption.install(&mut server).unwrap();
        ask_for_certificates(&mut server, &resumption);
        let server = server.build();
        let first = client.connect(&server);
        assert!(first.server.ssl().peer_certificate().is_some());
        let again = client.reconnect(&server);
        assert!(again.resumed(), "{kind:?}");
        assert!(again.server.ssl().peer_certificate().is_some(), "{kind:?}");
        if !kind.stateless() {
            let cache = resumption.cache().pin();
            let longest = cache.iter().map(|e| e.encoded().len()).max();
            assert!(longest > Some(256), "Traffic Server refuses such sessions");
        }
    }
}

#[test]
fn what_was_negotiated_comes_back() {
    const NAME: Option<&str> = Some("negotiated.example");
    let both = Mechanism::STATEFUL.into_iter();
    for (kind, early_data) in both.flat_map(|kind| [(kind, 0), (kind, 1_000)]) {
        let resumption = resumption(kind);
        let mut server = server_builder(b"tests");
        resumption.install(&mut server).unwrap();
        server.set_servername_callback(|_, _| Ok(()));
        server.set_max_early_data(early_data).unwrap();
        server.set_alpn_select_callback(|_, offered| {
            ssl::select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
        });
        let (server, client) = (server.build(), Client::new(kind));
        let first = client.try_connect(&server, None, NAME).unwrap().session();
        let cached = resumption.cache().get_session(&id_of(&first)).unwrap();
        let der = cached.to_der().unwrap();
        assert_eq!(der, first.to_der().unwrap(), "{kind:?}");
        let has = |part: &[u8]| der.windows(part.len()).any(|bytes| bytes == part);
        assert!(has(NAME.unwrap().as_bytes()), "{kind:?}");
        if kind == Mechanism::Tls13Stateful {
            assert_eq!(cached.max_early_data(), early_data);
            assert!(has(b"\x04\x02h2"));
        }
        // OpenSSL's guard against replays asks its own cache, which is off.
        if early_data == 0 {
            let session = client.session();
            let again = client.try_connect(&server, Some(&session), NAME).unwrap();
            assert!(again.resumed(), "{kind:?}");
            let ssl = again.server.ssl();
            assert_eq!(ssl.servername(NameType::HOST_NAME), NAME, "{kind:?}");
            assert_eq!(ssl.selected_alpn_protocol(), Some(&b"h2"[..]), "{kind:?}");
        }
    }
}

#[test]
fn installing_twice_is_an_error_and_a_freed_context_lets_go() {
    let resumption = resumption(Mechanism::Tls12Id);
    let cache = Arc::downgrade(resumption.cache());
    let mut builder = server_builder(b"tests");
    resumption.install(&mut builder).unwrap();
    let again = resumption.install(&mut builder);
    assert!(matches!(again, Err(InstallError::AlreadyInstalled)));
    let server = builder.build();
    let connection = Client::new(Mechanism::Tls12Id).connect(&server);
    drop(resumption);
    drop(server);
    assert!(cache.upgrade().is_some(), "held by the connection");
    drop(connection);
    assert!(cache.upgrade().is_none());
}

#[test]
fn a_panic_in_a_callback_ends_in_a_full_handshake() {
    /// The only code of an embedder's that runs inside the callbacks.
    #[derive(Default)]
    struct Broken(AtomicBool);
    impl Clock for Broken {
        fn now(&self) -> Time {
            let is_broken = self.0.load(Ordering::Relaxed);
            assert!(!is_broken, "a clock that fell off the wall");
            Time::from_millis(1_000_000)
        }
    }
    let clock = Arc::new(Broken::default());
    for kind in Mechanism::ALL {
        let cache = Cache::builder().capacity(10).clock(clock.clone());
        let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
        let builder = with_cache(cache).ticket_ring(Arc::new(ring));
        let resumption = builder.stateless_tickets(kind.stateless()).build().unwrap();
        let (server, client) = (server(&resumption), Client::new(kind));
        client.connect(&server);
        let (session, sealed) = (client.session(), resumption.ticket_stats().sealed);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| ()));
        clock.0.store(true, Ordering::Relaxed);
        let during = client.offer(&server, &session);
        assert_eq!(resumption.ticket_stats().sealed, sealed);
        clock.0.store(false, Ordering::Relaxed);
        panic::set_hook(hook);
        assert!(!during.resumed());
        assert!(client.offer(&server, &session).resumed(), "{kind:?}");
    }
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

#[test]
fn sessions_outlive_connections_that_just_end_but_none_that_failed() {
    for kind in Mechanism::STATEFUL {
        for (keep, fails) in [(true, false), (true, true), (false, false), (false, true)] {
            let builder = with_cache(Cache::builder().capacity(10)).keep_sessions(keep);
            let resumption = builder.build().unwrap();
            let (server, client) = (server(&resumption), Client::new(kind));
            let mut connection = client.connect(&server);
            connection.rude = true;
            if fails {
                // No key of this connection has sealed that.
                let record = b"\x17\x03\x03\x00\x20 thirty-two bytes of other's data";
                let incoming = &connection.server.get_ref().incoming;
                incoming.borrow_mut().extend(&record[..5 + 0x20]);
                connection.server.read(&mut [0; 8]).unwrap_err();
            }
            let session = client.session();
            drop(connection);
            let resumed = client.offer(&server, &session).resumed();
            assert_eq!(resumed, keep && !fails, "{kind:?}, {keep}, {fails}");
        }
    }
}

/// OpenSSL marks the object that it removes: a session that many connections share goes on.
#[test]
fn a_session_outlives_each_of_its_connections() {
    let resumption = with_cache(Cache::builder().capacity(10)).keep_sessions(true);
    let resumption = resumption.build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
    client.connect(&server).rude = true;
    let session = client.session();
    for _ in 0..5 {
        let mut again = client.offer(&server, &session);
        assert!(again.resumed());
        again.rude = true;
    }
    assert!(resumption.cache().remove(&id_of(&session)));
    assert!(!client.offer(&server, &session).resumed());
}

#[test]
fn a_connection_that_just_ends_may_keep_its_session() {
    for kind in Mechanism::STATEFUL {
        for keep in [true, false] {
            let (_, server, client) = peers(kind);
            let mut connection = client.connect(&server);
            connection.rude = true;
            if keep {
                drop(KeepSession::new(&mut connection.server, |s| s.ssl()));
            }
            let session = client.session();
            drop(connection);
            // OpenSSL's own habit is to remove the session that the connection had last.
            assert_eq!(client.offer(&server, &session).resumed(), keep, "{kind:?}");
        }
    }
}

#[test]
fn fractions_of_a_second_are_refused() {
    let policy = |policy: TicketPolicy| Resumption::builder().ticket_policy(policy);
    for millis in [0, 999, 1_000, 1_500, 2_000] {
        let given = Duration::from_millis(millis);
        let is_whole = millis > 0 && millis % 1_000 == 0;
        let builders = [
            Resumption::builder().session_timeout(given),
            Resumption::builder().full_handshake_max_age(given),
            policy(TicketPolicy::default().period(given).lifetime(given)),
            policy(TicketPolicy::default().lifetime(given)),
        ];
        for builder in builders {
            match builder.build() {
                Ok(_) => assert!(is_whole, "{given:?}"),
                Err(BuildError::SessionTimeout(refused)) => assert_eq!(refused, given),
                Err(BuildError::FullHandshakeMaxAge(refused)) => assert_eq!(refused, given),
                Err(BuildError::TicketRing(TicketRingError::Policy(_))) => {
                    assert!(!is_whole, "{given:?}")
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn ticket_keys_open_for_as_long_as_sessions_live() {
    let secs = Duration::from_secs;
    let policy = TicketPolicy::default().period(secs(100));
    let policy = policy.lifetime(secs(200));
    let (days, secret) = (86_400, TicketSecret::random(secs(3_600), None).unwrap());
    // (session timeout, ticket lifetime)
    let lifetimes = [(None, 200), (Some(60), 60), (Some(3_000), 3_000)];
    for (timeout, expected) in lifetimes {
        for secret in [None, Some(secret.clone())] {
            let mut builder = Resumption::builder().ticket_policy(policy);
            if let Some(secret) = secret {
                builder = builder.ticket_secret(secret);
            }
            if let Some(timeout) = timeout {
                builder = builder.session_timeout(secs(timeout));
            }
            let lifetime = |r: Resumption| r.ticket_ring().load().policy().lifetime;
            assert_eq!(lifetime(builder.build().unwrap()), secs(expected));
        }
    }
    // No ticket opens for longer than seven days.
    let month = Resumption::builder().session_timeout(secs(30 * days));
    let policy = month.build().unwrap().ticket_ring().load().policy();
    assert_eq!(policy.lifetime, secs(7 * days));
    // A policy that the session timeout makes impossible.
    let policy = TicketPolicy::default().period(secs(1));
    let builder = Resumption::builder().ticket_policy(policy);
    let Err(BuildError::TicketRing(refused)) = builder.session_timeout(secs(days)).build() else {
        panic!("the policy is impossible");
    };
    let is_policy = |e| matches!(e, TicketRingError::Policy(PolicyError::TooManyKeys(_)));
    assert!(is_policy(refused));
}

#[test]
fn a_ticket_ring_excludes_other_ticket_keys() {
    let with_ring = || Resumption::builder().ticket_ring(Arc::new(TicketRing::random().unwrap()));
    let secret = TicketSecret::random(Duration::from_secs(60), None).unwrap();
    for builder in [
        with_ring().ticket_secret(secret),
        with_ring().ticket_policy(TicketPolicy::default()),
    ] {
        let built = builder.build();
        assert!(matches!(built, Err(BuildError::ConflictingTicketKeys)));
    }
}

/// Threads of this process that maintain a resumption.
fn maintainers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name == "rekindle\n").count()
}

/// How long it takes until something is true; panics after a long time.
fn wait_until(what: impl Fn() -> bool) -> Duration {
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let began = now();
    while !what() {
        assert!(now().saturating_sub(began) < Duration::from_secs(20));
        thread::yield_now();
    }
    now().saturating_sub(began)
}

#[test]
fn the_maintenance_thread_sweeps_and_ends_with_the_resumption() {
    // So small that a second's share of the sweep is all of it.
    let resumption = Resumption::builder().sessions(8).stateless_tickets(false);
    let resumption = resumption.build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
    resumption.spawn_maintenance().unwrap();
    resumption.spawn_maintenance().unwrap();
    wait_until(|| maintainers() == 1);
    // An entry that has expired leaves without another call.
    let session = client.connect(&server).session();
    let id = SessionId::new(b"expired").unwrap();
    let expired = Time::from_millis(0);
    let inserted = resumption.cache().insert(&id, session.into(), b"", expired);
    inserted.unwrap();
    wait_until(|| resumption.cache().stats().evicted.expired == 1);
    let cache = Arc::downgrade(resumption.cache());
    drop(resumption);
    assert_eq!(maintainers(), 1, "the context still uses it");
    drop(server);
    let took = wait_until(|| maintainers() == 0);
    assert!(took < Duration::from_millis(900), "{took:?} is not at once");
    assert!(cache.upgrade().is_none());
}

#[test]
fn sessions_resume_alike_however_they_are_stored() {
    common::with_other_storages(&[
        every_way_resumes,
        a_session_id_stays_the_same_over_resumptions,
        lookups_and_tickets_are_counted,
        sessions_that_travel_in_tickets_do_not_fill_the_cache,
        what_get_buffer_returns_is_the_session_in_der,
        another_session_id_context_never_resumes,
        an_expired_session_is_not_resumed,
        a_session_lives_up_to_and_including_its_last_second,
        a_removed_session_is_not_resumed,
        a_taken_session_is_handed_out_once,
        sessions_resume_when_sni_swaps_the_context,
        a_session_above_the_limit_is_refused_and_counted,
        sessions_with_client_certificates_resume,
        what_was_negotiated_comes_back,
        installing_twice_is_an_error_and_a_freed_context_lets_go,
        a_panic_in_a_callback_ends_in_a_full_handshake,
        sessions_outlive_connections_that_just_end_but_none_that_failed,
        a_session_outlives_each_of_its_connections,
        a_connection_that_just_ends_may_keep_its_session,
    ]);
}

/// A cache with one session from a full handshake, with or without a client certificate.
fn filled(
    storage: SessionStorage,
    client: Client,
    with_certificate: bool,
) -> (Resumption, SslContext, Client) {
    STORAGE.set(storage);
    let resumption = resumption(Mechanism::Tls12Id);
    let mut server = server_builder(b"tests");
    resumption.install(&mut server).unwrap();
    if with_certificate {
        ask_for_certificates(&mut server, &resumption);
    }
    let server = server.build();
    client.connect(&server);
    assert_eq!(resumption.cache().len(), 1);
    (resumption, server, client)
}

#[test]
fn a_session_is_kept_live_only_where_its_storage_says_so() {
    use SessionStorage::{Encoded, Live, LiveWithClientCertificate};
    for (storage, with_certificate, is_live) in [
        (Live, false, true),
        (Live, true, true),
        (Encoded, false, false),
        (Encoded, true, false),
        (LiveWithClientCertificate, false, false),
        (LiveWithClientCertificate, true, true),
    ] {
        let client = Client::new(Mechanism::Tls12Id);
        let (resumption, ..) = filled(storage, client, with_certificate);
        let cache = resumption.cache();
        let guard = cache.pin();
        let entry = guard.iter().next().unwrap();
        assert_eq!(entry.value().live().is_some(), is_live, "{storage:?}");
        // The live session counts in the bytes: more than half a kilobyte, and the certificate.
        let beside = cache.stats().bytes - entry.encoded().len();
        let expected = match (is_live, with_certificate) {
            (false, _) => 0..200,
            (true, false) => 800..2_000,
            (true, true) => 2_500..10_000,
        };
        assert!(expected.contains(&beside), "{storage:?}: {beside} bytes");
    }
}

#[test]
fn intermediate_certificates_count_where_the_session_is_live() {
    let bytes = |storage, intermediates| {
        let client = Client::with_intermediates(Mechanism::Tls12Id, intermediates);
        let (resumption, ..) = filled(storage, client, true);
        resumption.cache().stats().bytes
    };
    for (storage, each) in [
        (SessionStorage::Live, 4_000..8_000),
        (SessionStorage::Encoded, 0..50),
    ] {
        let [none, one, three] = [0, 1, 3].map(|count| bytes(storage, count));
        assert!(
            each.contains(&one.saturating_sub(none)),
            "{storage:?}: {none}, {one}"
        );
        let more = three.saturating_sub(one) / 2;
        assert!(each.contains(&more), "{storage:?}: {one}, {three}");
    }
}

#[test]
fn an_encoding_that_cannot_be_parsed_is_no_session() {
    let client = Client::new(Mechanism::Tls12Id);
    let (resumption, server, client) = filled(SessionStorage::Encoded, client, false);
    let cache = resumption.cache();
    let session = client.session();
    let id = id_of(&session);
    let value = cache.get(&id).unwrap();
    for encoded in [&b""[..], b"\x30\x03", &[0xFF; 300]] {
        cache
            .insert(&id, value.clone(), encoded, Time::NEVER)
            .unwrap();
        assert!(cache.get_session(&id).is_none());
        assert_eq!(ErrorStack::get().errors().len(), 0);
        assert!(!client.offer(&server, &session).resumed());
        cache
            .insert(&id, value.clone(), encoded, Time::NEVER)
            .unwrap();
        assert!(cache.take_session(&id).is_none() && !cache.contains(&id));
    }
    // Of each encoding two lookups.
    assert_eq!(cache.stats().expired, 6);
}
