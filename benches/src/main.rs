//! `cargo run --release -p rekindle-benches -- engine`: ratios in one run, rounds interleaved;
//! `hit-ratio`: who keeps the sessions that are asked for again.

use std::time::Duration;

use clap::{Parser, Subcommand};
use rekindle_benches::hit_ratio::{self, Stream};
use rekindle_benches::loads::{Load, Tables};

#[derive(Parser)]
#[command(about = "Benchmarks of rekindle beside its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(Engine),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the optimum.
    HitRatio(HitRatio),
}

#[derive(clap::Args)]
struct Engine {
    /// Sessions in the table.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    sessions: Vec<usize>,
    /// Threads at work.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Rounds; each runs every peer once. Medians over the rounds are printed.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Length of one peer's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 60)]
    millis: u64,
}

#[derive(clap::Args)]
struct HitRatio {
    /// Requests in each stream.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    requests: u32,
    /// Capacities, in per cent of the sessions in the stream.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10, 25, 50], value_parser = clap::value_parser!(u32).range(1..=100))]
    capacities: Vec<u32>,
}

const LOADS: [Load; 6] = [
    Load::GetBuffer,
    Load::Get,
    Load::Mixed { inserts: 100 },
    Load::Mixed { inserts: 5 },
    Load::Mixed { inserts: 20 },
    Load::Mixed { inserts: 50 },
];

fn main() {
    match Cli::parse().command {
        Command::Engine(engine) => run_engine(&engine),
        Command::HitRatio(hit_ratio) => run_hit_ratio(&hit_ratio),
    }
}

fn run_hit_ratio(options: &HitRatio) {
    for stream in Stream::ALL {
        let requests = stream.requests(options.requests as usize);
        let ids = hit_ratio::ids_for(&requests);
        let sessions = ids.len();
        println!(
            "\n{stream}: {} requests, {sessions} sessions",
            requests.len()
        );
        for percent in &options.capacities {
            let capacity = (sessions * *percent as usize / 100).max(1);
            println!("  room for {capacity} ({percent} %)");
            for one in hit_ratio::compare(&requests, &ids, capacity) {
                let share = 100.0 * one.hits as f64 / requests.len() as f64;
                println!("    {:<24} {share:>6.2} %", one.policy);
            }
        }
    }
}

fn run_engine(engine: &Engine) {
    for load in LOADS {
        for &sessions in &engine.sessions {
            for &threads in &engine.threads {
                println!("\n{load}: {sessions} sessions, {threads} thread(s)");
                let tables = Tables::new(load, sessions, threads);
                print_ratios(&interleave(&tables, threads, engine));
            }
        }
    }
}

/// Runs every contender once a round, in turn; nanoseconds per operation and thread, by round.
fn interleave<'a>(tables: &'a Tables, threads: usize, engine: &Engine) -> Vec<(&'a str, Vec<f64>)> {
    let turn = Duration::from_millis(engine.millis);
    let contenders = tables.contenders();
    let mut times: Vec<_> = contenders.iter().map(|c| (c.name, Vec::new())).collect();
    for round in 0..=engine.rounds {
        for (contender, (_, times)) in contenders.iter().zip(&mut times) {
            let time = contender.work_for(threads, round, turn);
            // The first round warms up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    times
}

/// Medians of the times, and of the ratios to the first contender in the same round, with quartiles.
fn print_ratios(times: &[(&str, Vec<f64>)]) {
    for (name, own) in times {
        let ratios: Vec<f64> = own.iter().zip(&times[0].1).map(|(a, b)| a / b).collect();
        println!(
            "  {name:<24} {:>8.1} ns/op   ratio {:>5.2}  [{:.2}, {:.2}]",
            quantile(own, 0.5),
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75),
        );
    }
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}
