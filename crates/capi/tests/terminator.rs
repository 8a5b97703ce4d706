//! `examples/terminator.c`, driven by real clients.

mod common;

#[path = "terminator/clients.rs"]
mod clients;
#[path = "terminator/connections.rs"]
mod connections;
#[path = "terminator/files.rs"]
mod files;
#[path = "terminator/process.rs"]
mod process;
#[path = "terminator/resumption.rs"]
mod resumption;
#[path = "terminator/server.rs"]
mod server;
#[path = "terminator/start_and_end.rs"]
mod start_and_end;
#[path = "terminator/ticket_keys.rs"]
mod ticket_keys;
