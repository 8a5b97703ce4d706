//! Sequences of operations on a cache against the oracle of `tests/common/operations`.
#![no_main]

#[path = "../../tests/common/operations/mod.rs"]
mod operations;

use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use operations::Input;
use operations::input::Operation;

/// Operations so far, those that one stands for included.
static STEPS: AtomicU64 = AtomicU64::new(0);
const TOLD_EACH: u64 = 1_000_000;

fuzz_target!(|input: Input| {
    let steps: u64 = input.operations.iter().map(steps_of).sum();
    operations::run(input, true);
    let before = STEPS.fetch_add(steps, Ordering::Relaxed);
    let millions = (before + steps) / TOLD_EACH;
    if before / TOLD_EACH < millions {
        eprintln!("operations: {millions} million steps");
    }
});

fn steps_of(operation: &Operation) -> u64 {
    match operation {
        Operation::Churn { times, .. } => (*times).into(),
        _ => 1,
    }
}
