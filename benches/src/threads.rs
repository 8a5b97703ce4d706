//! Work on several threads at once. A thread that panics, because it saw a wrong answer, neither
//! leaves the others waiting nor loses its message.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// Lets `threads` threads, which are told their number, prepare and then work all at once; what
/// each of them returns. Panics when one of them does.
pub(crate) fn on_threads<P, R: Send>(
    threads: usize,
    prepare: impl Fn(usize) -> P + Sync,
    work: impl Fn(P) -> R + Sync,
) -> Vec<R> {
    let barrier = Barrier::new(threads);
    let run = |thread| {
        let prepared = catch_unwind(AssertUnwindSafe(|| prepare(thread)));
        barrier.wait();
        work(prepared.unwrap_or_else(|panic| resume_unwind(panic)))
    };
    thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || run(t))).collect();
        workers.into_iter().map(join).collect()
    })
}

/// Calls `work` with each of `all`, on several threads; the results, in the order of `all`.
pub(crate) fn each<T: Sync, R: Send>(
    threads: usize,
    all: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        Some((at, work(all.get(at)?)))
    };
    let work = |()| std::iter::from_fn(take).collect::<Vec<_>>();
    let done = on_threads(threads, |_| (), work).into_iter().flatten();
    done.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Raises a flag when it is dropped, also by a panic.
pub(crate) struct Raises<'a>(pub(crate) &'a AtomicBool);

impl Drop for Raises<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a thread returns. When it panicked, panics with its message.
pub(crate) fn join<R>(worker: ScopedJoinHandle<'_, R>) -> R {
    worker.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Puts the calling thread into the class `SCHED_IDLE` (sched(7)); it cannot leave it again.
#[allow(unsafe_code, reason = "std does not have this system call")]
pub(crate) fn become_idle() -> io::Result<()> {
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

    fn message(run: impl FnOnce() -> Vec<usize>) -> String {
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
        let message = panic.downcast_ref::<String>();
        message.expect("its message").to_owned()
    }

    #[test]
    fn a_panic_is_passed_on_and_no_thread_waits() {
        let wrong = |t: usize| assert!(t != 1, "wrong bytes for {t}");
        let at_work = || on_threads(3, |t| t, |t| (wrong(t), t).1);
        assert_eq!(message(at_work), "wrong bytes for 1");
        let before = || on_threads(3, |t| (wrong(t), t).1, |t| t);
        assert_eq!(message(before), "wrong bytes for 1");
    }

    #[test]
    #[allow(unsafe_code)]
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
