//! How long tickets open, as told and as kept, and what is counted: real handshakes on fake clocks.
#![allow(unsafe_code)] // OpenSSL's functions that rust-openssl lacks

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/der.rs"]
mod der;
#[path = "../common/records.rs"]
mod records;

mod advertised_lifetime;
mod cached;
mod fleet;
mod foreign;
mod forge;
mod last_second;
mod lineage;
mod machine;
mod one_connection;
mod outcomes;
mod wall_clock;
