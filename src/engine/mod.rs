//! The engine: a bounded concurrent map with expiry. It knows nothing of TLS.
//!
//! # The protocol
//!
//! ```text
//!   table                 line (64 bytes, immutable)         entry (one allocation)
//!  +------+---------+    +-----+-----+-----+-- --+-----+    +----+---------+-------+---------+
//!  |  *---| recency |--->| *|t | *|t | null| ... | *|t |    | id | expires | value | encoded |
//!  +------+---------+    +--|--+-----+-----+-- --+-----+    +----+---------+-------+---------+
//!  | null |         |       +-------------------------------^      t: bits of the id's hash
//!  +------+---------+
//! ```
//!
//! A line never changes once it is published. Every change (insert, replace, remove, take, evict,
//! expire) writes a new line and publishes it with one compare-and-exchange on the table's pointer.
//! So the state of a line is the value of one pointer, and every operation takes effect at one load
//! or one successful exchange of it:
//!
//! - an id has one line, and a line has at most one entry for it (a writer that adds or replaces
//!   one has looked at exactly the line that its exchange replaces), so an id never shows two
//!   lives;
//! - of two takes of one entry only one replaces the line that holds it;
//! - the pointer cannot come back to a value that a thread still remembers (ABA), for a line is not
//!   used again while a thread that could have loaded it is pinned.
//!
//! A thread that looks at lines and entries is pinned: readers as `reclaim/readers.rs` tells,
//! writers by crossbeam-epoch (`reclaim/writers.rs`). Writers keep what they unlinked until both
//! say that no thread can reach it, and then use it again (`reclaim/memory.rs`). For the length of
//! one operation each thread leases a [`Writer`](reclaim::pool::Writer) (`reclaim/pool.rs`). When
//! room is needed, `evict/` chooses the victim by the recency bytes: hints, on which nothing
//! depends but which entry goes first.
//!
//! Gauges (`entries`, `bytes`) change after the exchange that they count, and are signed for that
//! reason: in between they are behind by at most one entry for each writer at work, and by as much
//! the cache can overshoot its capacity.

mod change;
mod cursor;
mod entry;
mod evict;
mod gauges;
mod insert;
mod line;
mod lookup;
mod memory_block;
mod prefetch;
mod reclaim;
mod remove;
mod state;
mod table;

pub(crate) use change::RemovalCause;
pub(crate) use entry::{Entry, EntryRef, Parts};
pub(crate) use evict::recency::Recency;
pub(crate) use insert::{New, Outcome};
pub(crate) use line::PrefetchHint;
pub(crate) use memory_block::{CLASSES, block_size, class_size};
pub(crate) use reclaim::pin::{Pin, thread_number};
pub(crate) use state::{Engine, Limits};
