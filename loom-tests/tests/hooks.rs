//! The list of session hooks: added while handshakes read it.
#![cfg(loom)]
// A test's own record of what ran: loom does not see it.
#![allow(clippy::disallowed_types)]

use std::sync::{Arc, Mutex};

use loom::thread;
use rekindle::hooks::{SessionEvent, SessionHooks};
use rekindle_loom_tests::{A, Value, id, model};

type Ran = Arc<Mutex<Vec<u8>>>;

/// A hook that writes its number down, which it keeps in memory that loom watches.
fn add(hooks: &SessionHooks, n: u8, ran: &Ran) {
    let (value, ran) = (Value::new(n), Arc::clone(ran));
    hooks.add(move |_, _| ran.lock().unwrap().push(value.get()));
}

fn run(hooks: &SessionHooks, ran: &Ran) -> Vec<u8> {
    hooks.run(SessionEvent::Get, &id(A));
    std::mem::take(&mut ran.lock().unwrap())
}

/// A handshake runs the hooks while another thread adds one: it runs the old one, and then perhaps
/// the new one, whole.
///
/// Catches a hook that is published before it is written, and one that is freed with its list while
/// it is still to be dropped.
#[test]
fn a_handshake_runs_what_was_there_and_perhaps_what_comes() {
    model(None, || {
        let (hooks, ran) = (Arc::new(SessionHooks::new()), Ran::default());
        add(&hooks, 1, &ran);
        let (theirs, theirs_ran) = (Arc::clone(&hooks), Arc::clone(&ran));
        let other = thread::spawn(move || add(&theirs, 2, &theirs_ran));
        let seen = run(&hooks, &ran);
        assert!(seen == [1] || seen == [1, 2], "{seen:?}");
        other.join().expect("loom stops at a panic");
        assert_eq!(run(&hooks, &ran), [1, 2]);
    });
}

/// Two threads add at the same time: both hooks are there, in one order for good.
///
/// Catches an end of the list that is found and then overwritten.
#[test]
fn of_two_hooks_added_at_once_none_is_lost() {
    model(None, || {
        let (hooks, ran) = (Arc::new(SessionHooks::new()), Ran::default());
        let (theirs, theirs_ran) = (Arc::clone(&hooks), Arc::clone(&ran));
        let other = thread::spawn(move || add(&theirs, 2, &theirs_ran));
        add(&hooks, 1, &ran);
        other.join().expect("loom stops at a panic");
        let seen = run(&hooks, &ran);
        assert!(seen == [1, 2] || seen == [2, 1], "{seen:?}");
        assert_eq!(run(&hooks, &ran), seen);
    });
}
