//! What was said before this machine listened, and was not read yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::machine::Stream;
use crate::store::Position;

/// What was not read yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    gaps: Mutex<VecDeque<Gap>>,
    added: Notify,
    /// What has ended is to be known before.
    pub(crate) has_read_endings: watch::Sender<bool>,
}

/// A part of a stream behind `from`, up to `up_to`.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    pub(crate) stream: Arc<Stream>,
    pub(crate) from: Position,
    pub(crate) up_to: Position,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            gaps: Mutex::default(),
            added: Notify::new(),
            has_read_endings: watch::Sender::new(false),
        }
    }
}

impl Backlog {
    pub(crate) fn add(&self, gap: Gap) {
        let mut gaps = self.gaps();
        let is_part = |other: &Gap| other.from >= gap.from && other.up_to <= gap.up_to;
        gaps.retain(|other| other.stream != gap.stream || !is_part(other));
        gaps.push_back(gap);
        self.added.notify_one();
    }

    /// The gap that goes on longest.
    pub(crate) fn newest(&self) -> Option<Gap> {
        let mut gaps = self.gaps();
        let (newest, _) = gaps.iter().enumerate().max_by_key(|(_, gap)| gap.up_to)?;
        gaps.swap_remove_back(newest)
    }

    pub(super) fn clear(&self) {
        self.gaps().clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gaps().is_empty()
    }

    pub(super) async fn next(&self) -> Gap {
        loop {
            if let Some(gap) = self.newest() {
                return gap;
            }
            self.added.notified().await;
        }
    }

    fn gaps(&self) -> MutexGuard<'_, VecDeque<Gap>> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
