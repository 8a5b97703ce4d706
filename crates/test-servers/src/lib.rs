//! What tests and benchmarks share: servers and their configuration, processes, files, clients.
//! It panics where a test would.

mod black_hole;
mod client;
mod files;
mod link;
mod process;
mod redis;
mod server;
mod skipped;
mod tcp;
mod tls_client;
mod wait;

pub use black_hole::BlackHole;
pub use client::{Printed, Visitor, bounded, converse, finish, s_client, s_client_get};
pub use files::{Files, TICKET_KEY, hex, ticket_key, ticket_secret};
pub use link::Link;
pub use process::Process;
pub use redis::RedisServer;
pub use rustix::process::Signal;
pub use server::{
    APACHE, Configure, Configured, GROUP, HAPROXY, HITCH, NGINX, Product, Running, STREAM_MODULE,
    Site, TRAFFIC_SERVER, Task, find,
};
pub use skipped::skipped;
pub use tcp::{connect, echo, echo_on, free_address, free_port, serve};
pub use tls_client::TlsClient;
pub use wait::{DEADLINE, eventually};
