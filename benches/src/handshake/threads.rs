//! Work on several threads at once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};

/// Lets `threads` threads, which are told their number, prepare and then work all at once; what
/// each of them returns.
///
/// # Panics
///
/// When one of them does.
pub(crate) fn on_threads<P, R: Send>(
    threads: usize,
    prepare: impl Fn(usize) -> P + Sync,
    work: impl Fn(P) -> R + Sync,
) -> Vec<R> {
    let barrier = Barrier::new(threads);
    let run = |thread| {
        // Whoever fails here must not leave the others waiting.
        let prepared = catch_unwind(AssertUnwindSafe(|| prepare(thread)));
        barrier.wait();
        work(prepared.unwrap_or_else(|panic| resume_unwind(panic)))
    };
    thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || run(t))).collect();
        let join = |w: ScopedJoinHandle<'_, R>| w.join().expect("a wrong answer");
        workers.into_iter().map(join).collect()
    })
}
