//! Handshakes, full and resumed, with rekindle beside what OpenSSL brings along.

mod batch;
mod inserts;
mod run;

pub(crate) use batch::VisitedServer;
pub(crate) use run::{Options, run};
