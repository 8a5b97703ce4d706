//! Machines that share sessions, over stores of every shape.
#![allow(missing_docs)]

#[path = "../../../../tests/common/mod.rs"]
mod common;
mod faults;
mod garbage;
mod host;
mod servers;
mod shapes;
mod sharing;
