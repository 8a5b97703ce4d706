//! Sequences of operations on a cache against the oracle of `tests/common/operations`.
#![no_main]

#[path = "../../tests/common/operations/mod.rs"]
mod operations;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: operations::Input| operations::run(input, true));
