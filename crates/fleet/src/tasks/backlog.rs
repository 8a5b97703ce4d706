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

impl Gap {
    /// Takes what belongs to it from a page of at most `most` values, read backwards from its end.
    /// Whether there may be more.
    pub(crate) fn take<'p>(
        &mut self,
        page: &'p [(Position, Vec<u8>)],
        most: usize,
    ) -> (&'p [(Position, Vec<u8>)], bool) {
        let belong = page.iter().take_while(|(at, _)| *at > self.from).count();
        let page = &page[..belong];
        if let Some((at, _)) = page.last() {
            self.up_to = at.before();
        }
        (page, belong == most)
    }
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
    pub(crate) fn add(&self, mut gap: Gap) {
        let mut gaps = self.gaps();
        // Those that touch it become one with it: what connections that break again and again add
        // is read once.
        gaps.retain(|other| {
            let is_apart = other.up_to < gap.from || gap.up_to < other.from;
            if other.stream != gap.stream || is_apart {
                return true;
            }
            gap.from = gap.from.min(other.from);
            gap.up_to = gap.up_to.max(other.up_to);
            false
        });
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

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use rekindle::resume::Scope;

    use super::*;
    use crate::machine::Content;

    fn gap(period: u64, from: u64, up_to: u64) -> Gap {
        let content = Content::Sessions(Scope::new("a scope"));
        Gap {
            stream: Arc::new(Stream {
                name: format!("of period {period}"),
                period,
                content,
                group: 0,
            }),
            from: Position(from, 0),
            up_to: Position(up_to, 0),
        }
    }

    #[test]
    fn gaps_that_touch_each_other_become_one_and_the_newest_comes_first() {
        let backlog = Backlog::default();
        for (period, from, up_to) in [
            (1, 10, 20),
            (1, 30, 40),
            (2, 10, 50),
            // Of the first period: in it, behind it, and over two of them.
            (1, 12, 15),
            (1, 40, 45),
            (1, 5, 35),
        ] {
            backlog.add(gap(period, from, up_to));
        }
        let gaps = std::iter::from_fn(|| backlog.newest());
        let gaps: Vec<_> = gaps
            .map(|gap| (gap.stream.period, gap.from.0, gap.up_to.0))
            .collect();
        assert_eq!(gaps, [(2, 10, 50), (1, 5, 45)]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_gap_ends_where_older_values_begin() {
        let page = |times: [u64; 3]| times.map(|at| (Position(at, 0), Vec::new()));
        for (times, belong, has_more) in [
            ([50, 40, 30], 3, true),
            // What is older fills the page.
            ([50, 40, 20], 2, false),
            ([20, 19, 18], 0, false),
        ] {
            let mut gap = gap(1, 20, 50);
            let page = page(times);
            let (taken, more) = gap.take(&page, 3);
            assert_eq!((taken.len(), more), (belong, has_more));
            let last = taken.last().map_or(50, |(at, _)| at.0 - 1);
            assert_eq!(gap.up_to.0, last);
        }
        let page = page([50, 40, 30]);
        assert!(!gap(1, 20, 50).take(&page, 4).1);
    }
}
