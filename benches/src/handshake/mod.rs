//! Handshakes, full and resumed, with rekindle beside what OpenSSL brings along.

mod batch;
mod inserts;
mod run;
mod visited_server;

pub(crate) use run::{Options, run};
pub(crate) use visited_server::VisitedServer;
