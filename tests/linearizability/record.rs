//! Threads that call one cache at once, and a record of what each was told, and when.

use std::hash::BuildHasher;
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rekindle::{Cache, SessionId};

use crate::calls::{Random, call};
use crate::history::{Call, IDS, Op, Round};

/// How many threads make how many calls each, in how many rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    pub(crate) calls: usize,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
}

/// Lets all threads loose on `cache`, round by round, and records. At the end of each round none of
/// its ids is in the cache.
pub(crate) fn record(cache: &Cache<u32, impl BuildHasher + Sync>, plan: Plan) -> Vec<Round> {
    let clock = AtomicU64::new(0);
    let meeting = Meeting::new(plan.threads);
    let by_thread: Vec<Vec<Vec<Call>>> = thread::scope(|scope| {
        let handles: Vec<_> = (0..plan.threads)
            .map(|number| {
                let (clock, meeting) = (&clock, &meeting);
                scope.spawn(move || {
                    disturbed(plan.seed ^ number as u64, || {
                        work(cache, plan, number, clock, meeting)
                    })
                })
            })
            .collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    let mut by_thread: Vec<_> = by_thread.into_iter().map(Vec::into_iter).collect();
    (0..plan.rounds)
        .map(|_| by_thread.iter_mut().filter_map(Iterator::next).collect())
        .collect()
}

fn work(
    cache: &Cache<u32, impl BuildHasher>,
    plan: Plan,
    number: usize,
    clock: &AtomicU64,
    meeting: &Meeting,
) -> Vec<Vec<Call>> {
    let _attendance = Attendance(meeting);
    let mut random = Random(plan.seed.wrapping_add(number as u64) << 20);
    let ids: [SessionId; IDS] = std::array::from_fn(|n| SessionId::new(&[n as u8; 8]).unwrap());
    let mut rounds = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let ops: Vec<Op> = (0..plan.calls)
            .map(|call| any(&mut random, (number * plan.calls + call) as u32))
            .collect();
        meeting.wait();
        let calls = ops.into_iter().map(|op| {
            let called = clock.fetch_add(1, Ordering::SeqCst);
            let ret = call(cache, &|n| ids[n], op);
            let returned = clock.fetch_add(1, Ordering::SeqCst);
            Call::new(called, returned, op, ret)
        });
        rounds.push(calls.collect());
        meeting.wait();
        if number == 0 {
            for id in &ids {
                cache.remove(id);
            }
        }
    }
    rounds
}

fn any(random: &mut Random, n: u32) -> Op {
    let id = random.below(IDS as u64).min(random.below(IDS as u64)) as usize;
    match random.below(16) {
        0..=3 => Op::Insert(id, n),
        4 => Op::InsertExpired(id, n),
        5..=6 => Op::InsertIfAbsent(id, n),
        7..=8 => Op::Get(id),
        9..=10 => Op::GetBuffer(id),
        11 => Op::Contains(id),
        12..=13 => Op::Remove(id),
        _ => Op::Take(id),
    }
}

/// Where the threads of a round meet. They spin, so that they set out at once; not for long, since
/// there may be more threads than processors.
struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
    /// One of the threads has panicked: no other thread need wait for it.
    over: AtomicBool,
}

struct Attendance<'m>(&'m Meeting);

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.over.store(true, Ordering::Relaxed);
        }
    }
}

impl Meeting {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    fn wait(&self) {
        let arrived = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (arrived / self.threads + 1) * self.threads;
        let mut spins = 0;
        while self.arrived.load(Ordering::Acquire) < all {
            assert!(!self.over.load(Ordering::Relaxed), "another thread failed");
            spins += 1;
            if spins % 100 == 0 {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }
}

/// Runs `f` with its atomic steps pulled apart, so that other threads' steps come in between.
#[cfg(rekindle_steps)]
fn disturbed<R>(seed: u64, f: impl FnOnce() -> R) -> R {
    let mut random = Random(seed);
    let pause = move |_| match random.below(256) {
        0 => thread::yield_now(),
        1..32 => (0..random.below(300)).for_each(|_| hint::spin_loop()),
        _ => {}
    };
    rekindle::steps::watch(pause, f)
}

#[cfg(not(rekindle_steps))]
fn disturbed<R>(_seed: u64, f: impl FnOnce() -> R) -> R {
    f()
}
