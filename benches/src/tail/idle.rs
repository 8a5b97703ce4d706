//! Threads that run only when no other wants to.
#![allow(unsafe_code)] // a system call that the standard library does not have

use std::io;

/// Puts the calling thread into the class `SCHED_IDLE` (sched(7)); it cannot leave it again.
pub(super) fn become_idle() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the parameters outlive the call, which only reads them.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_becomes_idle() {
        let policy = || {
            become_idle().unwrap();
            // SAFETY: 0 is the calling thread.
            unsafe { libc::sched_getscheduler(0) }
        };
        let policy = std::thread::spawn(policy).join().unwrap();
        assert_eq!(policy, libc::SCHED_IDLE);
    }
}
