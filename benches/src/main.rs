//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rekindle_benches::record::Recorder;
use rekindle_benches::{advise, engine, handshake, hit_ratio, loopback, memory, tail, tickets};

#[derive(Parser)]
#[command(about = "Benchmarks of rekindle beside its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Keep the raw results in this file, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the optimum.
    HitRatio(hit_ratio::Options),
    /// The latency of single lookups beside idle-priority writers, by quantile.
    Tail(tail::Options),
    /// Bytes for each session, encoded bytes apart from overhead, beside peers.
    Memory(memory::Options),
    /// One measurement of `memory`, in a process of its own.
    #[command(name = memory::JOB, hide = true)]
    MemoryJob(memory::Job),
    /// Full and resumed handshakes in process, beside OpenSSL's internal cache and built-in ticket key.
    Handshake(handshake::Options),
    /// Tickets sealed and opened through OpenSSL's callback, beside its built-in key.
    Tickets(tickets::Options),
    /// Handshakes with real servers over loopback: rates, CPU time, latency, what was resumed.
    Loopback(loopback::Options),
    /// How large a cache should be, from a stream of requests or a running terminator's metrics.
    Advise(advise::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut recorder = Recorder::new("part");
    match &cli.command {
        Command::Engine(options) => recorder.part("engine", |r| engine::run(options, r)),
        Command::HitRatio(options) => recorder.part("hit-ratio", |r| hit_ratio::run(options, r)),
        Command::Tail(options) => recorder.part("tail", |r| tail::run(options, r)),
        Command::Memory(options) => recorder.part("memory", |r| memory::run(options, r)),
        Command::MemoryJob(job) => return memory::serve(job),
        Command::Handshake(options) => recorder.part("handshake", |r| handshake::run(options, r)),
        Command::Tickets(options) => recorder.part("tickets", |r| tickets::run(options, r)),
        Command::Loopback(options) => recorder.part("loopback", |r| loopback::run(options, r)),
        Command::Advise(options) => return advise::main(options),
    }
    let record = recorder.finish();
    if let Some(path) = &cli.json
        && let Err(error) = record.save(path)
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
