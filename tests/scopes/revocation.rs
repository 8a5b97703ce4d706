//! Revocation: from one moment on, no session of before is resumed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssl::ssl::{Ssl, SslContext, SslVerifyMode};
use rekindle::openssl::{Resumption, Scope};
use rekindle::tickets::{TicketKeys, TicketRing};

use crate::clock::{TwoClocks, clock};
use crate::common::{self, Client, Connection, Mechanism, server_builder};

const TICK: Duration = Duration::from_millis(1);

fn resumption(kind: Mechanism, clock: &Arc<TwoClocks>) -> Resumption {
    let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
    with_ring(kind, ring)
}

fn with_ring(kind: Mechanism, ring: TicketRing) -> Resumption {
    Resumption::builder()
        .session_storage(common::STORAGE.get())
        .stateless_tickets(kind.stateless())
        .ticket_ring(Arc::new(ring))
        .build()
        .unwrap()
}

fn server(resumption: &Resumption, scope: &Scope) -> SslContext {
    let mut builder = server_builder(b"");
    resumption.install_scoped(&mut builder, scope).unwrap();
    builder.build()
}

fn refused(resumption: &Resumption, kind: Mechanism) -> u64 {
    match kind.stateless() {
        true => resumption.ticket_stats().revoked,
        false => resumption.session_stats().revoked,
    }
}

#[test]
fn sessions_of_before_are_revoked_and_those_of_after_are_not() {
    for kind in Mechanism::ALL {
        for all in [false, true] {
            let (clock, scope) = (clock(), Scope::new("a"));
            let resumption = resumption(kind, &clock);
            let server = server(&resumption, &scope);
            let client = Client::new(kind);
            client.connect(&server);
            // A chain of renewals goes back to its full handshake.
            assert!(client.reconnect(&server).resumed(), "{kind:?}");
            match all {
                true => resumption.revoke_all(),
                false => resumption.revoke(&scope),
            }
            clock.pass(TICK);
            assert!(!client.reconnect(&server).resumed(), "{kind:?}, {all}");
            assert_eq!(refused(&resumption, kind), 1, "{kind:?}, {all}");
            assert!(client.reconnect(&server).resumed(), "{kind:?}, {all}");
            assert_eq!(refused(&resumption, kind), 1, "{kind:?}, {all}");
        }
    }
}

#[test]
fn other_scopes_are_left_alone() {
    for kind in Mechanism::ALL {
        let (clock, scopes) = (clock(), ["a", "b"].map(Scope::new));
        let resumption = resumption(kind, &clock);
        let servers = scopes.map(|scope| server(&resumption, &scope));
        let clients = servers.each_ref().map(|server| {
            let client = Client::new(kind);
            client.connect(server);
            client
        });
        resumption.revoke(&scopes[0]);
        clock.pass(TICK);
        let resumed = [0, 1].map(|i| clients[i].reconnect(&servers[i]).resumed());
        assert_eq!(resumed, [false, true], "{kind:?}");
    }
}

/// The wall clock says nothing of this process's own sessions.
#[test]
fn a_clock_that_steps_neither_saves_a_session_nor_revokes_one() {
    for kind in Mechanism::ALL {
        for step in [-3_000, 3_000] {
            let (clock, scope) = (clock(), Scope::new("a"));
            let resumption = resumption(kind, &clock);
            let server = server(&resumption, &scope);
            let (before, after) = (Client::new(kind), Client::new(kind));
            before.connect(&server);
            clock.step(step);
            clock.pass(TICK);
            resumption.revoke(&scope);
            clock.pass(TICK);
            after.connect(&server);
            assert!(after.reconnect(&server).resumed(), "{kind:?}, {step}");
            assert!(!before.reconnect(&server).resumed(), "{kind:?}, {step}");
        }
    }
}

/// A handshake that has found its session, or has begun a full one, goes on. What it is given was
/// revoked before it was given.
#[test]
fn a_handshake_under_way_gets_nothing_that_outlives_the_revocation() {
    for kind in Mechanism::ALL {
        for in_a_full_handshake in [false, true] {
            let (clock, scope) = (clock(), Scope::new("a"));
            let resumption = Arc::new(resumption(kind, &clock));
            let mut builder = server_builder(b"");
            resumption.install_scoped(&mut builder, &scope).unwrap();
            let is_due = Arc::new(AtomicBool::new(false));
            let revoke = {
                let (resumption, clock) = (Arc::clone(&resumption), Arc::clone(&clock));
                let is_due = Arc::clone(&is_due);
                move || {
                    if is_due.swap(false, Ordering::SeqCst) {
                        clock.pass(TICK);
                        resumption.revoke_all();
                        clock.pass(TICK);
                    }
                }
            };
            if in_a_full_handshake {
                // The client's certificate comes after the ClientHello.
                let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
                builder.set_verify_callback(mode, move |_, _| {
                    revoke();
                    true
                });
            } else {
                // The session has been looked up by then.
                builder.set_servername_callback(move |_, _| {
                    revoke();
                    Ok(())
                });
            }
            let (server, client) = (builder.build(), Client::new(kind));
            let case = format!("{kind:?}, {in_a_full_handshake}");
            is_due.store(in_a_full_handshake, Ordering::SeqCst);
            client.connect(&server);
            if !in_a_full_handshake {
                is_due.store(true, Ordering::SeqCst);
                assert!(client.reconnect(&server).resumed(), "{case}");
            }
            assert!(!is_due.load(Ordering::SeqCst), "{case}");
            assert!(!client.reconnect(&server).resumed(), "{case}");
            assert!(client.reconnect(&server).resumed(), "{case}");
        }
    }
}

#[test]
fn for_sessions_of_other_machines_the_time_of_day_decides() {
    let keys = TicketKeys::random().unwrap();
    for kind in Mechanism::TICKETS {
        for (step, survives) in [(-5, true), (5, false)] {
            let machine = |step| {
                let clock = clock();
                clock.step(step);
                let ring = TicketRing::builder().clock(clock).keys(&keys);
                with_ring(kind, ring.build().unwrap())
            };
            let (scope, ours, theirs) = (Scope::new("a"), machine(step), machine(0));
            let client = Client::new(kind);
            client.connect(&server(&theirs, &scope));
            ours.revoke(&scope);
            let came = client.reconnect(&server(&ours, &scope));
            assert_eq!(came.resumed(), survives, "{kind:?}, {step}");
            // Theirs know nothing of it.
            assert_eq!(theirs.ticket_stats().revoked, 0);
        }
    }
}

#[test]
fn a_session_that_outlives_its_connection_is_as_old_as_before() {
    for kind in Mechanism::STATEFUL {
        let (clock, scope) = (clock(), Scope::new("a"));
        let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
        let resumption = Resumption::builder()
            .stateless_tickets(false)
            .keep_sessions(true)
            .ticket_ring(Arc::new(ring))
            .build()
            .unwrap();
        let server = server(&resumption, &scope);
        let client = Client::new(kind);
        let mut broken_off = client.connect(&server);
        broken_off.rude = true;
        drop(broken_off);
        clock.step(-3_600);
        clock.pass(TICK);
        resumption.revoke(&scope);
        clock.pass(TICK);
        assert!(!client.reconnect(&server).resumed(), "{kind:?}");
        assert_eq!(resumption.session_stats().revoked, 1, "{kind:?}");
    }
}

#[test]
fn revocations_hold_however_sessions_are_stored() {
    common::with_other_storages(&[
        sessions_of_before_are_revoked_and_those_of_after_are_not,
        other_scopes_are_left_alone,
        a_clock_that_steps_neither_saves_a_session_nor_revokes_one,
    ]);
}

#[cfg(feature = "rustls")]
#[test]
fn rustls_configurations_beside_it_are_revoked_as_well() {
    use rustls::server::{ProducesTickets, StoresServerSessions};

    let (clock, scopes) = (clock(), ["a", "b"].map(Scope::new));
    let resumption = resumption(Mechanism::Tls13Ticket, &clock);
    let [a, b] = scopes.map(|scope| {
        let (store, ticketer) = (
            resumption.rustls_store(&scope),
            resumption.rustls_ticketer(&scope),
        );
        assert!(store.put(scope.as_bytes().to_vec(), b"session".to_vec()));
        let ticket = ticketer.encrypt(b"session").unwrap();
        (scope, store, ticketer, ticket)
    });
    let resumes = |(scope, store, ticketer, ticket): &(Scope, _, Arc<_>, Vec<u8>)| {
        let store: &Arc<rekindle::rustls::SessionStore<_>> = store;
        let ticketer: &Arc<rekindle::rustls::Ticketer> = ticketer;
        let found = store.get(scope.as_bytes()).is_some();
        (found, ticketer.decrypt(ticket).is_some())
    };
    assert_eq!(resumes(&a), (true, true));
    resumption.revoke(&scopes[0]);
    assert_eq!((resumes(&a), resumes(&b)), ((false, false), (true, true)));
    resumption.revoke_all();
    assert_eq!(resumes(&b), (false, false));
    let (stores, tickets) = (
        resumption.rustls_store_stats(),
        resumption.rustls_ticket_stats(),
    );
    assert_eq!((stores.revoked, tickets.revoked), (2, 2));
    clock.pass(Duration::from_secs(2));
    let (scope, store, ticketer, _) = &a;
    assert!(store.put(scope.as_bytes().to_vec(), b"session".to_vec()));
    let ticket = ticketer.encrypt(b"session").unwrap();
    assert!(store.take(scope.as_bytes()).is_some());
    assert!(ticketer.decrypt(&ticket).is_some());
}

/// Reading a revocation: eight threads that resume while others are revoked.
#[test]
fn revocations_beside_handshakes() {
    let scope = Scope::new("a");
    let resumption = Resumption::builder()
        .stateless_tickets(true)
        .build()
        .unwrap();
    let server = server(&resumption, &scope);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let client = Client::new(Mechanism::Tls13Ticket);
                client.connect(&server);
                for _ in 0..50 {
                    let connection = Ssl::new(&server).unwrap();
                    let session = client.session();
                    let _: Connection = client.offer_to(connection, &session).unwrap();
                }
            });
        }
        threads.spawn(|| {
            for i in 0_u32..1_000 {
                resumption.revoke(&Scope::new(i.to_be_bytes()));
            }
            resumption.revoke(&scope);
        });
    });
    let stats = resumption.ticket_stats();
    assert_eq!(stats.opened + stats.revoked, 200, "{stats:?}");
}
