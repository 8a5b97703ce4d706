//! The engine: a bounded concurrent map with expiry. It knows nothing of TLS.
//!
//! # The protocol
//!
//! ```text
//!   table: lines of one cache line each                    entry (one allocation)
//!  +-----+-----+------+-- --+-----+---------+    +---------+----+-------+-------+---------+
//!  | *|t | *|t | null | ... | *|t | recency |    | expires | id | state | value | encoded |
//!  +-|---+-----+------+-- --+-----+---------+    +---------+----+-------+-------+---------+
//!    +-------------------------------------------^          t: bits of the id's hash
//! ```
//!
//! The state of a slot is one pointer, and the state of an entry one byte: undecided, live or dead.
//! An entry keeps its slot while it is in the table, leaves *undecided* once, and only live ones
//! are found. Every operation takes effect at one load, or one successful exchange, of one of the
//! two:
//!
//! - a *lookup* loads the seven slots and follows those whose tag matches, once each;
//! - a *replace* exchanges the slot of the live entry for an entry that is live already: a reader
//!   finds the one or the other;
//! - *remove*, *take* and *evict* exchange the slot for a free one. The thread whose exchange
//!   succeeds owns the entry's retirement, so of two takes one wins.
//! - *insert* of a new id places its entry, undecided, in a free slot (or in place of the entry
//!   that a full line gives up), **looks at the whole line again**, and decides:
//!   - another live entry of the id: its own becomes dead, and it goes on as a replace;
//!   - an undecided one in a higher slot becomes dead; one in a lower slot is decided first, on
//!     behalf of its thread, and is the live one then, or dead;
//!   - none: its own becomes live. That exchange of the state is where the insert takes effect.
//!
//! Of two inserts of one id each has placed its entry before it looks again, so at least one sees
//! the other (their exchanges and loads are sequentially consistent). Whichever thread decides an
//! entry has looked after the entry was placed, so a live entry never stands beside another, and an
//! id never shows two lives. A thread that is frozen between placing and deciding stops no other:
//! an insert, an eviction or a clear that meets its entry decides it first. Lookups, removes and
//! takes pass an undecided entry by, for its insert has not taken effect.
//!
//! A pointer cannot come back to a value that a thread still remembers (ABA): an entry is not used
//! again while a thread that could have loaded it is pinned (`reclaim/pin.rs`). A free slot needs
//! no version, for no thread fills a slot on behalf of another. Writers keep what they unlinked
//! until no thread can reach it, and then use its memory again (`reclaim/memory.rs`); for the
//! length of one operation a thread leases a [`Writer`](reclaim::pool::Writer)
//! (`reclaim/pool.rs`). When room is needed, `evict/` chooses the victim by the recency bytes:
//! hints, on which nothing depends but which entry goes first.
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
pub(crate) use state::{Engine, Limits, TABLE_BYTES, WhenFull};
