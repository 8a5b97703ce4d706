//! The engine's lock-free stack by itself: through the cache it takes three threads to have two
//! items on it, and that is too much to explore.
#![cfg(loom)]

#[path = "../../src/lockfree/stack.rs"]
mod stack;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../src/sync/mod.rs"]
mod sync;

use std::sync::Arc;

use rekindle_loom_tests::{Value, model};
use stack::Stack;

/// Runs `other` beside `main` on a stack of 1, 2 and then, when both are done, looks at all that
/// was popped or is still there.
fn explore(
    preemptions: usize,
    main: fn(&Stack<Value>) -> Vec<Value>,
    other: fn(&Stack<Value>) -> Vec<Value>,
    expected: &'static [u8],
) {
    model(Some(preemptions), move || {
        let stack = Arc::new(Stack::new());
        stack.push(Value::new(1));
        stack.push(Value::new(2));
        let shared = stack.clone();
        let other = loom::thread::spawn(move || other(&shared));
        let mut items = main(&stack);
        items.extend(other.join().expect("loom stops at a panic"));
        items.extend(std::iter::from_fn(|| stack.pop()));
        let mut items: Vec<u8> = items.iter().map(Value::get).collect();
        items.sort_unstable();
        assert_eq!(items, expected);
    });
}

/// One thread pops while another pops both items and pushes the first back.
///
/// Catches a head without a version: the first thread finds the node on top that it has seen there,
/// and puts in its place the one that lay below it and is gone (ABA).
#[test]
fn a_node_that_comes_back_is_not_taken_for_the_one_that_was_there() {
    explore(
        3,
        |stack| stack.pop().into_iter().collect(),
        |stack| {
            let first = stack.pop();
            let second = stack.pop();
            if let Some(first) = first {
                stack.push(first);
            }
            second.into_iter().collect()
        },
        &[1, 2],
    );
}

/// Both push, so that both may need a new node, and both pop.
///
/// Catches an index that is given out twice, a node that is read before it was written, and a
/// segment that is used before it is there.
#[test]
fn each_item_is_popped_once() {
    explore(
        2,
        |stack| {
            stack.push(Value::new(3));
            stack.pop().into_iter().collect()
        },
        |stack| {
            stack.push(Value::new(4));
            stack.pop().into_iter().collect()
        },
        &[1, 2, 3, 4],
    );
}
