//! The built binary, from the outside: real processes, real sockets, the `openssl` command line and
//! `curl` as clients.
//!
//! Nothing here waits by sleeping for a guessed time. What has to come to pass is polled for, with
//! a deadline that only a broken terminator reaches.

mod admin;
mod admin_limits;
mod admin_page;
mod advise;
mod alerts;
mod alpn;
mod certificate;
mod client_certificates;
mod clock;
mod common;
mod configuration;
mod disks;
mod drain;
mod early_answers;
mod early_data;
mod endings;
mod failed_reload;
mod fleet;
mod half_open;
mod handover;
mod held_tickets;
mod key_rotation;
mod keys;
mod limits;
mod listeners;
mod names;
mod offers;
mod packaging;
mod proxy_peers;
mod proxy_protocol;
mod recipes;
mod reload;
mod reload_settings;
mod restarts;
mod resumption;
mod rustls_fleet;
mod start;
mod systemd;
mod ticket_keys;
mod tunnel;
mod upstreams;
