//! Runs of a world, and how often they are run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use super::node::Fate;
use super::world::World;

/// As many as take some seconds.
const RUNS: u64 = if cfg!(debug_assertions) { 500 } else { 20_000 };

#[test]
fn no_removed_or_revoked_session_resumes_and_others_do() {
    let runs = std::env::var("REKINDLE_FLEET_RUNS");
    let runs = runs.map_or(RUNS, |runs| runs.parse().expect("a number"));
    let seed = std::env::var("REKINDLE_FLEET_SEED");
    if let Ok(seed) = seed {
        return run(seed.parse().expect("a number"));
    }
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    thread::scope(|scope| {
        let of_threads = (0..threads).map(|first| {
            scope.spawn(move || {
                for seed in (first..runs).step_by(threads as usize) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        eprintln!("again: REKINDLE_FLEET_SEED={seed}");
                        resume_unwind(panic);
                    }
                }
            })
        });
        let of_threads: Vec<_> = of_threads.collect();
        for of_thread in of_threads {
            of_thread.join().expect("no run fails");
        }
    });
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let steps = 20 + world.random.below(60);
    for _ in 0..steps {
        let node = world.random.below(world.nodes.len());
        world.pass_unnoted(1);
        step(&mut world, node);
        if world.is_calm {
            settle(&mut world, false);
        }
        world.check(node.min(world.nodes.len() - 1));
    }
    world.store.is_down = false;
    world.store.is_full = false;
    // Longer than between two looks for loss, and long enough to see what comes late.
    for _ in 0..3 {
        world.pass(11_000);
        settle(&mut world, true);
    }
    world.check_all();
}

fn step(world: &mut World, node: usize) {
    let life = match world.lives.len() {
        0 => None,
        n => Some(world.random.below(n)),
    };
    match (world.random.below(32), life) {
        (0..=7, _) | (8..=15, None) => world.make_session(node),
        (8..=10, Some(life)) => world.remove(node, life),
        (11..=12, Some(life)) => world.fetch(node, life),
        (13, Some(_)) if world.random.one_in(3) => world.revoke(node),
        (14..=18, _) => {
            let fate = match world.is_calm {
                true => Fate::Taken,
                false => [
                    Fate::Taken,
                    Fate::Taken,
                    Fate::Unanswered,
                    Fate::Late,
                    Fate::Twice,
                    Fate::Lost,
                ][world.random.below(6)],
            };
            world.publish(node, fate);
        }
        (19..=22, _) => {
            let most = 1 + world.random.below(4);
            world.follow(node, most);
        }
        (23, _) => drop(world.nodes[node].backfill(&world.store, 2)),
        (24..=25, _) => {
            let millis = [100, 3_000, 30_000, 90_000][world.random.below(4)];
            let millis = 1 + world.random.below(millis) as u64;
            world.pass(millis);
        }
        (26, _) if world.random.one_in(8) => world.pass(400_000),
        _ if world.is_calm => {}
        _ => fail(world, node),
    }
}

/// Something goes wrong.
fn fail(world: &mut World, node: usize) {
    match world.random.below(12) {
        0 => world.store.is_down = !world.store.is_down,
        1 => world.store.is_full = !world.store.is_full,
        2 if world.random.one_in(2) => {
            let (lost, ahead) = (world.random.below(8) as u64, world.skew());
            world.store.fail_over(lost, ahead);
            world.nodes.iter_mut().for_each(|node| node.disconnect());
        }
        3 if world.random.one_in(3) => world.store.lose_everything(),
        4..=5 => world.nodes[node].disconnect(),
        6 if world.random.one_in(2) => world.restart(node),
        7 if world.nodes.len() < 4 => world.join(),
        8..=9 => world.replay(node),
        _ => arrive_late(world),
    }
}

/// One of the batches that are still on their way.
fn arrive_late(world: &mut World) {
    if !world.store.late.is_empty() {
        let at = world.random.below(world.store.late.len());
        let batch = world.store.late.swap_remove(at);
        let unix = world.unix();
        world.store.write(&batch, unix);
    }
}

/// All that was said arrives.
fn settle(world: &mut World, at_the_end: bool) {
    while !world.store.late.is_empty() {
        arrive_late(world);
    }
    // What one machine says may have another one say something.
    for _ in 0..3 {
        for node in 0..world.nodes.len() {
            if at_the_end {
                world.nodes[node].disconnect();
            }
            let mut batches = 0;
            world.publish(node, Fate::Taken);
            while !world.nodes[node].outbox.is_empty() {
                world.publish(node, Fate::Taken);
                batches += 1;
                assert!(batches < 100, "machine {node} does not come to an end");
            }
        }
        for node in 0..world.nodes.len() {
            while world.follow(node, 1000) {}
            while world.nodes[node].backfill(&world.store, 200) {}
            world.check(node);
        }
    }
}
