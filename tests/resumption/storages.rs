//! What each storage keeps of a session.

use openssl::error::ErrorStack;
use openssl::ssl::SslContext;
use rekindle::Time;
use rekindle::openssl::{Resumption, SessionStorage};

use crate::common::{Client, Mechanism, STORAGE, ask_for_certificates, resumption, server_builder};
use crate::id_of;

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
