//! Where ticket keys come from, and how the ring is looked after once a second.

mod change_watch;
mod maintenance;
mod open;

pub(crate) use self::maintenance::Maintenance;
pub(crate) use self::open::{WatchedKeyFile, open, warn_of};
