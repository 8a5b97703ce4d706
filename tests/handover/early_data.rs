//! No flight of early data is accepted by both processes, and those that are new by one of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rekindle::openssl::{EarlyData, EarlyDataStatus};

use crate::clock::clock;
use crate::common::server;
use crate::flight::{Delivered, Flight, WAYS, counted, pass, visited};
use crate::{State, send_sessions};

#[test]
fn a_flight_that_one_process_has_accepted_the_next_one_refuses() {
    for kind in WAYS {
        let clock = clock();
        // In the middle of the time in which a process knows that it has just started.
        pass(&clock, 10);
        let (before, context, client) = visited(kind, &clock);
        let (first, second) = (Flight::of(&client), Flight::of(&client));
        assert!(Delivered::to(&context, &first.bytes).unwrap().accepted());
        // The session is gone with its flight where it is in the cache.
        client.connect(&context);
        let fresh = match kind.stateless() {
            true => second,
            false => Flight::of(&client),
        };
        let mut handover = before.hand_over();
        let state = State::of(&handover, &before);
        let accept = |builder: rekindle::openssl::ResumptionBuilder| {
            builder.early_data(EarlyData::up_to(1_000))
        };
        let after = state.successor(kind, &clock, accept);
        send_sessions(&mut handover, usize::MAX, &after);
        after.inherit_flights(&handover.close_early_data()).unwrap();
        send_sessions(&mut handover, usize::MAX, &after);
        assert!(
            !Delivered::to(&context, &fresh.bytes).unwrap().accepted(),
            "it has closed"
        );
        handover.finish();
        let successor = server(&after);
        assert!(
            !Delivered::to(&successor, &first.bytes).unwrap().accepted(),
            "{kind:?}"
        );
        if kind.stateless() {
            assert_eq!(counted(&after), [("replayed", 1)]);
            assert_eq!(counted(&before), [("accepted", 1), ("handover", 1)]);
        }
        let delivered = Delivered::to(&successor, &fresh.bytes).unwrap();
        assert_eq!(
            delivered.status,
            EarlyDataStatus::Accepted,
            "{kind:?}: {:?}",
            counted(&after)
        );
        assert!(
            !Delivered::to(&context, &fresh.bytes).unwrap().accepted(),
            "for good"
        );
    }
}

#[test]
fn a_handover_that_comes_to_nothing_changes_nothing() {
    for kind in WAYS {
        let (before, context, client) = visited(kind, &clock());
        let mut handover = before.hand_over();
        let _ = handover.close_early_data();
        let flight = Flight::of(&client);
        let refused = Delivered::to(&context, &flight.bytes).unwrap();
        assert!(!refused.accepted());
        drop(handover);
        client.connect(&context);
        let flight = Flight::of(&client);
        assert!(
            Delivered::to(&context, &flight.bytes).unwrap().accepted(),
            "{kind:?}"
        );
    }
}

/// Another handover, which had closed nothing, once opened what this one had closed.
#[test]
fn only_what_a_handover_has_closed_is_opened_when_it_fails() {
    let kind = WAYS[0];
    let (before, context, client) = visited(kind, &clock());
    let (first, second) = (before.hand_over(), before.hand_over());
    let mut closing = first;
    let _ = closing.close_early_data();
    drop(second);
    let refused = Delivered::to(&context, &Flight::of(&client).bytes).unwrap();
    assert!(!refused.accepted());
    let mut other = before.hand_over();
    let _ = other.close_early_data();
    closing.finish();
    drop(other);
    let refused = Delivered::to(&context, &Flight::of(&client).bytes).unwrap();
    assert!(!refused.accepted(), "it has been handed over");
}

/// Off in the process between, which had no register, so that the third knows of no flight.
#[test]
fn flights_from_before_a_process_without_early_data_are_refused() {
    let kind = WAYS[0];
    let clock = clock();
    let (first, context, client) = visited(kind, &clock);
    let flight = Flight::of(&client);
    assert!(Delivered::to(&context, &flight.bytes).unwrap().accepted());
    let second = State::of(&first.hand_over(), &first).successor(kind, &clock, |builder| builder);
    let accept = EarlyData::up_to(1_000);
    let third = State::of(&second.hand_over(), &second);
    let third = third.successor(kind, &clock, |builder| builder.early_data(accept));
    let context = server(&third);
    assert!(!Delivered::to(&context, &flight.bytes).unwrap().accepted());
    pass(&clock, 31);
    client.connect(&context);
    let fresh = Delivered::to(&context, &Flight::of(&client).bytes).unwrap();
    assert!(fresh.accepted(), "{:?}", counted(&third));
}

/// Without room for what was accepted before, nothing is accepted until that is too old to come.
#[test]
fn a_register_that_is_too_small_refuses_all_for_half_a_minute() {
    let kind = WAYS[0];
    let clock = clock();
    let (before, context, client) = visited(kind, &clock);
    for _ in 0..400 {
        let flight = Flight::of(&client);
        assert!(Delivered::to(&context, &flight.bytes).unwrap().accepted());
    }
    let mut handover = before.hand_over();
    let small = EarlyData::up_to(1_000).flights_per_second(1);
    let after = State::of(&handover, &before).successor(kind, &clock, |b| b.early_data(small));
    after.inherit_flights(&handover.close_early_data()).unwrap();
    let successor = server(&after);
    let flight = Flight::of(&client);
    assert!(!Delivered::to(&successor, &flight.bytes).unwrap().accepted());
    pass(&clock, 31);
    after.maintain().unwrap();
    client.connect(&successor);
    let flight = Flight::of(&client);
    let delivered = Delivered::to(&successor, &flight.bytes).unwrap();
    assert!(delivered.accepted(), "{:?}", counted(&after));
}

/// The same flights, delivered to the predecessor by one thread while another hands over, and then
/// to the successor.
#[test]
fn at_the_moment_of_the_handover_each_flight_is_accepted_once() {
    let kind = WAYS[0];
    for delay in (0..30).step_by(4) {
        let clock = clock();
        let (before, context, client) = visited(kind, &clock);
        let flights: Vec<_> = (0..40).map(|_| Flight::of(&client).bytes).collect();
        let accepted = AtomicU64::new(0);
        let deliver = |context: &openssl::ssl::SslContext| {
            for bytes in &flights {
                let delivered = Delivered::to(context, bytes).unwrap().accepted();
                accepted.fetch_add(u64::from(delivered), Ordering::Relaxed);
            }
        };
        let mut handover = before.hand_over();
        let state = State::of(&handover, &before);
        let accept = EarlyData::up_to(1_000);
        let after = state.successor(kind, &clock, |builder| builder.early_data(accept));
        thread::scope(|scope| {
            scope.spawn(|| deliver(&context));
            while before.early_data_stats().accepted < delay {
                std::hint::spin_loop();
            }
            after.inherit_flights(&handover.close_early_data()).unwrap();
        });
        handover.finish();
        deliver(&server(&after));
        // Those that the predecessor refused as it closed are lost, as any refused flight.
        let refused = before.early_data_stats().handover;
        let accepted = accepted.load(Ordering::Relaxed);
        assert!(
            accepted <= 40 && accepted + refused >= 40,
            "{accepted} and {refused}"
        );
        assert_eq!(
            accepted,
            before.early_data_stats().accepted + after.early_data_stats().accepted
        );
    }
}
