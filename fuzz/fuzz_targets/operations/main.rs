//! Sequences of operations on a cache against a plain oracle: a map of what must be in it.
//!
//! The oracle cannot know whom the cache evicts. So after each operation it looks at all that is
//! left: whatever is gone must be counted as evicted for a reason that held, and whatever is there
//! must be exactly what was put in. Hence every answer is known beforehand.
#![no_main]

mod input;
mod oracle;
mod validate;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;
use rekindle::{Cache, ManualClock};

use input::Input;
use oracle::{ALIVE, Oracle};

fuzz_target!(|input: Input| {
    let clock = Arc::new(ManualClock::new());
    let mut builder = Cache::builder()
        .capacity(input.capacity)
        .max_encoded_len(input.max_encoded_len)
        .clock(clock.clone())
        .hasher(input.hashes);
    if let Some(bytes) = input.max_bytes {
        builder = builder.max_bytes(bytes);
    }
    if let Some(objects) = input.retired_limit {
        builder = builder.retired_limit(objects);
    }
    let cache = builder.build().expect("in range");
    let mut oracle = Oracle::new(&cache, &clock, &input);
    oracle.run(&mut input.operations.into_iter());

    // Nobody is pinned any more: what has left is reclaimed, and the rest goes with the cache.
    cache.maintain();
    oracle.validate();
    oracle.validate_reclaimed();
    drop(cache);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
});
