//! What a program sets on a context beside what is installed on it: before, and afterwards.
#![allow(unsafe_code)] // OpenSSL's setters that rust-openssl lacks

mod common;

use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Client, Mechanism, ask_for_certificates, peers, resumption, server_builder};
use foreign_types_shared::ForeignType;
use openssl::ssl::{SslContext, SslContextBuilder, SslSessionCacheMode};
use openssl_sys::SSL_CTX;
use rekindle::openssl::{Conflicts, InstallError, Resumption};

unsafe extern "C" {
    fn SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx: *mut SSL_CTX, callback: *mut c_void) -> c_int;
    fn SSL_CTX_set_not_resumable_session_callback(ctx: *mut SSL_CTX, callback: *mut c_void);
    fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut SSL_CTX,
        generation: *mut c_void,
        decryption: *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
    fn SSL_CTX_sess_set_get_cb(ctx: *mut SSL_CTX, callback: *mut c_void);
}

const NONE: *mut c_void = std::ptr::null_mut();

/// A context that is in use already, as a builder.
fn again(context: &SslContext) -> ManuallyDrop<SslContextBuilder> {
    // SAFETY: a live context; what is made of it is never dropped.
    ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(context.as_ptr()) })
}

fn assert_resumes(kind: Mechanism, server: &SslContext) {
    let client = Client::new(kind);
    client.connect(server);
    assert!(client.reconnect(server).resumed(), "{kind:?}");
}

#[test]
fn nothing_is_in_conflict_where_nothing_else_is_set() {
    for kind in Mechanism::ALL {
        let (resumption, server, _) = peers(kind);
        for _ in 0..3 {
            assert_resumes(kind, &server);
        }
        // Documented: by tickets only from now on.
        again(&server).set_session_cache_mode(SslSessionCacheMode::OFF);
        Client::new(kind).connect(&server);
        assert_eq!(resumption.conflicts(), Conflicts::default(), "{kind:?}");
    }
}

#[test]
fn session_callbacks_of_the_programs_own_are_replaced_on_request_only() {
    type Set = fn(&mut SslContextBuilder);
    let setters: [(&str, Set); 3] = [
        ("new sessions", |builder| {
            builder.set_new_session_callback(|_, _| panic!("replaced"));
        }),
        // SAFETY: it returns no session.
        ("lookups", |builder| unsafe {
            builder.set_get_session_callback(|_, _| panic!("replaced"));
        }),
        ("removals", |builder| {
            builder.set_remove_session_callback(|_, _| panic!("replaced"));
        }),
    ];
    for (what, set) in setters {
        for kind in Mechanism::ALL {
            let (resumption, mut builder) = (resumption(kind), server_builder(b"tests"));
            set(&mut builder);
            let mode = builder.set_session_cache_mode(SslSessionCacheMode::BOTH);
            let error = resumption.install(&mut builder).unwrap_err();
            assert!(matches!(error, InstallError::SessionCallback(found) if found == what));
            let unchanged = builder.set_session_cache_mode(mode);
            assert_eq!(unchanged, SslSessionCacheMode::BOTH);
            resumption.install_replacing(&mut builder).unwrap();
            let twice = resumption.install(&mut builder);
            assert!(matches!(twice, Err(InstallError::AlreadyInstalled)));
            assert_resumes(kind, &builder.build());
        }
    }
}

#[test]
fn a_context_that_has_served_gives_its_internal_cache_up_on_request_only() {
    let resumption = resumption(Mechanism::Tls12Id);
    let server = server_builder(b"tests").build();
    let client = Client::without_tickets(Mechanism::Tls12Id);
    client.connect(&server);
    client.connect(&server);
    let error = resumption.install(&mut again(&server)).unwrap_err();
    assert!(matches!(error, InstallError::InternalCache(2)), "{error}");
    assert!(client.reconnect(&server).resumed());
    let removed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&removed);
    again(&server).set_remove_session_callback(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    resumption.install_replacing(&mut again(&server)).unwrap();
    assert_eq!(removed.load(Ordering::Relaxed), 2);
    assert!(!client.reconnect(&server).resumed());
    assert!(client.reconnect(&server).resumed());
    assert_eq!(resumption.cache().stats().hits, 1);
}

/// Two visits of a client after a context was changed, on a thread of their own: what one tells
/// about a connection must not serve for another at the same address.
fn after(kind: Mechanism, change: impl FnOnce(&SslContext) + Send) -> Conflicts {
    let visit = || {
        let (resumption, server, client) = peers(kind);
        change(&server);
        client.connect(&server);
        client.reconnect(&server);
        resumption.conflicts()
    };
    thread::scope(|scope| scope.spawn(visit).join()).unwrap()
}

#[test]
fn what_the_program_changes_afterwards_is_counted() {
    for kind in Mechanism::ALL {
        let replaced = after(kind, |server| {
            again(server).set_new_session_callback(|_, _| ());
        });
        assert!(replaced.session_callbacks >= 1, "{kind:?}");
        // SAFETY: OpenSSL takes null for no callback.
        let removed = after(kind, |server| unsafe {
            SSL_CTX_sess_set_get_cb(server.as_ptr(), NONE);
        });
        assert!(removed.session_callbacks >= 1, "{kind:?}");
        for mode in [SslSessionCacheMode::SERVER, SslSessionCacheMode::BOTH] {
            let found = after(kind, |server| {
                again(server).set_session_cache_mode(mode);
            });
            assert!(found.internal_cache >= 1, "{kind:?}, {mode:?}");
            assert_eq!(found.session_callbacks, 0, "{kind:?}, {mode:?}");
        }
    }
    for kind in Mechanism::TICKETS {
        // SAFETY: OpenSSL takes null for no callback.
        let found = after(kind, |server| unsafe {
            assert_eq!(
                SSL_CTX_set_tlsext_ticket_key_evp_cb(server.as_ptr(), NONE),
                1
            );
        });
        assert_eq!(found.ticket_key_callback, 1, "{kind:?}");
        // SAFETY: as above.
        let found = after(kind, |server| unsafe {
            assert_eq!(
                SSL_CTX_set_session_ticket_cb(server.as_ptr(), NONE, NONE, NONE),
                1
            );
        });
        assert!(found.session_ticket_callback >= 1, "{kind:?}");
        // SAFETY: as above.
        let found = after(kind, |server| unsafe {
            SSL_CTX_set_not_resumable_session_callback(server.as_ptr(), NONE);
        });
        assert!(found.not_resumable_callback >= 1, "{kind:?}");
    }
}

#[test]
fn a_client_gets_no_ticket_that_would_end_its_next_connection() {
    for kind in Mechanism::ALL {
        let visit_twice = |install: &dyn Fn(&mut SslContextBuilder)| {
            let mut builder = server_builder(b"");
            install(&mut builder);
            ask_for_certificates(&mut builder, &Resumption::builder().build().unwrap());
            let (server, client) = (builder.build(), Client::new(kind));
            client.connect(&server);
            client
                .try_session()
                .map(|session| client.try_connect(&server, Some(&session), None))
        };
        if kind.stateless() {
            let without = visit_twice(&|_| ()).expect("OpenSSL gives a ticket");
            assert!(without.is_err(), "{kind:?}: OpenSSL has changed");
        }
        let resumption = resumption(kind);
        // An installation makes a session id context; the program takes it away.
        let again = visit_twice(&|builder| {
            resumption.install(builder).unwrap();
            builder.set_session_id_context(b"").unwrap();
        });
        assert!(
            again.is_none_or(|again| !again.expect("a handshake").resumed()),
            "{kind:?}"
        );
        assert!(
            resumption.conflicts().no_session_id_context >= 1,
            "{kind:?}"
        );
        assert_eq!(resumption.ticket_stats().sealed, 0, "{kind:?}");
        assert_eq!(resumption.cache().len(), 0, "{kind:?}");
    }
}
