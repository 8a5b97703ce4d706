//! How often a task works: at once after a rest, but under load seldom, so that each turn does
//! more. A turn costs some 150 microseconds of CPU, however little there is to do.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Turns come this far apart under load.
const APART: Duration = Duration::from_millis(25);

/// Turns that may follow each other at once after a rest: a handshake of TLS 1.3 gives two tickets.
const BURST: u32 = 4;

#[derive(Debug)]
pub(super) struct Pace {
    /// When all turns were free, or will be.
    full_at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        let full_at = Instant::now();
        Self { full_at }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&mut self) {
        let now = Instant::now();
        self.full_at = self.full_at.max(now) + APART;
        let next = self.full_at.checked_sub(BURST * APART);
        if let Some(next) = next.filter(|next| *next > now) {
            sleep_until(next).await;
        }
    }
}
