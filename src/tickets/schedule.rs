//! What a key may do at a moment, decided once: for the ring, the dry run, the writers of key files
//! and `keys show`.

use std::time::Duration;

use crate::clock::Time;

/// A point in time: a [`Time`] by the ring's clock, or a duration since 1970-01-01 00:00 UTC.
pub trait TimePoint: Copy + Ord {
    /// No time is earlier.
    const BEGINNING: Self;
    /// Later than every time that comes.
    const NEVER: Self;
}

impl TimePoint for Time {
    const BEGINNING: Self = Time::from_millis(0);
    const NEVER: Self = Time::NEVER;
}

impl TimePoint for Duration {
    const BEGINNING: Self = Duration::ZERO;
    const NEVER: Self = Duration::MAX;
}

/// What a key of a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It seals when a later set says so. Until then it opens tickets of machines that are ahead.
    Next,
    /// It seals and opens.
    Seal,
    /// It opens the tickets that it sealed in the past.
    Open,
    /// It seals and opens at these times.
    Timed(Validity),
}

/// When a key seals and opens: by the wall clock, or by the ring's clock, which steps of the wall
/// clock do not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity<T = Duration> {
    /// It seals from then on, unless a newer key seals. [`TimePoint::NEVER`] for a key whose turn
    /// is not known yet.
    pub seal_from: T,
    /// It seals before then, and before `open_until`.
    pub seal_until: T,
    /// It opens before then, from the beginning on.
    pub open_until: T,
}

/// Where a key stands in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPosition {
    /// The time from which it seals lies ahead: a machine that is ahead seals with it. A key that
    /// ends before that time is here too.
    Next,
    /// It seals now.
    Sealing,
    /// It no longer seals: 1 for the key before that which seals now, and so on.
    Previous(usize),
}

impl KeyPosition {
    /// `next`, `sealing` or `previous`, as metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Sealing => "sealing",
            Self::Previous(_) => "previous",
        }
    }
}

impl KeyRole {
    /// The times that the role stands for, where a key that seals without times of its own began to
    /// at `seal_from`, and `by_clock` brings times of its own to the same clock.
    pub(super) fn times<T: TimePoint>(
        self,
        seal_from: T,
        by_clock: impl FnOnce(Validity) -> Validity<T>,
    ) -> Validity<T> {
        let (seal_from, seal_until) = match self {
            Self::Next => (T::NEVER, T::NEVER),
            Self::Seal => (seal_from, T::NEVER),
            Self::Open => (T::BEGINNING, T::BEGINNING),
            Self::Timed(validity) => return by_clock(validity),
        };
        Validity {
            seal_from,
            seal_until,
            open_until: T::NEVER,
        }
    }
}

impl<T: TimePoint> Validity<T> {
    fn seal_end(&self) -> T {
        self.seal_until.min(self.open_until)
    }

    /// Whether it seals at this time, unless a newer key does.
    #[inline]
    pub fn seals(&self, at: T) -> bool {
        self.seal_from <= at && at < self.seal_end()
    }

    /// Whether it seals at this time or later, unless a newer key does.
    pub fn will_seal(&self, at: T) -> bool {
        at < self.seal_end() && self.seal_from < self.seal_end()
    }

    /// Whether it opens at this time.
    #[inline]
    pub fn opens(&self, at: T) -> bool {
        at < self.open_until
    }

    /// Whether it seals at no time: when it did so in the past is not known.
    pub(super) fn only_opens(&self) -> bool {
        self.seal_end() == T::BEGINNING
    }
}

/// The times of a set of keys. Keys go by their index: the key that begins to seal last comes
/// first. Of the keys that may seal at a time, the first one does.
#[derive(Clone, Debug)]
pub struct Schedule<T = Duration> {
    times: Box<[Validity<T>]>,
}

impl<T: TimePoint> Schedule<T> {
    pub(super) fn new(newest_first: Box<[Validity<T>]>) -> Self {
        debug_assert!(newest_first.is_sorted_by_key(|times| std::cmp::Reverse(times.seal_from)));
        Self {
            times: newest_first,
        }
    }

    /// When each key seals and opens.
    #[inline]
    pub fn times(&self) -> &[Validity<T>] {
        &self.times
    }

    /// The key that seals at this time.
    #[inline]
    pub fn sealing(&self, at: T) -> Option<usize> {
        self.times.iter().position(|times| times.seals(at))
    }

    /// Where a key stands at this time.
    #[inline]
    pub fn position(&self, key: usize, at: T) -> KeyPosition {
        let newer = &self.times[..=key];
        self.position_beside(key, newer.iter().position(|times| times.seals(at)), at)
    }

    /// Where each key stands at this time.
    pub fn positions(&self, at: T) -> impl Iterator<Item = KeyPosition> {
        let sealing = self.sealing(at);
        (0..self.times.len()).map(move |key| self.position_beside(key, sealing, at))
    }

    #[inline]
    fn position_beside(&self, key: usize, sealing: Option<usize>, at: T) -> KeyPosition {
        match sealing {
            Some(sealing) if sealing == key => KeyPosition::Sealing,
            Some(sealing) if sealing < key => KeyPosition::Previous(key - sealing),
            _ if at < self.times[key].seal_from => KeyPosition::Next,
            _ => KeyPosition::Previous(1),
        }
    }

    /// When a key sealed last, up to this time. A key that only opens may have sealed elsewhere
    /// until now.
    pub fn last_sealed(&self, key: usize, at: T) -> Option<T> {
        let times = &self.times[key];
        if times.only_opens() || self.sealing(at) == Some(key) {
            return Some(at);
        }
        let mut end = times.seal_end().min(at);
        for newer in &self.times[..key] {
            if newer.seal_from < end && end <= newer.seal_end() {
                end = newer.seal_from;
            }
        }
        (times.seal_from < end).then_some(end)
    }

    /// Until when a key seals at every moment from this time on; this time if none does.
    pub fn seals_until(&self, at: T) -> T {
        let oldest_first = self.times.iter().rev();
        oldest_first.fold(at, |until, times| match times.seals(until) {
            true => times.seal_end(),
            false => until,
        })
    }

    fn next_start(&self, after: T) -> Option<T> {
        let starts = self.times.iter().filter(|times| times.will_seal(after));
        let starts = starts.map(|times| times.seal_from);
        starts.filter(|from| *from > after).min()
    }

    /// When another key takes over from the one that seals at this time.
    pub fn next_rotation(&self, at: T) -> Option<T> {
        let end = self.times[self.sealing(at)?].seal_end();
        let newer = self.next_start(at).filter(|from| *from < end);
        newer.or_else(|| self.sealing(end).map(|_| end))
    }

    /// The intervals between two times in which no key seals, with the time at which a key takes
    /// over, if one does.
    pub fn gaps(&self, from: T, until: T) -> Vec<(T, Option<T>)> {
        let mut gaps = Vec::new();
        let mut from = self.seals_until(from);
        while from < until {
            let next = self.next_start(from);
            gaps.push((from, next));
            from = next.map_or(T::NEVER, |next| self.seals_until(next));
        }
        gaps
    }
}
