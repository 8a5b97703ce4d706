//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers. Each
//! part is a module with `Options` and `run`, which hands what it measures to a
//! [`Record`](record::Record).

mod all;
mod cli;
mod cpu_time;
mod engine;
mod handshake;
mod hit_ratio;
mod loopback;
mod memory;
mod parts;
mod peers;
mod record;
mod report;
mod resident;
mod tail;
mod threads;
mod tickets;
mod tls;
mod workload;

fn main() -> std::process::ExitCode {
    cli::main()
}
