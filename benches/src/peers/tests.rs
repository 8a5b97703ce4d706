//! Every peer does what the loads rest on.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::workload::{SHORTEST, Value, churned};

fn each(test: impl Fn(Entrant, &(dyn Peer + Sync))) {
    let all = Contender::tables().chain([Contender::Fifo]);
    for entrant in all.flat_map(Contender::forms) {
        test(entrant, &*entrant.boxed(1_000));
    }
}

#[test]
fn what_was_inserted_is_found_replaced_and_removed() {
    each(|name, peer| {
        let (one, two) = (churned(0, 1).id, churned(0, 2).id);
        let (mut value, mut buffer) = (Value::new(SHORTEST), [0; 200]);
        assert_eq!(peer.get(&one), None, "{name}");
        assert!(peer.insert(&one, value.of(1, 5)), "{name}");
        assert!(peer.insert(&two, value.of(2, 6)), "{name}");
        assert!(peer.insert(&one, value.of(7, 8)), "{name}");
        assert_eq!(peer.get(&one), Some(7), "{name}");
        assert_eq!(peer.get_buffer(&one, &mut buffer), Some(SHORTEST), "{name}");
        assert_eq!(buffer[..SHORTEST], *value.of(7, 8), "{name}");
        assert!(peer.remove(&one), "{name}");
        assert!(!peer.remove(&one), "{name}");
        assert_eq!(peer.get(&one), None, "{name}");
        assert_eq!(peer.take(&two), Some(2), "{name}");
        assert_eq!(peer.take(&two), None, "{name}");
    });
}

#[test]
fn of_many_takers_one_is_handed_the_session() {
    const SESSIONS: u64 = 200;
    each(|name, peer| {
        if name.contender == Contender::TinyUfo {
            // Its `remove` clones what it finds, and removes it then: several callers get it. So it
            // is left out of the loads that take.
            return;
        }
        let mut value = Value::new(SHORTEST);
        for step in 0..SESSIONS {
            peer.insert(&churned(0, step).id, value.of(step, 0));
        }
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for step in 0..SESSIONS {
                        if let Some(number) = peer.take(&churned(0, step).id) {
                            assert_eq!(number, step, "{name}");
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), SESSIONS as usize, "{name}");
    });
}

#[test]
fn a_floor_holds_what_was_put_and_not_what_was_taken() {
    let mut floor = Floor::new(100, 160);
    let mut value = Value::new(160);
    for round in 0..50 {
        for step in round..round + 20 {
            assert!(floor.put(&churned(0, step).id, value.of(step, 1)));
        }
        assert_eq!(floor.take_out(&churned(0, round).id), Some(round));
        assert_eq!(floor.look_up(&churned(0, round).id), None);
    }
    let found = floor.look_up(&churned(0, 55).id).expect("it was put");
    assert_eq!(crate::workload::check(55, found, 160), 1);
}

#[test]
fn first_in_is_first_out_although_it_was_used_unless_it_came_again() {
    let fifo = Contender::Fifo.plain().boxed(2);
    let id = |step| churned(0, step).id;
    let insert = |step| fifo.insert(&id(step), Value::new(SHORTEST).of(step, 0));
    insert(0);
    insert(1);
    assert!(fifo.get(&id(0)).is_some());
    insert(2);
    assert!(fifo.get(&id(0)).is_none());
    insert(1);
    insert(3);
    assert!(fifo.get(&id(1)).is_some());
    assert!(fifo.get(&id(2)).is_none());
}
