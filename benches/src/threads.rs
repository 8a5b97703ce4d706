//! Work on several threads at once. A thread that panics, because it saw a wrong answer, neither
//! leaves the others waiting nor loses its message.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
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

/// What a thread returns. When it panicked, panics with its message.
pub(crate) fn join<R>(worker: ScopedJoinHandle<'_, R>) -> R {
    worker.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(run: impl FnOnce() -> Vec<usize>) -> String {
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
        panic
            .downcast_ref::<String>()
            .expect("its message")
            .to_owned()
    }

    #[test]
    fn each_thread_returns_what_it_did() {
        assert_eq!(on_threads(3, |t| 10 * t, |ten| ten + 1), [1, 11, 21]);
    }

    #[test]
    fn a_panic_is_passed_on_and_no_thread_waits() {
        let wrong = |t: usize| assert!(t != 1, "wrong bytes for {t}");
        let at_work = || on_threads(3, |t| t, |t| (wrong(t), t).1);
        assert_eq!(message(at_work), "wrong bytes for 1");
        let before = || on_threads(3, |t| (wrong(t), t).1, |t| t);
        assert_eq!(message(before), "wrong bytes for 1");
    }
}
