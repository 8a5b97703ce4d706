//! Keeps clients from waiting for a store that is away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keeps clients from waiting for a store that does not answer: after some failures it lets one
/// through now and then, to see whether it does.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Failures in a row after which it opens.
    const MOST_FAILURES: u32 = 3;
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);

    /// Whether to ask.
    pub(crate) fn lets_through(&self) -> bool {
        let mut state = self.state();
        match state.closed_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                // This one tries; the others wait for what comes of it.
                state.closed_until = Some(Instant::now() + Self::FIRST);
                true
            }
        }
    }

    pub(super) fn answered(&self) {
        *self.state() = State::default();
    }

    pub(super) fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if let Some(further) = state.failures.checked_sub(Self::MOST_FAILURES) {
            let pause = Self::FIRST * 2_u32.pow(further.min(6));
            state.closed_until = Some(Instant::now() + pause.min(Self::LONGEST));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
