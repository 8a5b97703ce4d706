//! The commands that run once and exit, instead of serving.

mod advise;
mod check;
mod completions;
mod keys;
mod man;

pub(crate) use self::advise::{Advise, advise};
pub(crate) use self::check::check;
pub(crate) use self::completions::{Completions, completions};
pub(crate) use self::keys::KeysCommand;
pub(crate) use self::man::{Man, man};
