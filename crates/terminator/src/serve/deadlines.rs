//! Tells connections that their time is over, to a quarter of a second.
//!
//! A timer of Tokio for each connection would wake the event loop whenever it is the first one to
//! end, by a system call, and a connection needs several. These cost a few nanoseconds: a task
//! looks at all of them four times a second, and sleeps while there are none.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::Notify;

const TICK: Duration = Duration::from_millis(250);

/// The deadlines of one worker's connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Only the worker's own thread locks it.
    entries: Mutex<Slab<Entry>>,
    /// Tells the task that there is something to look at.
    first: Notify,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    waker: Option<Waker>,
    is_over: bool,
}

/// The deadline of one connection.
#[derive(Debug)]
pub(super) struct Deadline {
    shared: Arc<Shared>,
    key: usize,
}

impl Deadlines {
    /// A deadline in so long.
    pub(super) fn after(&self, time: Duration) -> Deadline {
        let mut entries = self.0.entries();
        if entries.is_empty() {
            self.0.first.notify_one();
        }
        let key = entries.insert(Entry::new(time));
        Deadline {
            shared: Arc::clone(&self.0),
            key,
        }
    }

    /// Wakes the tasks whose time is over; for ever.
    pub(super) async fn run(self) {
        loop {
            if self.0.entries().is_empty() {
                self.0.first.notified().await;
            }
            tokio::time::sleep(TICK).await;
            self.tick(Instant::now());
        }
    }

    fn tick(&self, now: Instant) {
        for (_, entry) in self.0.entries().iter_mut() {
            if entry.at <= now && !entry.is_over {
                entry.is_over = true;
                entry.waker.iter().for_each(Waker::wake_by_ref);
            }
        }
    }
}

impl Deadline {
    /// Begins anew.
    pub(super) fn reset(&self, time: Duration) {
        let mut entries = self.shared.entries();
        let waker = entries[self.key].waker.take();
        entries[self.key] = Entry {
            waker,
            ..Entry::new(time)
        };
    }

    /// Ready when the time is over, until it begins anew.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut entries = self.shared.entries();
        let entry = &mut entries[self.key];
        if entry.is_over {
            return Poll::Ready(());
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// What `future` gives, or nothing if the time is over before.
    pub(super) async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.shared.entries().remove(self.key);
    }
}

impl Entry {
    fn new(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            waker: None,
            is_over: false,
        }
    }
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, Slab<Entry>> {
        // No code that can panic runs under the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_what_does_not_is_not() {
        let deadlines = Deadlines::default();
        tokio::spawn(deadlines.clone().run());
        let deadline = deadlines.after(Duration::from_millis(1));
        assert_eq!(deadline.limit(pending::<()>()).await, None);
        assert_eq!(
            deadline.limit(ready(1)).await,
            Some(1),
            "it is there at once"
        );
        deadline.reset(HOUR);
        let short = deadlines.after(Duration::from_millis(1));
        let long = deadline.limit(short.limit(pending::<()>()));
        assert_eq!(long.await, Some(None));
    }

    #[test]
    fn a_deadline_that_begins_anew_is_not_over_and_keeps_its_waker() {
        let deadlines = Deadlines::default();
        let deadline = deadlines.after(Duration::ZERO);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(deadline.poll(&mut cx).is_pending(), "no tick has come");
        deadlines.tick(Instant::now());
        assert!(deadline.poll(&mut cx).is_ready());
        deadline.reset(HOUR);
        deadlines.tick(Instant::now());
        assert!(deadline.poll(&mut cx).is_pending());
        deadlines.tick(Instant::now() + HOUR);
        assert!(deadline.poll(&mut cx).is_ready());
        drop(deadline);
        assert!(deadlines.0.entries().is_empty());
    }
}
