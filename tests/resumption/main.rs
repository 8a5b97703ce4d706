//! Real handshakes, in process: every resumption mechanism, and every reason not to.

#[path = "../common/mod.rs"]
mod common;
mod endings;
mod installing;
mod maintenance;
#[path = "../common/randomness.rs"]
mod randomness;
#[path = "../common/records.rs"]
mod records;
mod storages;
mod tickets;

use std::sync::Arc;
use std::time::Duration;

use common::{
    Client, Mechanism, ask_for_certificates, peers, resumption, server, server_builder,
    server_with_id_context,
};
use openssl::ssl::{self, AlpnError, NameType, SslSession, SslSessionRef};
use rekindle::openssl::{CachedSession, Resumption, ResumptionBuilder};
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
        installing::installing_twice_is_an_error_and_a_freed_context_lets_go,
        installing::a_panic_in_a_callback_ends_in_a_full_handshake,
        endings::sessions_outlive_connections_that_just_end_but_none_that_failed,
        endings::a_session_outlives_each_of_its_connections,
        endings::a_connection_that_just_ends_may_keep_its_session,
    ]);
}
