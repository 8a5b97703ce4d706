//! Pauses between attempts to connect.

use std::time::Duration;

/// Pauses between attempts to connect: each up to twice as long as the one before, at random, so
/// that machines do not come all at once.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(super) fn pause(&mut self) -> tokio::time::Sleep {
        let mut random = [0];
        // Without randomness they come all at once.
        let _ = getrandom::fill(&mut random);
        let pause = self.0.mul_f64(0.5 + f64::from(random[0]) / 512.0);
        self.0 = (2 * self.0).min(Self::LONGEST);
        tokio::time::sleep(pause)
    }
}
