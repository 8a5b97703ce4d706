//! Sessions, tickets, revocations.

use std::sync::Arc;
use std::time::Duration;

use rekindle::openssl::{Resumption, SessionStorage};
use rekindle::tickets::{
    Fingerprint, InheritedRing, TicketKeys, TicketPolicy, TicketRing, TicketRingError, TicketSecret,
};
use rekindle::{SessionId, StateError};

use crate::clock::{TwoClocks, clock};
use crate::common::{self, Client, Mechanism, server};
use crate::{State, hand_over, send_sessions};

fn ring_of(ring: &TicketRing) -> InheritedRing {
    InheritedRing::parse(&ring.to_bytes()).unwrap()
}

fn sealing(ring: &TicketRing) -> Fingerprint {
    let keys = ring.load();
    keys.sealing(ring.now()).unwrap().key().fingerprint()
}

fn resumption(kind: Mechanism, clock: &Arc<TwoClocks>) -> Resumption {
    let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
    Resumption::builder()
        .stateless_tickets(kind.stateless())
        .ticket_ring(Arc::new(ring))
        .build()
        .unwrap()
}

#[test]
fn what_resumed_before_resumes_after_and_without_a_handover_nothing_does() {
    for kind in Mechanism::ALL {
        let clock = clock();
        let before = resumption(kind, &clock);
        let client = Client::new(kind);
        client.connect(&server(&before));
        let stranger = resumption(kind, &clock);
        let session = client.session();
        assert!(
            !client.offer(&server(&stranger), &session).resumed(),
            "{kind:?}"
        );
        let after = hand_over(&before, kind, &clock);
        assert!(
            client.offer(&server(&after), &session).resumed(),
            "{kind:?}"
        );
        // And from there on.
        let third = hand_over(&after, kind, &clock);
        assert!(client.reconnect(&server(&third)).resumed(), "{kind:?}");
    }
}

#[test]
fn both_processes_make_the_same_keys_for_as_long_as_they_live() {
    let kind = Mechanism::Tls13Ticket;
    let clock = clock();
    let before = resumption(kind, &clock);
    let after = hand_over(&before, kind, &clock);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let [ours, theirs] = [&before, &after].map(|resumption| {
            resumption.maintain().unwrap();
            let keys = resumption.ticket_ring().status().keys;
            keys.iter()
                .map(|key| (key.fingerprint, key.times))
                .collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs);
        let now = sealing(before.ticket_ring());
        assert!(!seen.contains(&now), "it rotates");
        seen.push(now);
        clock.pass(Duration::from_secs(3_600));
    }
}

#[test]
fn a_successor_with_another_period_opens_what_was_sealed_and_seals_with_keys_of_its_own() {
    let kind = Mechanism::Tls13Ticket;
    let clock = clock();
    let before = resumption(kind, &clock);
    let client = Client::new(kind);
    client.connect(&server(&before));
    let policy = TicketPolicy::default().period(Duration::from_secs(1_800));
    let ring = TicketRing::builder().clock(clock.clone()).policy(policy);
    let ring = Arc::new(ring.inherit(ring_of(before.ticket_ring())).build().unwrap());
    let old = sealing(before.ticket_ring());
    assert_ne!(sealing(&ring), old);
    let is_known = || ring.status().keys.iter().any(|key| key.fingerprint == old);
    assert!(is_known());
    let after = Resumption::builder().ticket_ring(Arc::clone(&ring));
    let after = server(&after.stateless_tickets(true).build().unwrap());
    assert!(client.reconnect(&after).resumed());
    // Its tickets have ended by then, and so has it.
    clock.pass(policy.lifetime + Duration::from_secs(1));
    ring.maintain().unwrap();
    assert!(!is_known());
}

#[test]
fn a_ring_of_provided_keys_keeps_what_it_had_from_the_one_before() {
    let clock = clock();
    let policy = TicketPolicy::default();
    let (first, second) = (TicketKeys::random().unwrap(), TicketKeys::random().unwrap());
    let builder = || TicketRing::builder().policy(policy).clock(clock.clone());
    let before = builder().keys(&first).build().unwrap();
    // It is so old that a key of the ring's own seals.
    clock.pass(policy.max_age - policy.lifetime + Duration::from_secs(1));
    before.maintain().unwrap();
    assert!(before.status().fallback);
    let own = sealing(&before);
    // The same keys are no younger in the next process, and fresh ones take over.
    let same = builder()
        .keys(&first)
        .inherit(ring_of(&before))
        .build()
        .unwrap();
    assert!(same.status().fallback);
    assert_eq!(sealing(&same), own);
    let fresh = builder()
        .keys(&second)
        .inherit(ring_of(&before))
        .build()
        .unwrap();
    assert!(!fresh.status().fallback);
    assert!(fresh.status().keys.iter().any(|key| key.fingerprint == own));
}

#[test]
fn own_keys_open_on_where_a_provider_takes_over() {
    let clock = clock();
    let before = TicketRing::builder().clock(clock.clone()).build().unwrap();
    let own = sealing(&before);
    let secret = TicketSecret::random(Duration::from_secs(3_600), None).unwrap();
    let keys = TicketKeys::random().unwrap();
    let builder = || {
        TicketRing::builder()
            .clock(clock.clone())
            .inherit(ring_of(&before))
    };
    for after in [builder().keys(&keys), builder().secret(&secret)] {
        let after = after.build().unwrap();
        assert!(!after.status().fallback);
        assert_ne!(sealing(&after), own);
        let keys = after.status().keys;
        let kept = keys
            .iter()
            .find(|key| key.fingerprint == own)
            .expect("it opens");
        assert_eq!(kept.opens_for, TicketPolicy::default().lifetime);
    }
}

#[test]
fn a_ring_of_another_clock_is_refused() {
    let clock = clock();
    let ring = TicketRing::builder().clock(clock.clone()).build().unwrap();
    let old = ring_of(&ring);
    let build = |inherited, clock: &Arc<TwoClocks>| {
        let ring = TicketRing::builder()
            .clock(clock.clone())
            .inherit(inherited);
        ring.build().map(drop)
    };
    let refused = Err(TicketRingError::Inherited(StateError::Clock));
    let rebooted = TwoClocks::new(Duration::from_secs(60), Duration::from_secs(1 << 30));
    assert_eq!(build(old.clone(), &Arc::new(rebooted)), refused);
    clock.pass(Duration::from_secs(3_600));
    assert_eq!(build(old.clone(), &clock), Ok(()));
    clock.pass(Duration::from_secs(1));
    assert_eq!(build(old, &clock), refused);
}

#[test]
fn what_is_revoked_stays_revoked_whenever_that_was() {
    for kind in Mechanism::ALL {
        let clock = clock();
        let before = resumption(kind, &clock);
        let [early, late] = [(); 2].map(|()| Client::new(kind));
        early.connect(&server(&before));
        let mut builder = common::server_builder(b"tests");
        let scope = before.install(&mut builder).unwrap();
        before.revoke(&scope);
        clock.pass(Duration::from_secs(2));
        late.connect(&server(&before));
        let mut handover = before.hand_over();
        let after = State::of(&handover, &before).successor(kind, &clock, |builder| builder);
        send_sessions(&mut handover, usize::MAX, &after);
        let context = server(&after);
        assert!(!early.reconnect(&context).resumed(), "{kind:?}");
        let session = late.session();
        assert!(late.offer(&context, &session).resumed(), "{kind:?}");
        // While the successor gets ready.
        before.revoke_all();
        after.inherit_flights(&handover.close_early_data()).unwrap();
        send_sessions(&mut handover, usize::MAX, &after);
        assert!(!late.offer(&context, &session).resumed(), "{kind:?}");
    }
}

#[test]
fn changes_between_the_passes_come_with_the_second_one() {
    for storage in [SessionStorage::Live, SessionStorage::Encoded] {
        let kind = Mechanism::Tls12Id;
        let clock = clock();
        let before = resumption(kind, &clock);
        let [stays, goes, comes] = [(); 3].map(|()| Client::new(kind));
        let context = server(&before);
        stays.connect(&context);
        goes.connect(&context);
        let mut handover = before.hand_over();
        let state = State::of(&handover, &before);
        let after = state.successor(kind, &clock, |builder| builder.session_storage(storage));
        assert_eq!(send_sessions(&mut handover, usize::MAX, &after), 1);
        comes.connect(&context);
        let gone = SessionId::new(goes.session().id()).unwrap();
        assert!(after.cache().contains(&gone));
        assert!(before.cache().remove(&gone));
        assert_eq!(send_sessions(&mut handover, usize::MAX, &after), 1);
        assert_eq!(
            send_sessions(&mut handover, usize::MAX, &after),
            0,
            "nothing has changed"
        );
        let context = server(&after);
        assert!(stays.reconnect(&context).resumed(), "{storage:?}");
        assert!(comes.reconnect(&context).resumed(), "{storage:?}");
        assert!(!after.cache().contains(&gone));
        assert_eq!(after.cache().len(), 2);
    }
}

#[test]
fn the_sessions_that_were_resumed_come_first() {
    let kind = Mechanism::Tls12Id;
    let clock = clock();
    let before = resumption(kind, &clock);
    let context = server(&before);
    let clients: Vec<Client> = (0..400).map(|_| Client::new(kind)).collect();
    for client in &clients {
        client.connect(&context);
    }
    for client in clients.iter().step_by(10) {
        assert!(client.reconnect(&context).resumed());
    }
    let mut handover = before.hand_over();
    let after = State::of(&handover, &before).successor(kind, &clock, |builder| builder);
    assert!(send_sessions(&mut handover, 40, &after) <= 2);
    assert_eq!(after.cache().len(), 40);
    // What was left out is no change.
    assert_eq!(send_sessions(&mut handover, 40, &after), 0);
    let context = server(&after);
    for client in clients.iter().step_by(10) {
        assert!(client.reconnect(&context).resumed());
    }
}

#[test]
fn a_session_ends_when_it_was_to_end() {
    for kind in Mechanism::STATEFUL {
        let clock = clock();
        let before = resumption(kind, &clock);
        let context = server(&before);
        for _ in 0..10 {
            Client::new(kind).connect(&context);
        }
        let all = |resumption: &Resumption| common::content(resumption.cache());
        let after = hand_over(&before, kind, &clock);
        assert_eq!(all(&before), all(&after));
        assert!(all(&after).len() >= 10);
    }
}
