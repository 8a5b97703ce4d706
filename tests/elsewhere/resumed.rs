//! A session of one machine resumes on another, over real connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rekindle::SessionId;
use rekindle::openssl::{Scope, StoreError};

use crate::common::{self, Client, Connection, Mechanism, server_builder};
use crate::machine::{Machine, scope};

#[test]
fn a_session_of_one_machine_resumes_on_another() {
    for kind in Mechanism::STATEFUL {
        for with_certificates in [false, true] {
            let machines = [(); 2].map(|()| Machine::new(kind));
            let servers = machines.each_ref().map(|machine| {
                let mut builder = server_builder(b"");
                if with_certificates {
                    common::ask_for_certificates(&mut builder, &machine.resumption);
                }
                let resumption = &machine.resumption;
                resumption.install_scoped(&mut builder, &scope()).unwrap();
                builder.build()
            });
            let case = format!("{kind:?}, {with_certificates}");
            let client = Client::new(kind);
            client.connect(&servers[0]);
            let session = client.session();
            let stored = machines[0].stored();
            for one in &stored {
                assert_eq!(one.scope, scope());
                assert!(machines[1].insert(one).unwrap(), "{case}");
            }
            let came = client.offer(&servers[1], &session);
            assert!(came.resumed(), "{case}");
            assert_eq!(came.resumed_by(), Some(kind.resumed_by()), "{case}");
            let certificate = came.server.ssl().peer_certificate();
            assert_eq!(certificate.is_some(), with_certificates, "{case}");
            drop(came);
            assert!(client.reconnect(&servers[1]).resumed(), "{case}: again");
            // It still is the first one's as well.
            assert!(client.offer(&servers[0], &session).resumed(), "{case}");
        }
    }
}

#[test]
fn it_resumes_in_its_own_scope_only() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        let session = client.session();
        assert!(there.insert(&stored).unwrap());
        let other = there.server_of(&Scope::new("admin.example"));
        assert!(!client.offer(&other, &session).resumed(), "{kind:?}");
        assert!(client.offer(&there.server(), &session).resumed());
    }
}

#[test]
fn it_resumes_under_its_own_server_name_only() {
    for kind in Mechanism::STATEFUL {
        // The same tags of names on both, as machines with one secret have.
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let client = Client::new(kind);
        let connect = |machine: &Machine, session: Option<&_>, name| -> Connection {
            let connected = client.try_connect(&machine.server(), session, Some(name));
            connected.unwrap()
        };
        drop(connect(&here, None, "a.test"));
        let session = client.session();
        assert!(there.insert(&here.stored().pop().unwrap()).unwrap());
        assert!(
            !connect(&there, Some(&session), "b.test").resumed(),
            "{kind:?}"
        );
        let refused = there.resumption.session_stats().name_differs;
        assert_eq!(refused, 1, "{kind:?}");
        assert!(
            connect(&there, Some(&session), "a.test").resumed(),
            "{kind:?}"
        );
    }
}

#[test]
fn it_ends_when_it_is_said_to_end() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        let (session, server) = (client.session(), there.server());
        // OpenSSL's own clock stands still: no more than its time goes by here.
        let minute = Duration::from_secs(60);
        let stored = crate::machine::Stored {
            left: minute,
            ..stored
        };
        assert!(there.insert(&stored).unwrap());
        there.clock.pass(minute);
        assert!(client.offer(&server, &session).resumed(), "{kind:?}");
        there.clock.pass(Duration::from_millis(1));
        assert!(!client.offer(&server, &session).resumed(), "{kind:?}");
        assert!(there.resumption.cache().stats().expired >= 1);
    }
}

/// TLS 1.3: what has been taken on one machine is gone there, and other machines are told.
#[test]
fn a_session_of_single_use_resumes_once_on_each_machine() {
    let kind = Mechanism::Tls13Stateful;
    let [here, there] =
        [(); 2].map(|()| Machine::configured(kind, |builder| builder.single_use(true)));
    let (client, stored) = here.visited(kind);
    let session = client.session();
    assert!(there.insert(&stored).unwrap());
    let resumed = || client.offer(&there.server(), &session).resumed();
    assert_eq!([resumed(), resumed()], [true, false]);
    // Told once more, it would come back: a fleet remembers what was removed.
    assert!(there.insert(&stored).unwrap());
}

#[test]
fn one_of_several_threads_that_insert_it_does() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        for _ in 0..20 {
            let (_, stored) = here.visited(kind);
            let inserted = AtomicUsize::new(0);
            thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        let new = there.insert(&stored).unwrap();
                        inserted.fetch_add(new.into(), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(inserted.into_inner(), 1, "{kind:?}");
        }
        assert_eq!(there.resumption.cache().len(), 20);
    }
}

/// A machine reads back what it has told itself: its own session stays its own.
#[test]
fn one_that_is_there_stays_as_it_is() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        let before = here.content();
        assert!(!here.insert(&stored).unwrap(), "{kind:?}");
        assert_eq!(here.content(), before);
        // What is under its id already decides: what comes is not looked at.
        let id = stored.id;
        let end = here.end_of(&stored);
        let again = here.resumption.insert_from_elsewhere(&id, b"", end);
        assert!(matches!(again, Ok(false)), "{kind:?}");
        assert!(client.reconnect(&here.server()).resumed());

        assert!(there.insert(&stored).unwrap());
        let before = there.content();
        let longer = crate::machine::Stored {
            left: 2 * stored.left,
            ..stored.clone()
        };
        assert!(!there.insert(&longer).unwrap(), "{kind:?}");
        assert_eq!(there.content(), before);
    }
}

/// One that has been removed there since, or was never there, is a miss.
#[test]
fn what_was_removed_does_not_resume() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        assert!(there.insert(&stored).unwrap());
        assert!(there.resumption.cache().remove(&stored.id));
        let session = client.session();
        let came = client.offer(&there.server(), &session);
        assert!(!came.resumed(), "{kind:?}");
        drop(came);
        let stranger = SessionId::new(b"another").unwrap();
        let end = there.end_of(&stored);
        let refused = (there.resumption).insert_from_elsewhere(&stranger, &stored.encoded, end);
        assert!(matches!(refused, Err(StoreError::IdDiffers)), "{refused:?}");
    }
}

#[test]
fn sessions_of_elsewhere_resume_however_they_are_stored() {
    common::with_other_storages(&[
        a_session_of_one_machine_resumes_on_another,
        it_resumes_in_its_own_scope_only,
        it_resumes_under_its_own_server_name_only,
        it_ends_when_it_is_said_to_end,
        a_session_of_single_use_resumes_once_on_each_machine,
        one_of_several_threads_that_insert_it_does,
        one_that_is_there_stays_as_it_is,
        what_was_removed_does_not_resume,
    ]);
}
