//! `examples/terminator.c`, driven by real clients.

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod resumption;
mod server;
mod start_and_end;
mod ticket_keys;
