//! The page for operators: HTML made here from one [`snapshot`], which holds what `/metrics` shows.
//!
//! It needs no script. With one, it loads itself again every two seconds and takes over the parts
//! that have changed, so there is one renderer. Text becomes markup in `maud` alone, which escapes
//! it: names of certificates, files and upstreams, and lines of the log, may hold anything.

mod cache;
mod chart;
mod figures;
mod files;
mod fleet;
mod handshakes;
mod keys;
mod layout;
mod operator;
mod peers;
mod snapshot;
mod tickets;

pub(super) use self::files::file;
pub(super) use self::layout::render;
pub(crate) use self::snapshot::Observed;
