//! What a store does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;

/// The result of a call to a store.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place in a stream: milliseconds since 1970 by the store's clock, and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64, pub u64);

impl Position {
    /// Where a value stands that comes behind this place at `now`, in milliseconds since 1970.
    pub(crate) fn next(self, now: u64) -> Self {
        match now > self.0 {
            true => Self(now, 0),
            false => Self(self.0, self.1 + 1),
        }
    }
}

/// A store of streams, to which values are appended, and of values under keys. It needs to keep
/// nothing for good: what it loses costs handshakes, never a session's end.
///
/// It is not trusted: it sees sealed values under names that tell nothing, and can forge neither.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Connects. A call on the connection that takes longer than `patience` fails.
    fn connect(&self, patience: Duration) -> Pending<'_, Box<dyn Connection>>;

    /// Whether streams with different tags, the part between braces of a name, cannot be read with
    /// one call.
    fn is_split(&self) -> bool {
        false
    }
}

/// A connection to a store, of one task. After an error it is dropped.
pub trait Connection: Send {
    /// Carries out some writes in order. The results are in the same order; an error of the whole
    /// says nothing of what was carried out.
    fn write<'a>(&'a mut self, writes: &'a [Write]) -> Pending<'a, Vec<Result<Position, Refusal>>>;

    /// Waits for up to `wait` until there is something behind any of these places, and reads up to
    /// `most` values of each stream, the oldest first.
    fn follow<'a>(
        &'a mut self,
        from: &'a [(String, Position)],
        most: usize,
        wait: Duration,
    ) -> Pending<'a, Vec<StreamPart>>;

    /// Reads values of a stream up to a place, that included, the newest first.
    fn read_back<'a>(
        &'a mut self,
        stream: &'a str,
        up_to: Position,
        most: usize,
    ) -> Pending<'a, Vec<(Position, Vec<u8>)>>;

    /// The values under some keys.
    fn get<'a>(&'a mut self, keys: &'a [Vec<u8>]) -> Pending<'a, Vec<Option<Vec<u8>>>>;
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Appends a value to a stream.
    Append {
        /// The stream's name.
        stream: String,
        /// The value.
        value: Vec<u8>,
        /// What is older may be trimmed.
        oldest: Position,
        /// When the stream is not needed any more, in milliseconds since 1970.
        ends_at: u64,
    },
    /// Puts a value under a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// How long it stays.
        life: Duration,
        /// Only if there is none.
        if_absent: bool,
    },
}

/// A part of a stream: its place among those that were asked for, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPart {
    /// The number of the stream among those that were asked for.
    pub stream: usize,
    /// Where each value stands, and the values.
    pub values: Vec<(Position, Vec<u8>)>,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self(0, 0);
    /// Behind everything.
    pub const END: Self = Self(u64::MAX, u64::MAX);

    /// The place before this one.
    #[must_use]
    pub fn before(self) -> Self {
        match self {
            Self(millis, 0) => Self(millis.saturating_sub(1), u64::MAX),
            Self(millis, number) => Self(millis, number - 1),
        }
    }
}

/// Why a store did not carry out a write, and will not until something changes there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no room.
    #[error("the store is full")]
    Full,
    /// There is a value under the key.
    #[error("there is a value already")]
    Present,
    /// Something else, as the store says.
    #[error("the store refuses it: {0}")]
    Other(String),
}

/// Why a connection is of no use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It could not be reached, or broke.
    #[error("{0}")]
    Broken(String),
    /// It has answered what no store answers.
    #[error("an answer that makes no sense: {0}")]
    Nonsense(&'static str),
}
