//! Far more threads than processors, readers at normal priority and writers at idle priority: each
//! of them is preempted again and again in the middle of its work, and writers for long.
#![allow(unsafe_code)] // scheduling is the system's affair

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rekindle::{Cache, Inserted, Refused, SessionId, Time};

const READERS: usize = 16;
const WRITERS: usize = 16;

/// Lookups of each reader beside writers that never stop meanwhile.
const LOOKUPS: usize = 80_000;
/// Changes that each writer makes at least.
const CHANGES: usize = 12_000;

const CAPACITY: usize = 1_000;
/// More than fit, so that some have to be evicted. Each is written by one writer only.
const IDS: usize = 2_048;
/// Reached now and then: with 32 threads some are always preempted while they are pinned.
const RETIRED_LIMIT: usize = 8_000;

/// Bytes of the longest encoding, and of the largest entry (its header is 64 bytes at most).
const ENCODED: usize = 16 + 99;
const LARGEST: usize = 192;

/// What the documentation of `CacheBuilder::retired_limit` allows: at the limit inserts are
/// refused, but each writer may have counted 64 on its own; removes go on, and each retires an
/// entry and a line.
const MOST_ENTRIES: usize = CAPACITY + WRITERS;
const MOST_RETIRED: usize = RETIRED_LIMIT + 64 * WRITERS + 2 * MOST_ENTRIES;
const MOST_RETIRED_BYTES: usize = (64 << 20) + (64 * WRITERS + 2 * MOST_ENTRIES) * LARGEST;

/// Values that exist.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, PartialEq, Eq)]
struct Session {
    number: usize,
    version: u64,
}

impl Session {
    fn new(number: usize, version: u64) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self { number, version }
    }

    fn version_of(&self, number: usize) -> u64 {
        assert_eq!(self.number, number);
        self.version
    }
}

impl Clone for Session {
    fn clone(&self) -> Self {
        Self::new(self.number, self.version)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

fn id(number: usize) -> SessionId {
    SessionId::new(&number.to_le_bytes()).unwrap()
}

/// Number, version, and as many more bytes as the version says.
fn encode(number: usize, version: u64, buffer: &mut [u8; ENCODED]) -> &[u8] {
    buffer[..8].copy_from_slice(&(number as u64).to_le_bytes());
    buffer[8..16].copy_from_slice(&version.to_le_bytes());
    let len = 16 + (version % 100) as usize;
    buffer[16..len].fill((number as u64 ^ version) as u8);
    &buffer[..len]
}

/// The version that some bytes are the whole encoding of.
fn decode(number: usize, bytes: &[u8]) -> u64 {
    let version = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
    let buffer = &mut [0; ENCODED];
    assert_eq!(bytes, encode(number, version, buffer), "torn, or another's");
    version
}

/// One of `ids`, and another number, for the `n`th step of a thread.
fn choose(n: usize, ids: usize) -> (usize, usize) {
    let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 40) as usize % ids, (mixed >> 20) as usize)
}

/// What all threads know.
struct Shared {
    cache: Cache<Session>,
    /// For each id the lowest version that a lookup may find that starts now: the one whose insert
    /// has returned, or the one after that whose removal has.
    lowest: Vec<AtomicU64>,
    changes: AtomicUsize,
    readers_at_work: AtomicUsize,
    writers_at_work: AtomicUsize,
}

/// Counts down when its thread is done, also when that panics: no thread goes on for ever then.
struct AtWork<'s>(&'s AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Reader<'s> {
    shared: &'s Shared,
    /// For each id the version that this thread has seen last.
    seen: Vec<u64>,
    hits: usize,
    lookups: usize,
}

impl Reader<'_> {
    fn check(&mut self, number: usize, version: u64, lowest: u64) {
        assert!(version >= lowest, "{number}: {version} back after {lowest}");
        let seen = &mut self.seen[number];
        assert!(version >= *seen, "{number}: {version} after {seen}");
        *seen = version;
        self.hits += 1;
    }

    fn look_up(&mut self, n: usize) {
        let cache = &self.shared.cache;
        let (number, how) = choose(n, IDS);
        let lowest = self.shared.lowest[number].load(Ordering::Acquire);
        self.lookups += 1;
        let found = match how % 4 {
            0 => cache
                .get(&id(number))
                .map(|session| session.version_of(number)),
            1 => {
                let mut buffer = [0; ENCODED];
                cache.get_buffer(&id(number), &mut buffer).map(|copied| {
                    assert_eq!(copied.needed, copied.stored);
                    decode(number, &buffer[..copied.stored])
                })
            }
            2 => cache.pin().get_encoded(&id(number)).map(|bytes| {
                let version = decode(number, bytes);
                // Long enough for others to replace, remove and evict it.
                thread::yield_now();
                assert_eq!(decode(number, bytes), version, "changed under a guard");
                version
            }),
            _ => {
                let guard = cache.pin();
                guard
                    .get(&id(number))
                    .map(|session| session.version_of(number))
            }
        };
        if let Some(version) = found {
            self.check(number, version, lowest);
        }
        if n.is_multiple_of(512) {
            self.look_at_bounds();
        }
    }

    fn look_at_bounds(&self) {
        let stats = self.shared.cache.stats();
        assert!(stats.entries <= MOST_ENTRIES, "{stats:?}");
        assert!(stats.bytes <= MOST_ENTRIES * LARGEST, "{stats:?}");
        assert!(stats.retired <= MOST_RETIRED, "{stats:?}");
        assert!(stats.retired_bytes <= MOST_RETIRED_BYTES, "{stats:?}");
    }
}

fn read(shared: &Shared, me: usize) -> Reader<'_> {
    let mut reader = Reader {
        shared,
        seen: vec![0; IDS],
        hits: 0,
        lookups: 0,
    };
    let at_work = AtWork(&shared.readers_at_work);
    let start = me * 1_000;
    for n in start..start + LOOKUPS {
        reader.look_up(n);
    }
    // Writers go on until the last reader comes here: so no reader has waited for a writer.
    drop(at_work);
    // From now on all have the same priority, so that writers are many at a time, too.
    be_idle();
    let mut n = start + LOOKUPS;
    while shared.writers_at_work.load(Ordering::Relaxed) > 0 {
        reader.look_up(n);
        n += 1;
    }
    reader
}

struct Writer<'s> {
    shared: &'s Shared,
    number: usize,
    /// For each of its ids: the latest version ever made, and whether that may be in the cache.
    versions: Vec<(u64, bool)>,
    refused: u64,
}

impl Writer<'_> {
    fn change(&mut self, n: usize) {
        let cache = &self.shared.cache;
        let (own, how) = choose(n, IDS / WRITERS);
        let number = own * WRITERS + self.number;
        let (version, there) = self.versions[own];
        let key = id(number);
        // (What is in the cache, whether it was put there now.)
        self.versions[own] = match how % 8 {
            0 => {
                let removed = cache.remove(&key);
                assert!(there || !removed, "removed twice");
                (version, false)
            }
            1 => {
                if let Some(session) = cache.take(&key) {
                    assert_eq!((session.version, there), (version, true));
                }
                (version, false)
            }
            how => {
                let (new, buffer) = (Session::new(number, version + 1), &mut [0; ENCODED]);
                let encoded = encode(number, version + 1, buffer);
                let inserted = if how < 4 {
                    cache.insert_if_absent(&key, new, encoded, Time::NEVER)
                } else {
                    let inserted = cache.insert(&key, new, encoded, Time::NEVER);
                    inserted.map(|inserted| {
                        assert!(there || inserted == Inserted::New);
                        true
                    })
                };
                match inserted {
                    Ok(true) => (version + 1, true),
                    Ok(false) => {
                        assert!(there, "no other thread writes it");
                        (version, true)
                    }
                    Err(refused) => {
                        assert!(matches!(refused, Refused::ReclamationHeldBack), "{refused}");
                        self.refused += 1;
                        (version, there)
                    }
                }
            }
        };
        let (version, there) = self.versions[own];
        let lowest = version + u64::from(!there);
        self.shared.lowest[number].store(lowest, Ordering::Release);
        if n.is_multiple_of(3) {
            let guard = cache.pin();
            let found = guard.get(&key).map(|session| session.version);
            assert!(found.is_none() || (found, there) == (Some(version), true));
        }
        self.shared.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns how often it was refused.
fn write(shared: &Shared, me: usize) -> u64 {
    let mut writer = Writer {
        shared,
        number: me,
        versions: vec![(0, true); IDS / WRITERS],
        refused: 0,
    };
    let _at_work = AtWork(&shared.writers_at_work);
    let mut n = 0;
    while n < CHANGES || shared.readers_at_work.load(Ordering::Relaxed) > 0 {
        writer.change(n);
        n += 1;
    }
    writer.refused
}

#[test]
fn readers_wait_for_no_writer_and_all_answers_are_right() {
    use_two_processors();
    let builder = Cache::builder().capacity(CAPACITY);
    let shared = Shared {
        cache: builder.retired_limit(RETIRED_LIMIT).build().unwrap(),
        lowest: (0..IDS).map(|_| AtomicU64::new(0)).collect(),
        changes: AtomicUsize::new(0),
        readers_at_work: AtomicUsize::new(READERS),
        writers_at_work: AtomicUsize::new(WRITERS),
    };
    for number in 0..IDS {
        let (first, buffer) = (Session::new(number, 0), &mut [0; ENCODED]);
        let encoded = encode(number, 0, buffer);
        let cache = &shared.cache;
        let inserted = cache.insert(&id(number), first, encoded, Time::NEVER);
        inserted.unwrap();
    }
    let barrier = Barrier::new(READERS + WRITERS);
    let (mut hits, mut lookups, mut refused) = (0, 0, 0);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|me| {
                let (shared, barrier) = (&shared, &barrier);
                scope.spawn(move || {
                    be_idle();
                    barrier.wait();
                    write(shared, me)
                })
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|me| {
                let (shared, barrier) = (&shared, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    // So that writers are in the middle of something.
                    while shared.changes.load(Ordering::Relaxed) < 32 * WRITERS
                        && shared.writers_at_work.load(Ordering::Relaxed) > 0
                    {
                        thread::yield_now();
                    }
                    read(shared, me)
                })
            })
            .collect();
        for writer in writers {
            refused += writer.join().unwrap();
        }
        for reader in readers {
            let reader = reader.join().unwrap();
            assert!(reader.lookups >= LOOKUPS);
            hits += reader.hits;
            lookups += reader.lookups;
        }
    });

    let cache = shared.cache;
    let stats = cache.stats();
    println!("{lookups} lookups, {hits} hits, {stats:?}");
    assert!(hits > lookups / 10, "{hits} hits prove little");
    assert!(stats.replaced > 0 && stats.removed > 0 && stats.taken > 0);
    assert!(stats.evicted.unused + stats.evicted.idle > 0, "{stats:?}");
    assert_eq!(stats.refused.reclamation, refused);
    assert!(stats.entries <= MOST_ENTRIES);
    assert_eq!(cache.pin().iter().count(), stats.entries);
    let evicted = stats.evicted.unused + stats.evicted.idle + stats.evicted.line_full;
    let left = stats.inserts - stats.removed - stats.taken - evicted;
    assert_eq!(left as usize, stats.entries);

    // All have stopped, so nothing waits any more.
    cache.clear();
    cache.maintain();
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.bytes), (0, 0));
    assert_eq!((stats.retired, stats.retired_bytes), (0, 0));
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
}

/// However many the machine has: 32 threads on two processors are the point.
#[cfg(target_os = "linux")]
fn use_two_processors() {
    // SAFETY: plain bit sets on this stack; 0 is the calling thread, and threads inherit.
    unsafe {
        let size = size_of::<libc::cpu_set_t>();
        let (mut ours, mut two): (libc::cpu_set_t, libc::cpu_set_t) = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size, &mut ours), 0);
        let ours = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &ours));
        ours.take(2).for_each(|cpu| libc::CPU_SET(cpu, &mut two));
        assert_eq!(libc::sched_setaffinity(0, size, &two), 0);
    }
}

/// Runs only when no other thread wants to, or next to never.
#[cfg(target_os = "linux")]
fn be_idle() {
    // SAFETY: `priority` is read during the call; 0 is the calling thread.
    unsafe {
        let priority: libc::sched_param = std::mem::zeroed();
        if libc::sched_setscheduler(0, libc::SCHED_IDLE, &priority) != 0 {
            println!("no SCHED_IDLE here: nice 19 instead");
            assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, 19), 0);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn use_two_processors() {
    println!("on as many processors as there are");
}

#[cfg(not(target_os = "linux"))]
fn be_idle() {
    println!("all threads have the same priority here");
}
