//! The built binary, from the outside: real processes, real sockets, the `openssl` command line and
//! `curl` as clients.
//!
//! Nothing here waits by sleeping for a guessed time. What has to come to pass is polled for, with
//! a deadline that only a broken terminator reaches.

mod admin;
mod admin_limits;
mod advise;
mod certificate;
mod clock;
mod common;
mod configuration;
mod disks;
mod drain;
mod early_answers;
mod failed_reload;
mod key_rotation;
mod keys;
mod limits;
mod offers;
mod recipes;
mod resumption;
mod rustls_fleet;
mod start;
mod ticket_keys;
mod tunnel;
mod upstreams;
