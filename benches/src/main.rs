//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use rekindle_benches::record::Recorder;
use rekindle_benches::{
    all, engine, handshake, hit_ratio, loopback, memory, report, tail, tickets,
};

#[derive(Parser)]
#[command(about = "Benchmarks of rekindle beside its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Keep the raw results of a part in this file, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Every part, and the report.
    All(all::Options),
    /// The report again, from a record.
    Report(report::Options),
    /// One measurement of `memory`, in a process of its own.
    #[command(name = memory::JOB, hide = true)]
    MemoryJob(memory::Job),
    #[command(flatten)]
    Part(Part),
}

#[derive(Subcommand)]
enum Part {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The latency of single lookups beside idle-priority writers, by quantile.
    Tail(tail::Options),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the optimum.
    HitRatio(hit_ratio::Options),
    /// Bytes for each session, encoded bytes apart from overhead, beside peers.
    Memory(memory::Options),
    /// Tickets sealed and opened through OpenSSL's callback, beside its built-in key.
    Tickets(tickets::Options),
    /// Full and resumed handshakes in process, beside OpenSSL's internal cache and built-in ticket key.
    Handshake(handshake::Options),
    /// Handshakes with real servers over loopback: rates, CPU time, latency, what was resumed.
    Loopback(loopback::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.json.is_some() && !matches!(cli.command, Command::Part(_)) {
        let why = "--json is for a single part; `all` keeps its record in the directory --out";
        Cli::command()
            .error(ErrorKind::ArgumentConflict, why)
            .exit();
    }
    let done = match &cli.command {
        Command::All(options) => all::run(options),
        Command::Report(options) => report::run(options).map(|()| true),
        Command::MemoryJob(job) => return memory::serve(job),
        Command::Part(part) => run_part(part, cli.json.as_deref()).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_part(part: &Part, json: Option<&Path>) -> io::Result<()> {
    let mut recorder = Recorder::new("part");
    match part {
        Part::Engine(options) => recorder.part("engine", |r| engine::run(options, r)),
        Part::Tail(options) => recorder.part("tail", |r| tail::run(options, r)),
        Part::HitRatio(options) => recorder.part("hit-ratio", |r| hit_ratio::run(options, r)),
        Part::Memory(options) => recorder.part("memory", |r| memory::run(options, r)),
        Part::Tickets(options) => recorder.part("tickets", |r| tickets::run(options, r)),
        Part::Handshake(options) => recorder.part("handshake", |r| handshake::run(options, r)),
        Part::Loopback(options) => recorder.part("loopback", |r| loopback::run(options, r)),
    }
    match json {
        Some(path) => recorder.finish().save(path),
        None => Ok(()),
    }
}
