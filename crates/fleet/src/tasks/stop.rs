//! Tells the fleet's thread to end.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Tells the fleet's thread to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_asked: AtomicBool,
    asked: Notify,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.asked.notify_waiters();
        self.asked.notify_one();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    pub(crate) async fn wait(&self) {
        if !self.is_asked() {
            self.asked.notified().await;
        }
    }
}
