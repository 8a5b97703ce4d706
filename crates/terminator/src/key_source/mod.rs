//! Where ticket keys come from, and what the log says of the ring.

mod change_watch;
mod open;
mod ring_log;

pub(crate) use self::open::{WatchedKeyFile, open, warn_of};
pub(crate) use self::ring_log::RingLog;
