//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use rekindle_benches::record::Recorder;
use rekindle_benches::{all, engine, hit_ratio, report};

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
    #[command(flatten)]
    Part(Part),
}

#[derive(Subcommand)]
enum Part {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the optimum.
    HitRatio(hit_ratio::Options),
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
        Part::HitRatio(options) => recorder.part("hit-ratio", |r| hit_ratio::run(options, r)),
    }
    match json {
        Some(path) => recorder.finish().save(path),
        None => Ok(()),
    }
}
