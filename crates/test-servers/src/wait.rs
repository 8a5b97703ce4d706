//! Waits with a limit.

use std::thread;
use std::time::{Duration, Instant};

/// Far longer than any step takes, also on a slow machine with other work.
pub const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Polls until `done`, or fails the test.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
        thread::sleep(POLL);
    }
}
