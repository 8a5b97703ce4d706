//! Sessions of the cache that resume once are taken after the binder.

use std::sync::Arc;
use std::sync::Mutex;

use rekindle::SessionId;
use rekindle::hooks::SessionEvent;
use rekindle::openssl::Resumption;

use crate::clock::clock;
use crate::common::{Client, Connection, Mechanism, server};
use crate::flight::{Delivered, Flight, configured, visited};

const KIND: Mechanism = Mechanism::Tls13Stateful;

/// The last bytes of the ClientHello are those of the binder.
fn with_a_wrong_binder(flight: &Flight) -> Vec<u8> {
    let mut bytes = flight.bytes.clone();
    let hello = 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    bytes[hello - 1] ^= 1;
    bytes
}

#[test]
fn an_observer_who_shows_a_ticket_without_its_secret_burns_nothing() {
    for once in [false, true] {
        let resumption = configured(KIND, &clock(), |builder| builder.single_use(once));
        let (server, client) = (server(&resumption), Client::new(KIND));
        client.connect(&server);
        let flight = Flight::of(&client);
        for _ in 0..3 {
            assert!(Delivered::to(&server, &with_a_wrong_binder(&flight)).is_err());
        }
        let came = flight.complete(&server).unwrap();
        assert!(came.accepted() && came.resumed, "{once}");
    }
}

#[test]
fn a_session_of_single_use_resumes_once_with_early_data_and_without() {
    for early in [false, true] {
        let resumption = configured(KIND, &clock(), |builder| builder.single_use(true));
        let (server, client) = (server(&resumption), Client::new(KIND));
        client.connect(&server);
        let first = client.session();
        if early {
            let flight = Flight::new(&client, &first, None);
            assert!(flight.complete(&server).unwrap().resumed);
        } else {
            assert!(client.offer(&server, &first).resumed());
        }
        assert!(!client.offer(&server, &first).resumed(), "{early}");
        // What it was given in its place is another session.
        assert!(client.reconnect(&server).resumed(), "{early}");
    }
}

#[test]
fn a_session_of_many_uses_resumes_again() {
    let resumption = Resumption::builder()
        .stateless_tickets(false)
        .build()
        .unwrap();
    let (server, client) = (server(&resumption), Client::new(KIND));
    client.connect(&server);
    let first = client.session();
    for _ in 0..3 {
        assert!(client.offer(&server, &first).resumed());
    }
}

#[test]
fn a_hook_sees_a_session_that_is_taken() {
    let (resumption, server, client) = visited(KIND, &clock());
    let seen = Arc::<Mutex<Vec<(SessionEvent, bool)>>>::default();
    let (adds, cache) = (Arc::clone(&seen), Arc::clone(resumption.cache()));
    resumption.hooks().add(move |event, id: &SessionId| {
        let is_there = cache.contains(id);
        adds.lock().unwrap().push((event, is_there));
    });
    assert!(
        Delivered::to(&server, &Flight::of(&client).bytes)
            .unwrap()
            .accepted()
    );
    assert_eq!(
        *seen.lock().unwrap(),
        [(SessionEvent::Get, true), (SessionEvent::Remove, true)]
    );
}

/// With another hash, OpenSSL drops the session before it looks at the binder.
#[test]
#[allow(unsafe_code)]
fn a_full_handshake_that_shows_a_ticket_burns_nothing() {
    use foreign_types_shared::ForeignTypeRef;
    use openssl::ssl::{Ssl, SslSession};
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        fn SSL_SESSION_set_cipher(
            session: *mut openssl_sys::SSL_SESSION,
            cipher: *const openssl_sys::SSL_CIPHER,
        ) -> c_int;
        fn SSL_CIPHER_find(
            ssl: *mut openssl_sys::SSL,
            number: *const u8,
        ) -> *const openssl_sys::SSL_CIPHER;
        fn SSL_set_ciphersuites(ssl: *mut openssl_sys::SSL, names: *const c_char) -> c_int;
    }
    let resumption = configured(KIND, &clock(), |builder| builder.single_use(true));
    let (server, client) = (server(&resumption), Client::new(KIND));
    client.connect(&server);
    let session = client.session();
    // An observer, who has seen the ticket and nothing else.
    let observer = Client::new(KIND);
    let stolen = SslSession::from_der(&session.to_der().unwrap()).unwrap();
    let any = Ssl::new(&server).unwrap();
    // SAFETY: live objects; TLS_AES_128_GCM_SHA256, where the session has SHA-384.
    unsafe {
        let cipher = SSL_CIPHER_find(any.as_ptr(), b"\x13\x01".as_ptr());
        assert_eq!(SSL_SESSION_set_cipher(stolen.as_ptr(), cipher), 1);
    }
    let offers = observer.new_connection(Some(&stolen), None);
    // SAFETY: a live connection, and a text that ends in zero.
    let set = unsafe { SSL_set_ciphersuites(offers.as_ptr(), c"TLS_AES_128_GCM_SHA256".as_ptr()) };
    assert_eq!(set, 1);
    let came = Connection::shake_hands(offers, Ssl::new(&server).unwrap()).unwrap();
    assert!(!came.server.ssl().session_reused());
    assert_eq!(resumption.cache().stats().hits, 1, "it was looked up");
    drop(came);
    assert!(client.offer(&server, &session).resumed());
}
