//! Resumptions: how they are built, put on a context, and let go.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rekindle::openssl::{BuildError, InstallError, Resumption};
use rekindle::tickets::{PolicyError, TicketPolicy, TicketRing, TicketRingError, TicketSecret};
use rekindle::{Cache, Clock, Time};

use crate::common::{Client, Mechanism, resumption, server, server_builder};
use crate::with_cache;

#[test]
pub(crate) fn installing_twice_is_an_error_and_a_freed_context_lets_go() {
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
pub(crate) fn a_panic_in_a_callback_ends_in_a_full_handshake() {
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
