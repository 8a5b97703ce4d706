//! The cache under test, and what must be true of it after any operations.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use rekindle::{
    Cache, CacheBuilder, Guard, Inserted, ManualClock, Refused, SessionId, Stats, Time,
};

use crate::Value;

/// Hashes the first byte of an id to the top byte of the hash: the same in each execution, and a
/// test can choose the line.
#[derive(Clone, Debug, Default)]
pub struct FirstByte;

/// See [`FirstByte`].
#[derive(Debug, Default)]
pub struct FirstByteHasher(Option<u8>);

impl BuildHasher for FirstByte {
    type Hasher = FirstByteHasher;

    fn build_hasher(&self) -> FirstByteHasher {
        FirstByteHasher::default()
    }
}

impl Hasher for FirstByteHasher {
    fn write(&mut self, bytes: &[u8]) {
        if self.0.is_none() {
            self.0 = bytes.first().copied();
        }
    }

    fn finish(&self) -> u64 {
        u64::from(self.0.unwrap_or(0)) << 56
    }
}

/// The id of one byte.
pub fn id(byte: u8) -> SessionId {
    SessionId::new(&[byte]).expect("one byte is an id")
}

/// Three ids that share a line, and a tag, in a table of any size.
pub const A: u8 = 1;
/// See [`A`].
pub const B: u8 = 2;
/// See [`A`].
pub const C: u8 = 3;
/// Leads to the middle line of a table with an odd number of them.
pub const M: u8 = 128;
/// Leads to the last line of a table of any size.
pub const Z: u8 = 255;

/// Bytes of an entry that holds one of the values 0 to 9.
pub const ENTRY: usize = 144;

/// Length of a value's encoded session: the values 10 to 19 make an entry 64 bytes longer than
/// those before, and so on.
pub fn encoded_len(n: u8) -> usize {
    24 + usize::from(n / 10) * 64
}

/// Bytes of an entry that holds a value.
fn entry_bytes(n: u8) -> usize {
    ENTRY + usize::from(n / 10) * 64
}

/// A cache whose values say what its encoded bytes must be.
#[derive(Debug)]
pub struct Subject {
    /// The cache.
    pub cache: Cache<Value, FirstByte>,
    clock: Arc<ManualClock>,
}

impl Subject {
    /// A cache for up to `capacity` entries, one line for every three, that holds value 0 under
    /// each of some ids.
    pub fn new(capacity: usize, keys: &[u8]) -> Self {
        Self::build(Cache::builder().capacity(capacity), keys)
    }

    /// As [`new`](Self::new), with other limits.
    pub fn build(builder: CacheBuilder<Value>, keys: &[u8]) -> Self {
        let clock = Arc::new(ManualClock::new());
        let cache = builder.clock(clock.clone()).hasher(FirstByte).build();
        let subject = Self {
            cache: cache.expect("in range"),
            clock,
        };
        for key in keys {
            subject.insert(*key, 0).expect("fits");
        }
        subject
    }

    /// A cache for one entry, which is there.
    pub fn with_a() -> Self {
        Self::new(1, &[A])
    }

    /// A cache for one entry, which has expired.
    pub fn with_expired_a() -> Self {
        let subject = Self::new(1, &[]);
        subject.insert_expired(A, 0);
        subject
    }

    /// Inserts, for good.
    pub fn insert(&self, key: u8, n: u8) -> Result<Inserted, Refused> {
        self.insert_until(key, n, Time::NEVER)
    }

    /// Inserts with an end.
    pub fn insert_until(&self, key: u8, n: u8, end: Time) -> Result<Inserted, Refused> {
        self.cache.insert(&id(key), Value::new(n), &encode(n), end)
    }

    /// Inserts, for good, unless there is a live entry.
    pub fn insert_if_absent(&self, key: u8, n: u8) -> bool {
        self.cache
            .insert_if_absent(&id(key), Value::new(n), &encode(n), Time::NEVER)
            .expect("fits")
    }

    /// Inserts what will have expired when the model begins.
    pub fn insert_expired(&self, key: u8, n: u8) {
        self.insert_until(key, n, self.cache.now()).expect("fits");
        self.let_time_pass();
    }

    /// Moves the clock on: what ends now has expired.
    pub fn let_time_pass(&self) {
        self.clock.advance(Duration::from_millis(1));
    }

    /// Takes.
    pub fn take(&self, key: u8) -> Option<u8> {
        self.cache.take(&id(key)).map(|value| value.get())
    }

    /// Removes.
    pub fn remove(&self, key: u8) -> bool {
        self.cache.remove(&id(key))
    }

    /// Looks up the value.
    pub fn get(&self, key: u8) -> Option<u8> {
        self.cache.pin().get(&id(key)).map(Value::get)
    }

    /// Copies the encoded bytes, which must be those of one value.
    pub fn get_buffer(&self, key: u8) -> Option<u8> {
        get_buffer(&self.cache.pin(), key)
    }

    /// What every model ends with, when its threads are quiet.
    ///
    /// - The gauges say what is in the table, and each id is there once.
    /// - What came is what left and what is left.
    /// - With no thread pinned everything that left is reclaimed.
    pub fn check_accounts(&self) {
        let stats = self.cache.stats();
        let guard = self.cache.pin();
        let ids: Vec<_> = guard.iter().map(|entry| *entry.id()).collect();
        let bytes = guard.iter().map(|entry| entry_bytes(entry.value().get()));
        let bytes: usize = bytes.sum();
        drop(guard);
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{id:?} is there twice");
        }
        assert_eq!((stats.entries, stats.bytes), (ids.len(), bytes));
        let came = departures(&stats) + ids.len() as u64;
        assert_eq!(stats.inserts, came, "{stats:?}");

        // Each call helps on for a few rounds.
        for _ in 0..4 {
            self.cache.maintain();
        }
        let stats = self.cache.stats();
        let retired = (stats.retired, stats.retired_bytes);
        assert_eq!(retired, (0, 0), "never reclaimed");
    }
}

/// As [`Subject::get_buffer`], on a guard.
pub fn get_buffer(guard: &Guard<'_, Value, FirstByte>, key: u8) -> Option<u8> {
    let mut buffer = [0xEE; 256];
    let copied = guard.get_buffer(&id(key), &mut buffer)?;
    let n = buffer[0];
    let len = encoded_len(n);
    assert_eq!((copied.needed, copied.stored), (len, len));
    assert_eq!(buffer[..len], encode(n), "torn");
    Some(n)
}

fn encode(n: u8) -> Vec<u8> {
    vec![n; encoded_len(n)]
}

/// All that left, for any reason. What replaces a live entry counts neither here nor there.
fn departures(stats: &Stats) -> u64 {
    let evicted = stats.evicted;
    let evicted = evicted.expired + evicted.unused + evicted.idle + evicted.line_full;
    stats.removed + stats.taken + evicted
}
