//! rustls's time of day from a clock of ours.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::Clock;

/// What is to be put into `ServerConfig::time_provider` where a cache and a ring have a
/// [`Clock`] of their own, so that rustls goes by the same time of day.
#[derive(Clone)]
pub struct WallClock(pub Arc<dyn Clock>);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.unix_time()))
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock(dyn Clock)")
    }
}
