//! The fleet: the machines that sessions, removals and revocations are shared with.
//!
//! [`open`] reads the files that it is started with; [`shared`] is the fleet that runs.

mod open;
mod shared;

pub(crate) use self::open::OpenedFleet;
pub(crate) use self::shared::{FleetStatus, SharedFleet};
