//! How often a task works: at once while little happens, but under load seldom, so that each turn
//! does more. A turn costs some 100 microseconds of CPU, however little there is to do.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Turns come this far apart under load.
pub(super) const APART: Duration = Duration::from_millis(24);

/// So often on average there is a turn at once.
const AT_ONCE: Duration = Duration::from_millis(10);

/// Turns that may follow each other at once after a rest: a handshake of TLS 1.3 and the client's
/// return take five.
const BURST: u32 = 8;

/// With so few messages in a turn the load is over.
const FEW: usize = 3;

#[derive(Debug)]
pub(super) struct Pace {
    apart: Duration,
    /// When all turns at once were free, or will be.
    full_at: Instant,
    is_under_load: bool,
}

impl Pace {
    pub(super) fn new(apart: Duration) -> Self {
        Self {
            apart,
            full_at: Instant::now(),
            is_under_load: false,
        }
    }

    /// Waits for the next turn after one that had so many messages.
    pub(super) async fn turn(&mut self, messages: usize) {
        let now = Instant::now();
        self.full_at = self.full_at.max(now) + AT_ONCE;
        let next = self.full_at.checked_sub(BURST * AT_ONCE);
        let next = next.filter(|next| *next > now);
        self.is_under_load = messages > FEW && (self.is_under_load || next.is_some());
        if self.is_under_load {
            sleep_until(together(now, self.apart)).await;
        } else if let Some(next) = next {
            sleep_until(next).await;
        }
    }
}

/// The next moment at which all tasks have their turn: to wake the thread once costs less.
fn together(now: Instant, apart: Duration) -> Instant {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let millis = now.duration_since(*BEGIN).as_millis() as u64 + 1;
    *BEGIN + Duration::from_millis(millis.next_multiple_of(apart.as_millis() as u64))
}
