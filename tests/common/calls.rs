//! How a test calls a cache: numbers for values, and what it is told in the words of `history.rs`.
#![allow(dead_code)] // each test uses a part

use std::hash::BuildHasher;

use rekindle::{Cache, SessionId, Time};

use crate::history::{IDS, Op, Ret};

/// Bytes of the longest encoded session here.
const LONGEST: usize = 200;

/// A value that is told apart by a number.
pub(crate) trait Numbered: Clone + Send + Sync {
    fn new(n: u32) -> Self;
    fn number(&self) -> u32;
}

impl Numbered for u32 {
    fn new(n: u32) -> Self {
        n
    }

    fn number(&self) -> u32 {
        *self
    }
}

/// Makes a call. The ids have numbers.
pub(crate) fn call<V: Numbered, S: BuildHasher>(
    cache: &Cache<V, S>,
    ids: &impl Fn(usize) -> SessionId,
    op: Op,
) -> Ret {
    let id = &ids(op.id());
    let insert = |n, until| match cache.insert(id, V::new(n), &encoded(n), until) {
        Ok(inserted) => Ret::Inserted(inserted),
        Err(_) => Ret::Refused,
    };
    match op {
        Op::Insert(_, n) => insert(n, Time::NEVER),
        Op::InsertExpired(_, n) => insert(n, Time::from_millis(0)),
        Op::InsertIfAbsent(_, n) => {
            match cache.insert_if_absent(id, V::new(n), &encoded(n), Time::NEVER) {
                Ok(inserted) => Ret::Yes(inserted),
                Err(_) => Ret::Refused,
            }
        }
        Op::Get(..) => Ret::Found(cache.get(id).map(|v| v.number())),
        Op::GetBuffer(..) => Ret::Found(get_buffer(cache, id)),
        Op::Contains(..) => Ret::Yes(cache.contains(id)),
        Op::Remove(..) => Ret::Yes(cache.remove(id)),
        Op::Take(..) => Ret::Found(cache.take(id).map(|v| v.number())),
        Op::Iterate => Ret::All(all(cache, ids)),
        Op::Clear => {
            cache.clear();
            Ret::Nothing
        }
        Op::Maintain => {
            cache.maintain();
            Ret::Nothing
        }
    }
}

/// What the first ids map to, without a lookup: that would leave a mark.
pub(crate) fn all<V: Numbered, S: BuildHasher>(
    cache: &Cache<V, S>,
    ids: &impl Fn(usize) -> SessionId,
) -> [Option<u32>; IDS] {
    let (guard, now) = (cache.pin(), cache.now());
    std::array::from_fn(|n| {
        let id = ids(n);
        let mut live = guard
            .iter()
            .filter(|entry| *entry.id() == id && entry.expires_at() >= now);
        let found = live.next().map(|entry| entry.value().number());
        assert!(live.next().is_none(), "an id is there twice");
        found
    })
}

/// Begins with the number, and has a length of its own, so that entries of several sizes are used
/// again.
pub(crate) fn encoded(n: u32) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.resize(4 + (n as usize * 37) % (LONGEST - 4), n as u8);
    bytes
}

pub(crate) fn get_buffer<V: Numbered, S: BuildHasher>(
    cache: &Cache<V, S>,
    id: &SessionId,
) -> Option<u32> {
    let mut buffer = [0; LONGEST];
    let copied = cache.get_buffer(id, &mut buffer)?;
    let n = u32::from_le_bytes(*buffer.first_chunk().expect("longer than that"));
    assert_eq!(buffer[..copied.stored], encoded(n), "torn bytes");
    Some(n)
}

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
