//! `cargo run --release -p rekindle-benches -- engine`: ratios in one run, rounds interleaved.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use rand::rngs::{SmallRng, StdRng};
use rand::{Rng, SeedableRng};
use rekindle::{Cache, CacheBuilder, SessionId};
use rekindle_benches::floor::Floor;
use rekindle_benches::peers::{Dash, Peer, QuickCache, Rekindle, fill};
use rekindle_benches::workload::{Sessions, random_id};

#[derive(Parser)]
#[command(about = "Benchmarks of rekindle beside its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Dependent lookups and a mixed load, as ratios to the floor and to peers.
    Engine {
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
    },
}

fn main() {
    let Command::Engine {
        sessions,
        threads,
        rounds,
        millis,
    } = Cli::parse().command;
    let turn = Duration::from_millis(millis);
    for count in sessions {
        for &threads in &threads {
            reads(count, threads, rounds, turn);
            for inserts in [5, 20, 50] {
                mixed(count, threads, inserts, rounds, turn);
            }
        }
    }
}

type Work<'a> = Box<dyn Fn(usize, usize) -> u64 + Sync + 'a>;

struct Contender<'a> {
    name: &'a str,
    /// Does a batch of operations as thread `.0`; batch number `.1`. Returns how many it did.
    work: Work<'a>,
}

/// get_buffer with dependent keys.
fn reads(count: usize, threads: usize, rounds: usize, turn: Duration) {
    let mut sessions = Sessions::new(count);
    let cache = Arc::new(cache_for(count));
    let pinned = Rekindle::<true>::new(Arc::clone(&cache));
    let pinning = Rekindle::<false>::new(cache);
    let mut floor = Floor::new(count);
    let (dash, quick) = (Dash::new(count), QuickCache::new(count * 2));
    fill(&pinned, &sessions);
    for session in 0..count as u32 {
        floor.put(sessions.id(session), &sessions.value(session));
    }
    // Lines of eight have overflowed here and there: go through those that both tables kept, and
    // write only them again, with their new successors.
    sessions.relink(|id| pinned.get(id) && Peer::get(&floor, id));
    for session in 0..count as u32 {
        let (id, value) = (sessions.id(session), sessions.value(session));
        if pinned.get(id) && Peer::get(&floor, id) {
            pinned.insert(id, &value);
            floor.put(id, &value);
        }
    }
    fill(&dash, &sessions);
    fill(&quick, &sessions);
    let contenders = [
        contender("floor", &floor, &sessions),
        contender("rekindle, pinned", &pinned, &sessions),
        contender("rekindle", &pinning, &sessions),
        contender("dashmap", &dash, &sessions),
        contender("quick_cache", &quick, &sessions),
    ];
    println!("\nget_buffer, dependent keys: {count} sessions, {threads} thread(s)");
    print_ratios(&interleave(&contenders, threads, rounds, turn), 0);
}

fn contender<'a, P: Peer>(name: &'a str, peer: &'a P, sessions: &'a Sessions) -> Contender<'a> {
    const BATCH: usize = 1_000;
    let work = move |thread: usize, batch: usize| {
        let anywhere = (thread * 7_919 + batch * 104_729) % sessions.len();
        let start = sessions.next(anywhere as u32);
        black_box(peer.chain(sessions, start, BATCH));
        BATCH as u64
    };
    Contender {
        name,
        work: Box::new(work),
    }
}

/// Lookups of a fixed half of the sessions while new ones come and old ones go.
///
/// Caches evict by themselves; of the map, each insert removes the session that its thread inserted
/// half the capacity ago, so that all hold the same number of entries.
fn mixed(count: usize, threads: usize, inserts: u32, rounds: usize, turn: Duration) {
    let sessions = Sessions::new(count / 2);
    let churn = Churn::new(count, threads);
    let cache = Rekindle::<false>::new(Arc::new(cache_for(count)));
    let (dash, quick) = (Dash::new(count), QuickCache::new(count));
    fill(&cache, &sessions);
    fill(&dash, &sessions);
    fill(&quick, &sessions);
    let contenders = [
        mixture(
            "dashmap, with removes",
            &sessions,
            &churn,
            inserts,
            &dash,
            |id| dash.remove(id),
        ),
        mixture("rekindle", &sessions, &churn, inserts, &cache, |_| ()),
        mixture("quick_cache", &sessions, &churn, inserts, &quick, |_| ()),
    ];
    println!("\nmixed, {inserts} % inserts of new ids: {count} sessions, {threads} thread(s)");
    print_ratios(&interleave(&contenders, threads, rounds, turn), 0);
}

/// Ids that come and go; each thread walks through its own share, round and round.
struct Churn {
    shares: Vec<Vec<SessionId>>,
}

impl Churn {
    fn new(count: usize, threads: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(!(count as u64));
        let mut share = || (0..count / threads).map(|_| random_id(&mut rng)).collect();
        Self {
            shares: (0..threads).map(|_| share()).collect(),
        }
    }

    /// The id that thread `thread` inserts at its step `step`, and the one it lets go.
    fn step(&self, thread: usize, step: usize) -> (&SessionId, &SessionId) {
        let share = &self.shares[thread];
        let half = share.len() / 2;
        (
            &share[step % share.len()],
            &share[(step + half) % share.len()],
        )
    }
}

fn mixture<'a, P: Peer>(
    name: &'a str,
    sessions: &'a Sessions,
    churn: &'a Churn,
    inserts: u32,
    peer: &'a P,
    let_go: impl Fn(&SessionId) + Sync + 'a,
) -> Contender<'a> {
    const BATCH: usize = 1_000;
    let steps: Vec<AtomicUsize> = churn.shares.iter().map(|_| AtomicUsize::new(0)).collect();
    let work = move |thread: usize, batch: usize| {
        let mut rng = SmallRng::seed_from_u64((thread as u64) << 32 | batch as u64);
        let mut step = steps[thread].load(Ordering::Relaxed);
        let mut buffer = sessions.value(0);
        for _ in 0..BATCH {
            if rng.random_ratio(inserts, 100) {
                let (new, old) = churn.step(thread, step);
                step += 1;
                peer.insert(new, &buffer);
                let_go(old);
            } else {
                let session = rng.random_range(0..sessions.len() as u32);
                if peer.get_buffer(sessions.id(session), &mut buffer) {
                    black_box(sessions.follow(session, &buffer));
                }
            }
        }
        steps[thread].store(step, Ordering::Relaxed);
        BATCH as u64
    };
    Contender {
        name,
        work: Box::new(work),
    }
}

fn cache_for(count: usize) -> Cache<u64> {
    CacheBuilder::new(count).build().expect("a valid capacity")
}

/// Runs every contender once a round, in turn; nanoseconds per operation and thread, by round.
fn interleave<'a>(
    contenders: &'a [Contender<'a>],
    threads: usize,
    rounds: usize,
    turn: Duration,
) -> Vec<(&'a str, Vec<f64>)> {
    let mut times: Vec<_> = contenders.iter().map(|c| (c.name, Vec::new())).collect();
    for round in 0..=rounds {
        for (contender, (_, times)) in contenders.iter().zip(&mut times) {
            let time = one_turn(contender, threads, round, turn);
            // The first round warms up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    times
}

fn one_turn(contender: &Contender<'_>, threads: usize, round: usize, turn: Duration) -> f64 {
    let barrier = Barrier::new(threads);
    let run = |thread: usize| {
        barrier.wait();
        let (start, mut operations, mut batch) = (Instant::now(), 0, round << 20);
        while start.elapsed() < turn {
            operations += (contender.work)(thread, batch);
            batch += 1;
        }
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || run(t))).collect();
        workers
            .into_iter()
            .map(|w| w.join().expect("a worker gave a wrong answer"))
            .collect()
    });
    times.iter().sum::<f64>() / threads as f64
}

/// Medians, with the quartiles of the ratio to contender `base` in the same round.
fn print_ratios(times: &[(&str, Vec<f64>)], base: usize) {
    for (name, own) in times {
        let ratios: Vec<f64> = own.iter().zip(&times[base].1).map(|(a, b)| a / b).collect();
        println!(
            "  {name:<28} {:>8.1} ns/op   ratio {:>5.2}  [{:.2}, {:.2}]",
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
