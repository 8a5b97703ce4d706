//! A thread that works once a second until its owner is gone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::Duration;

use crate::sync::{AtomicBool, Ordering};

const PERIOD: Duration = Duration::from_secs(1);

/// The thread, if one was asked for. Its owner has it dropped with itself.
pub(crate) struct Maintainer {
    asked_for: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Maintainer {
    /// Starts a thread, `rekindle`, that takes a turn each second until a turn finds its owner
    /// gone: it returns `None` then. A further call does nothing. A turn that panics is not the
    /// last.
    pub(crate) fn spawn(
        &self,
        mut turn: impl FnMut() -> Option<()> + Send + 'static,
    ) -> io::Result<()> {
        // Relaxed: it publishes nothing.
        if self.asked_for.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let run = move || {
            loop {
                // The owner unparks this thread when it is dropped, and a thread that is unparked
                // before it parks does not park.
                thread::park_timeout(PERIOD);
                if let Ok(None) = catch_unwind(AssertUnwindSafe(&mut turn)) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("rekindle".to_owned())
            .spawn(run);
        let thread = thread.inspect_err(|_| self.asked_for.store(false, Ordering::Relaxed))?;
        let _ = self.thread.set(thread.thread().clone());
        Ok(())
    }
}

impl Default for Maintainer {
    fn default() -> Self {
        Self {
            asked_for: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }
}

impl Drop for Maintainer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
