//! CPU time, in user mode and in the kernel.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of the calling thread so far.
pub(crate) fn of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Of this process so far, threads that have ended included.
pub(crate) fn of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    time.try_into().expect("no time before the start")
}
