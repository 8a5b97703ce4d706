//! Threads that call one cache at once, and a record of what each was told, and when.

use std::hint;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rekindle::{Cache, SessionId, Time};

use crate::spec::{IDS, Op, Ret};

/// Bytes of the longest encoded session here.
const LONGEST: usize = 200;

/// A call and its answer. The numbers come from one counter: whatever returned before something
/// else was called has a smaller number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) op: Op,
    pub(crate) ret: Ret,
}

/// What the threads of one round did, thread by thread.
pub(crate) type Round = Vec<Vec<Call>>;

/// A small generator of numbers (splitmix64): the same each time, and cheap.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

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
pub(crate) fn record(cache: &Cache<u32>, plan: Plan) -> Vec<Round> {
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
    cache: &Cache<u32>,
    plan: Plan,
    number: usize,
    clock: &AtomicU64,
    meeting: &Meeting,
) -> Vec<Vec<Call>> {
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
            let ret = call(cache, &ids[op.id()], op);
            let returned = clock.fetch_add(1, Ordering::SeqCst);
            Call {
                called,
                returned,
                op,
                ret,
            }
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
        0..=3 => Op::Insert { id, n },
        4 => Op::InsertExpired { id, n },
        5..=6 => Op::InsertIfAbsent { id, n },
        7..=8 => Op::Get { id },
        9..=10 => Op::GetBuffer { id },
        11 => Op::Contains { id },
        12..=13 => Op::Remove { id },
        _ => Op::Take { id },
    }
}

fn call(cache: &Cache<u32>, id: &SessionId, op: Op) -> Ret {
    let insert = |n, until| match cache.insert(id, n, &encoded(n), until) {
        Ok(inserted) => Ret::Inserted(inserted),
        Err(_) => Ret::Refused,
    };
    match op {
        Op::Insert { n, .. } => insert(n, Time::NEVER),
        Op::InsertExpired { n, .. } => insert(n, Time::from_millis(0)),
        Op::InsertIfAbsent { n, .. } => {
            match cache.insert_if_absent(id, n, &encoded(n), Time::NEVER) {
                Ok(inserted) => Ret::Yes(inserted),
                Err(_) => Ret::Refused,
            }
        }
        Op::Get { .. } => Ret::Found(cache.get(id)),
        Op::GetBuffer { .. } => Ret::Found(get_buffer(cache, id)),
        Op::Contains { .. } => Ret::Yes(cache.contains(id)),
        Op::Remove { .. } => Ret::Yes(cache.remove(id)),
        Op::Take { .. } => Ret::Found(cache.take(id)),
    }
}

/// Of a length of its own, so that entries of several sizes are used again.
fn encoded(n: u32) -> Vec<u8> {
    vec![n as u8; 4 + (n as usize * 37) % (LONGEST - 4)]
}

fn get_buffer(cache: &Cache<u32>, id: &SessionId) -> Option<u32> {
    let mut buffer = [0; LONGEST];
    let copied = cache.get_buffer(id, &mut buffer)?;
    let n = u32::from(buffer[0]);
    assert_eq!(buffer[..copied.stored], encoded(n), "torn bytes");
    Some(n)
}

/// Where the threads of a round meet. They spin, so that they set out at once; not for long, since
/// there may be more threads than processors.
struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
}

impl Meeting {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
        }
    }

    fn wait(&self) {
        let arrived = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (arrived / self.threads + 1) * self.threads;
        let mut spins = 0;
        while self.arrived.load(Ordering::Acquire) < all {
            spins += 1;
            if spins % 2_000 == 0 {
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
