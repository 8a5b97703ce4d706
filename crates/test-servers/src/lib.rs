//! What tests and benchmarks share: servers and their configuration, processes, files, clients.
//! It panics where a test would.

mod black_hole;
mod client;
mod files;
mod link;
mod process;
mod redis;
mod round_robin;
mod server;
mod tcp;
mod tls_client;
mod wait;

pub use black_hole::BlackHole;
pub use client::{Printed, Visitor, bounded, converse, finish, s_client, s_client_get};
pub use files::{Files, TICKET_KEY, hex, ticket_key, ticket_secret};
pub use link::Link;
pub use process::Process;
pub use redis::RedisServer;
pub use round_robin::RoundRobin;
pub use rustix::process::Signal;
pub use server::{
    APACHE, Configure, GROUP, HAPROXY, HITCH, NGINX, Product, Running, Site, TRAFFIC_SERVER, Task,
};
pub use tcp::{connect, echo, echo_on, free_port, serve};
pub use tls_client::TlsClient;
pub use wait::{DEADLINE, eventually};
