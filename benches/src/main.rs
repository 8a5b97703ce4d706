//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers. Each
//! part is a module with `Options` and `run`, which hands what it measures to a
//! [`Record`](record::Record).

mod all;
mod engine;
mod fleet;
mod handshake;
mod hit_ratio;
mod loopback;
mod memory;
mod peers;
mod process;
mod record;
mod report;
mod rustls;
mod tail;
mod threads;
mod tickets;
mod tls;
mod workload;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use all::Part;
use record::Record;

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
    MemoryJob { job: String },
    /// One measurement of TLS sessions in memory, in a process of its own.
    #[command(name = memory::TLS_JOB, hide = true)]
    TlsMemoryJob { job: String },
    #[command(flatten)]
    Part(Part),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.json.is_some() && !matches!(cli.command, Command::Part(_)) {
        let why = "--json is for a single part; `all` keeps its record in the directory --out";
        let mut cli = Cli::command();
        cli.error(ErrorKind::ArgumentConflict, why).exit();
    }
    let all_ran = match &cli.command {
        Command::All(options) => all::run(options),
        Command::Report(options) => report::run(options).map(|()| true),
        Command::MemoryJob { job } => memory::answer(job, memory::Job::measure).map(|()| true),
        Command::TlsMemoryJob { job } => {
            memory::answer(job, memory::TlsJob::measure).map(|()| true)
        }
        Command::Part(part) => run(part, cli.json.as_deref()).map(|()| true),
    };
    match all_ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(part: &Part, json: Option<&Path>) -> io::Result<()> {
    let mut record = Record::new(Record::OF_PARTS);
    let (name, run) = part.job();
    record.part(name, run);
    json.map_or(Ok(()), |path| record.save(path))
}
