//! What a fuzzer's bytes mean: five for the cache, then two to four for each operation. A byte
//! that changes, comes or goes changes one operation and leaves the others much as they are.

use std::hash::{BuildHasher, Hasher};

use arbitrary::{Arbitrary, Result, Unstructured};

/// Operations that one run makes at most, those that [`Operation::Churn`] stands for included:
/// enough to seal several batches of what left, and to fill a writer's spare entries.
const MAX_STEPS: usize = 400;

#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) capacity: usize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) max_encoded_len: usize,
    pub(crate) retired_limit: Option<usize>,
    pub(crate) hashes: Hashes,
    pub(crate) operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Insert(Insert),
    /// Many inserts in a row, so that few bytes get to where memory is reclaimed.
    Churn {
        first: Insert,
        times: u8,
    },
    Get {
        id: u8,
    },
    GetBuffer {
        id: u8,
        room: usize,
    },
    Remove {
        id: u8,
    },
    Take {
        id: u8,
        on_guard: bool,
    },
    Advance {
        millis: u8,
    },
    Maintain,
    Clear,
    /// Takes a guard and keeps it, and all that is in the cache, until `Unpin`.
    Pin,
    Repin,
    Unpin,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Insert {
    pub(crate) id: u8,
    pub(crate) len: usize,
    pub(crate) life: Life,
    pub(crate) if_absent: bool,
    pub(crate) on_guard: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Over,
    Millis(u8),
    Endless,
}

/// How ids are hashed: all to one value, to seven, or well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hashes {
    One,
    Seven,
    Many,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut byte = || u.arbitrary::<u8>().map(usize::from);
        let mut input = Self {
            capacity: 1 + byte()? % 64,
            max_bytes: match byte()? {
                0 => None,
                n @ 1..128 => Some(64 * n),
                n => Some(4_096 * (n - 127)),
            },
            max_encoded_len: len(byte()?).max(1),
            retired_limit: Some(byte()?).filter(|limit| *limit > 0),
            hashes: match byte()? % 3 {
                0 => Hashes::Many,
                1 => Hashes::Seven,
                _ => Hashes::One,
            },
            operations: Vec::new(),
        };
        let mut steps = 0;
        while !u.is_empty() && steps < MAX_STEPS {
            let operation = Operation::arbitrary(u)?;
            steps += match &operation {
                Operation::Churn { times, .. } => usize::from(*times),
                _ => 1,
            };
            input.operations.push(operation);
        }
        Ok(input)
    }
}

/// Lengths close to each other up to the default of other caches; and then up to 32 KiB, a few of
/// which are more than a writer keeps spare. Those just fill a block with the entry's header of 56
/// bytes, or are one too long.
fn len(byte: usize) -> usize {
    match byte {
        0..128 => 6 * byte,
        _ => 256 * (byte - 127) - 56 + byte % 2,
    }
}

impl<'a> Arbitrary<'a> for Operation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let code = u.arbitrary::<u8>()?;
        let (on_guard, if_absent) = (code & 0x10 != 0, code & 0x20 != 0);
        let mut byte = || u.arbitrary::<u8>().unwrap_or(0);
        let mut insert = || Insert {
            id: byte(),
            len: len(byte().into()),
            life: match byte() {
                0 => Life::Endless,
                1 => Life::Over,
                n => Life::Millis(n),
            },
            if_absent,
            on_guard,
        };
        Ok(match code & 0x0F {
            0..=4 => Self::Insert(insert()),
            5 => Self::Churn {
                first: insert(),
                times: byte() % 32,
            },
            6 => Self::Get { id: byte() },
            7 | 8 => Self::GetBuffer {
                id: byte(),
                room: len(byte().into()),
            },
            9 => Self::Remove { id: byte() },
            10 => Self::Take {
                id: byte(),
                on_guard,
            },
            11 => Self::Advance { millis: byte() },
            12 => Self::Maintain,
            13 if on_guard => Self::Clear,
            13 => Self::Repin,
            14 => Self::Pin,
            _ => Self::Unpin,
        })
    }
}

impl Insert {
    /// The inserts of a churn: a few ids by turns, in sizes that go up and down.
    pub(crate) fn nth(self, n: u8) -> Self {
        let stretch = usize::from(n % 5) * 64;
        Self {
            id: self.id.wrapping_add(n % 4),
            len: self.len + stretch,
            ..self
        }
    }
}

pub(crate) struct IdHasher(u64, Hashes);

impl BuildHasher for Hashes {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(0, *self)
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        let n = match self.1 {
            Hashes::One => 0,
            Hashes::Seven => self.0 % 7,
            Hashes::Many => self.0,
        };
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
