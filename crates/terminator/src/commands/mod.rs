//! The commands that run once and exit, instead of serving.

mod advise;
mod check;
mod keys;

pub(crate) use self::advise::{Advise, advise};
pub(crate) use self::check::check;
pub(crate) use self::keys::KeysCommand;
