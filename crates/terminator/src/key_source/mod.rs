//! Where ticket keys come from.

mod change_watch;
mod open;

pub(crate) use self::open::{WatchedKeyFile, open, warn_of};
