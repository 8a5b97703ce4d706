//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rekindle_benches::record::Recorder;
use rekindle_benches::{advise, engine, hit_ratio, loopback};

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
    /// How large a cache should be, from a stream of requests or a running terminator's metrics.
    Advise(advise::Options),
    /// Handshakes with real servers over loopback: rates, CPU time, latency, what was resumed.
    Loopback(loopback::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut recorder = Recorder::new("part");
    match &cli.command {
        Command::Engine(options) => recorder.part("engine", |r| engine::run(options, r)),
        Command::HitRatio(options) => recorder.part("hit-ratio", |r| hit_ratio::run(options, r)),
        Command::Advise(options) => return advise::main(options),
        Command::Loopback(options) => recorder.part("loopback", |r| loopback::run(options, r)),
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
