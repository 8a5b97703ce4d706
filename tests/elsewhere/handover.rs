//! What came from elsewhere goes on to the successor of a process.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rekindle::openssl::{EarlyData, Handover, InheritedState, Resumption};
use rekindle::tickets::{InheritedRing, TicketRing};

use crate::common::{self, Client, Mechanism};
use crate::flight::{Flight, counted};
use crate::machine::{HOUR, Machine, scope};

/// Sends sessions, at once.
fn send(handover: &mut Handover<'_>, to: &Resumption) {
    let sent = handover.sessions(usize::MAX, |batch| {
        to.inherit_sessions(batch).unwrap();
        Ok::<_, Infallible>(())
    });
    sent.unwrap();
}

/// A whole handover, with something that happens in its middle.
fn hand_over(from: &Machine, kind: Mechanism, meanwhile: impl FnOnce(&Machine)) -> Machine {
    let mut handover = from.resumption.hand_over();
    let ring = InheritedRing::parse(&from.resumption.ticket_ring().to_bytes()).unwrap();
    let ring = TicketRing::builder()
        .clock(from.clock.clone())
        .inherit(ring);
    let cache = rekindle::Cache::builder().capacity(1_000);
    let successor = Resumption::builder()
        .cache(common::cache(cache.clock(from.clock.clone())))
        .stateless_tickets(kind.stateless())
        .ticket_ring(Arc::new(ring.build().unwrap()))
        .early_data(EarlyData::up_to(1_000))
        .inherit(InheritedState::parse(&handover.state()).unwrap());
    let successor = Machine::of(successor.build().unwrap(), from.clock.clone());
    send(&mut handover, &successor.resumption);
    meanwhile(&successor);
    let flights = handover.close_early_data();
    successor.resumption.inherit_flights(&flights).unwrap();
    send(&mut handover, &successor.resumption);
    handover.finish();
    successor
}

#[test]
fn sessions_of_elsewhere_go_on_to_the_successor_and_stay_of_elsewhere() {
    for kind in Mechanism::STATEFUL {
        let [there, here] = [(); 2].map(|()| Machine::with_early_data());
        let (client, stored) = there.visited(kind);
        let (late_client, late) = there.visited(kind);
        let (gone_client, gone) = there.visited(kind);
        let [session, late_session, gone_session] =
            [&client, &late_client, &gone_client].map(Client::session);
        assert!(here.insert(&stored).unwrap() && here.insert(&gone).unwrap());
        let content = here.content();
        let after = hand_over(&here, kind, |after| {
            assert_eq!(after.content(), content);
            // Between the passes: one more comes, and one is removed.
            assert!(here.insert(&late).unwrap());
            assert!(here.resumption.cache().remove(&gone.id));
        });
        let server = after.server();
        assert!(client.offer(&server, &session).resumed(), "{kind:?}");
        assert!(
            late_client.offer(&server, &late_session).resumed(),
            "{kind:?}"
        );
        assert!(
            !gone_client.offer(&server, &gone_session).resumed(),
            "{kind:?}"
        );
        // Neither has become its own: it is told again, and its early data is refused.
        assert!(!after.insert(&stored).unwrap());
        if kind == Mechanism::Tls13Stateful {
            let flight = Flight::new(&client, &session, None);
            let came = flight.complete(&server).unwrap();
            assert!(!came.accepted() && came.resumed);
            assert_eq!(counted(&after.resumption), [("foreign", 1)]);
            let third = hand_over(&after, kind, |_| ());
            let flight = Flight::new(&client, &session, None);
            let came = flight.complete(&third.server()).unwrap();
            assert!(!came.accepted() && came.resumed, "the next one");
        }
    }
}

#[test]
fn revocations_of_elsewhere_go_on_to_the_successor() {
    for kind in Mechanism::STATEFUL {
        for target in [Some(scope()), None] {
            for between in [false, true] {
                let [there, here] = [(); 2].map(|()| Machine::new(kind));
                let (own, _) = here.visited(kind);
                let (guest, stored) = there.visited(kind);
                assert!(here.insert(&stored).unwrap());
                let until = rekindle::Clock::unix_time(&*here.clock) + HOUR;
                let revoke = || {
                    (here.resumption).revoke_from_elsewhere(target.as_ref(), until);
                };
                if !between {
                    revoke();
                }
                let after = hand_over(&here, kind, |_| {
                    if between {
                        revoke();
                    }
                });
                let server = after.server();
                let case = format!("{kind:?}, {target:?}, {between}");
                let (mine, theirs) = (own.session(), guest.session());
                assert!(!own.offer(&server, &mine).resumed(), "{case}");
                assert!(!guest.offer(&server, &theirs).resumed(), "{case}");
                // One that the successor is told of only now.
                let (guest, stored) = there.visited(kind);
                let session = guest.session();
                assert!(after.insert(&stored).unwrap());
                assert!(!guest.offer(&server, &session).resumed(), "{case}");
                // The successor reads the store from the beginning: it knows that one.
                after.clock.pass(Duration::from_millis(1));
                let (fresh, _) = after.visited(kind);
                (after.resumption).revoke_from_elsewhere(target.as_ref(), until);
                assert!(fresh.reconnect(&server).resumed(), "{case}");
            }
        }
    }
}

#[test]
fn an_extension_goes_on_to_the_successor() {
    for kind in Mechanism::STATEFUL {
        let [there, here] = [(); 2].map(|()| Machine::new(kind));
        let (guest, stored) = there.visited(kind);
        let until = rekindle::Clock::unix_time(&*here.clock) + HOUR;
        here.resumption.extend_revocation(Some(&scope()), until);
        let after = hand_over(&here, kind, |_| ());
        assert!(after.insert(&stored).unwrap());
        let session = guest.session();
        let came = guest.offer(&after.server(), &session);
        assert!(!came.resumed(), "{kind:?}");
        assert_eq!(after.resumption.session_stats().revoked, 1);
    }
}

/// rustls's sessions are in the same cache. They stay behind: rustls would accept a flight of early
/// data in each of the two processes.
#[cfg(feature = "rustls")]
#[test]
fn sessions_of_rustls_beside_them_stay_behind() {
    use rekindle::SessionId;
    use rustls::server::StoresServerSessions;

    for kind in Mechanism::STATEFUL {
        let here = Machine::new(kind);
        let (client, _) = here.visited(kind);
        let store = here.resumption.rustls_store(&scope());
        assert!(store.put(vec![7; 32], b"a session of rustls".to_vec()));
        let (id, now) = (
            SessionId::new(&[8; 32]).unwrap(),
            here.resumption.cache().now(),
        );
        let inserted = here.resumption.insert_rustls_from_elsewhere(
            &id,
            &scope(),
            b"a session of elsewhere",
            now.saturating_add(HOUR),
        );
        assert!(inserted.unwrap());
        let after = hand_over(&here, kind, |_| ());
        assert!(client.reconnect(&after.server()).resumed(), "{kind:?}");
        let store = after.resumption.rustls_store(&scope());
        assert_eq!((store.get(&[7; 32]), store.get(&[8; 32])), (None, None));
    }
}

#[test]
fn what_came_from_elsewhere_is_handed_over_however_sessions_are_stored() {
    common::with_other_storages(&[
        sessions_of_elsewhere_go_on_to_the_successor_and_stay_of_elsewhere,
        revocations_of_elsewhere_go_on_to_the_successor,
        an_extension_goes_on_to_the_successor,
        #[cfg(feature = "rustls")]
        sessions_of_rustls_beside_them_stay_behind,
    ]);
}
