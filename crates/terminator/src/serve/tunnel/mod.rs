//! Forwards bytes between a TLS client and an upstream until both have ended.
//!
//! The end of one direction is passed on (`close_notify` becomes FIN, FIN becomes `close_notify`)
//! while the other goes on, for as long as its side is not silent for too long. A client that
//! breaks off is passed on as a reset, so that the upstream cannot take a part for the whole. Of an
//! upstream that breaks off the client still gets what had come, and then an end without
//! `close_notify`, which says the same: a reset would discard what the client has not read yet.

mod flow;
mod forward;
mod linger;
mod open;

pub(super) use self::forward::Limits;
pub(super) use self::linger::linger;
pub(super) use self::open::Tunnel;
