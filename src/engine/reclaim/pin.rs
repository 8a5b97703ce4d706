//! How a thread says "I may be looking": one word of its own, written twice a pin.
//!
//! `crossbeam_epoch::pin` will not do on the handshake path: every 128th call collects, and that
//! retries, allocates and frees on the reader (measured in `docs/design.md`). So threads announce
//! themselves here, to read or to write, and nothing ever runs on them. A writer that wants memory
//! back waits until each thread that was pinned has moved on, itself included.
//!
//! ```text
//! reader                                    writer
//! R1  slot.seq <- odd        (SeqCst)       W1  compare-and-exchange: unlink X
//! R2  load a slot of a line  (SeqCst)       W2  fence(SeqCst)
//!     .. use what it leads to ..            W3  load every slot.seq; remember the odd ones
//! R3  slot.seq <- even       (Release)      W4  each remembered slot has moved on (Acquire)
//!                                               => no thread can reach X: reuse it
//! ```
//!
//! If W3 does not see R1, then R1 comes after W2 in the order of all SeqCst operations, so that R2
//! sees W1 and never finds X. If it does, W4 waits for R3, and R3 to W4 is a release-acquire pair:
//! all that the reader did with X happened before its reuse. The number only grows, so a slot that
//! shows another number has been unpinned since, whichever thread owns it by then.
//!
//! # What loom cannot check
//!
//! Loom takes a SeqCst access for one that acquires and releases; only SeqCst fences mean to it all
//! that they mean. So the models check the rest of this protocol, and here is the argument for what
//! they do not see. "The order" is the single one of all SeqCst operations (C++20,
//! \[atomics.order\], which Rust has taken over). Each access and fence with SeqCst in `src/`:
//!
//! - R1, the swap in `Slot::announce`; R2, the load in `Line::tagged`; W2, the fence in
//!   `PinnedThreads::remember`. Say that W3 finds a number older than R1's. What comes after a
//!   fence and misses a SeqCst write puts the fence before that write: W2 is before R1 in the
//!   order. R1 is before R2, as in the program. If R2 missed W1, or what came in its place, that
//!   would put R2 before W2, for W1 happens before the fence: a circle. So R2 finds X gone. W1
//!   itself needs no SeqCst for this, as long as it happens before W2: either the same thread has
//!   done both, or the memory that W1 unlinked came to this one with its writer (`pool.rs`), whose
//!   hand-over releases and acquires.
//!
//!   x86: R1 is an `xchg`, W2 an `mfence`; neither lets a load behind it come before it. R2 is a
//!   plain load. ARM: R1 is a `swpal` or ends in an `stlxr`, R2 an `ldar`, which stays behind an
//!   earlier releasing store; an Acquire load may be an `ldapr`, which does not, so R2 must be
//!   SeqCst although x86 and loom would never tell. W2 is a `dmb ish`.
//!
//!   Under loom a fence in `announce` stands for the swap's place in the order. The models then
//!   check which thread announces, which looks, and when; without that fence, or W2, they fail.
//! - The second look of an insert: the exchange in `Line::exchange`, and the loads in
//!   `Line::tagged` again. Two entries X and Y of one id are placed in two slots, and decided by
//!   threads that look after that: each has made the exchange itself, or has loaded what it left,
//!   which puts the exchange before that load in the order. If the look for X misses Y, its load is
//!   before the exchange of Y in the order. So the exchange of X is before the look for Y, and that
//!   finds X. x86: a `lock cmpxchg` and plain loads. ARM: `casal`, or `stlxr`, and `ldar`.
//!
//!   Under loom a fence in `Engine::decide` stands between the two; without it, models fail.
//! - The state of an entry, in `Entry::state` and `decide`: what that entry is needs no more than
//!   acquiring and releasing. SeqCst gives the operations on several ids one order.
//! - `Registry::used`, the `fetch_max` in `claim`. A writer that misses the new number does not
//!   look at the slot at all; as above, W2 is then before the `fetch_max` in the order, that is
//!   before R1, and R2 finds X gone. A Relaxed one would have no place in the order, though both
//!   processors would keep it before R1, and loom would let it pass: its fence for R1 comes after.
//!   If the slot had an owner before, the number was up already, and that happened before this
//!   claim (`claimed`). The load in `for_each_used` comes after W2, and needs no more than that.
//! - The two fences of the TLS adapter (`close`, `was_closed_meanwhile`): argued there.
//!
//! Nor does loom see these: prefetching, which is left out under loom (`prefetch.rs`: reads no more
//! than an address); the ends of threads whose guards outlive them, for loom drops thread-local
//! values in no fixed order (`give_back` below). Loom remembers the last seven stores of an atomic,
//! and never lets a load see a store that comes later in its own run: that could hide Relaxed
//! accesses only, which here count, hint, or are confirmed by an exchange. `RaceProbe` checks,
//! apart from values, that memory is never touched unordered. And loom preempts a thread a bounded
//! number of times, which each model tells. On the other side its SeqCst fences order too much:
//! each acquires what all fences before it released, read from or not. An access that stands
//! between fences can then look redundant.

use std::marker::PhantomData;

use crate::sync::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence, process_static, thread_local,
};

/// Slots in one chunk. The first chunk is static: up to here registering allocates nothing.
const CHUNK: usize = if cfg!(loom) { 1 } else { 128 };

/// Set in a slot's depth when its thread has ended while guards were alive (in other thread-local
/// variables).
const ORPHANED: usize = 1 << (usize::BITS - 1);

process_static! {
    static ref REGISTRY: Registry = Registry::new();
}

thread_local! {
    static REGISTRATION: Registration = Registration { slot: REGISTRY.claim() };
}

/// Every thread that ever pinned has a slot; slots of threads that ended are used again.
struct Registry {
    first: Chunk,
    /// Slots at or above this number have never been claimed.
    used: AtomicUsize,
}

struct Chunk {
    slots: [Slot; CHUNK],
    next: AtomicPtr<Chunk>,
}

/// 128 bytes: processors fetch lines in pairs.
#[repr(align(128))]
pub(crate) struct Slot {
    /// Odd while the owner is pinned. Only the owner writes it.
    seq: AtomicU64,
    /// Guards alive on the owner. Only the owner touches it.
    depth: AtomicUsize,
    claimed: AtomicBool,
    number: usize,
}

impl Registry {
    fn new() -> Self {
        Self {
            first: Chunk::new(0),
            used: AtomicUsize::new(0),
        }
    }

    /// Claims a free slot. Each slot is tried once, and a lost race means that another thread got
    /// one; allocates one chunk for every [`CHUNK`] threads alive beyond the first.
    fn claim(&'static self) -> &'static Slot {
        let mut chunk = &self.first;
        loop {
            for slot in &chunk.slots {
                // Acquire pairs with the Release in `Slot::give_back`: the owner before us has
                // finished with the slot's numbers and with its statistics shard.
                if !slot.claimed.load(Ordering::Relaxed)
                    && slot
                        .claimed
                        .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                        .is_ok()
                {
                    // SeqCst, and before the first R1: a W3 that misses this number comes before
                    // R1 as well.
                    self.used.fetch_max(slot.number + 1, Ordering::SeqCst);
                    return slot;
                }
            }
            chunk = chunk.next_or_append();
        }
    }

    /// Calls `f` with each slot that was ever claimed.
    fn for_each_used(&'static self, mut f: impl FnMut(&'static Slot)) {
        let used = self.used.load(Ordering::SeqCst);
        let mut chunk = Some(&self.first);
        while let Some(c) = chunk {
            for slot in &c.slots {
                if slot.number >= used {
                    return;
                }
                f(slot);
            }
            chunk = c.next();
        }
    }
}

impl Chunk {
    fn new(base: usize) -> Self {
        Self {
            slots: std::array::from_fn(|i| Slot {
                seq: AtomicU64::new(0),
                depth: AtomicUsize::new(0),
                claimed: AtomicBool::new(false),
                number: base + i,
            }),
            next: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    #[allow(unsafe_code)]
    fn next(&self) -> Option<&'static Chunk> {
        // SAFETY: `next` is null or a leaked box (see below), never freed. Acquire pairs with the
        // Release that appended it.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    fn next_or_append(&self) -> &'static Chunk {
        if let Some(next) = self.next() {
            return next;
        }
        let base = self.slots[CHUNK - 1].number + 1;
        let new = Box::into_raw(Box::new(Chunk::new(base)));
        match self.next.compare_exchange(
            std::ptr::null_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => {}
            #[allow(unsafe_code)]
            // SAFETY: `new` came from `Box::into_raw` above and was not published.
            Err(_) => drop(unsafe { Box::from_raw(new) }),
        }
        self.next().expect("appended above, by us or another")
    }
}

impl Slot {
    #[inline]
    fn enter(&self) {
        let depth = self.depth.load(Ordering::Relaxed);
        // Guards can be forgotten; on a machine of 32 bits, even all of them.
        let deeper = depth.checked_add(1).expect("fewer guards than numbers");
        self.depth.store(deeper, Ordering::Relaxed);
        if depth == 0 {
            self.announce();
        }
    }

    #[inline]
    fn leave(&self) {
        let depth = self.depth.load(Ordering::Relaxed);
        self.depth.store(depth - 1, Ordering::Relaxed);
        if depth == 1 {
            // R3. Release pairs with the Acquire of W4.
            self.seq
                .store(self.seq.load(Ordering::Relaxed) + 1, Ordering::Release);
        } else if depth == ORPHANED + 1 {
            self.depth.store(0, Ordering::Relaxed);
            self.seq
                .store(self.seq.load(Ordering::Relaxed) + 1, Ordering::Release);
            self.give_back();
        }
    }

    /// R1: the one read-modify-write of a pin.
    #[inline]
    fn announce(&self) {
        let odd = self.seq.load(Ordering::Relaxed) + 1;
        #[cfg(not(loom))]
        self.seq.swap(odd, Ordering::SeqCst);
        // Loom takes SeqCst accesses for AcqRel; there, a fence says the same. Release because a
        // writer may meet this number instead of the even one before it (W4).
        #[cfg(loom)]
        {
            self.seq.store(odd, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }

    /// The owner is done with the slot, or will be when its last guard is dropped. A guard that was
    /// forgotten may have left references behind: its slot stays pinned.
    ///
    /// A slot that an orphaned guard gives back, and one that a pin has borrowed, are in no model.
    /// To other threads they do nothing new: the same thread claims, announces, unpins and then
    /// gives back, in this order, as one that begins and ends in
    /// `a_slot_that_changes_hands_protects_its_new_owner`.
    fn give_back(&self) {
        let depth = self.depth.load(Ordering::Relaxed);
        if depth > 0 {
            self.depth.store(depth | ORPHANED, Ordering::Relaxed);
        } else {
            // Release pairs with the Acquire in `Registry::claim`.
            self.claimed.store(false, Ordering::Release);
        }
    }
}

/// Holds the calling thread's slot until the thread ends.
struct Registration {
    slot: &'static Slot,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.slot.give_back();
    }
}

/// Makes what all threads share.
pub(crate) fn make_ready() {
    let _ = &*REGISTRY;
}

/// The number of threads that were ever alive at one time: all numbers are below.
pub(crate) fn threads() -> usize {
    // Relaxed: one that has come just now may be missing.
    REGISTRY.used.load(Ordering::Relaxed)
}

/// The number of the calling thread among those alive: small, and its own while it lives. A thread
/// that is past its end already gets one above all others.
#[inline]
pub(crate) fn thread_number() -> usize {
    REGISTRATION
        .try_with(|r| r.slot.number)
        .unwrap_or(usize::MAX)
}

/// While it lives, nothing that the calling thread can reach is reclaimed.
#[derive(Debug)]
pub(crate) struct Pin {
    slot: &'static Slot,
    /// The slot was claimed for this pin alone, since the thread's own is gone already.
    borrowed: bool,
    /// `depth` belongs to one thread.
    _not_send: PhantomData<*mut ()>,
}

impl Pin {
    /// Announces the calling thread. The first pin of a thread claims a slot.
    #[inline]
    pub(crate) fn new() -> Self {
        let (slot, borrowed) = match REGISTRATION.try_with(|r| r.slot) {
            Ok(slot) => (slot, false),
            // Called from a destructor that runs after the thread's own registration ended.
            Err(_) => (REGISTRY.claim(), true),
        };
        slot.enter();
        Self {
            slot,
            borrowed,
            _not_send: PhantomData,
        }
    }

    /// Unpins and pins anew, unless another guard of this thread is alive.
    #[inline]
    pub(crate) fn repin(&mut self) {
        if self.slot.depth.load(Ordering::Relaxed) == 1 {
            self.slot.leave();
            self.slot.enter();
        }
    }

    /// As [`thread_number`].
    #[inline]
    pub(crate) fn thread(&self) -> usize {
        self.slot.number
    }
}

impl Drop for Pin {
    #[inline]
    fn drop(&mut self) {
        self.slot.leave();
        if self.borrowed {
            self.slot.give_back();
        }
    }
}

/// Threads that were pinned at some moment and have not been seen to unpin since.
#[derive(Debug, Default)]
pub(crate) struct PinnedThreads {
    pinned: Vec<(&'static Slot, u64)>,
}

impl PinnedThreads {
    /// Remembers the threads that are pinned now (W2 and W3). No thread can reach what was unlinked
    /// before once [`grace_period_over`](Self::grace_period_over) says so.
    pub(crate) fn remember(&mut self) {
        self.pinned.clear();
        fence(Ordering::SeqCst);
        REGISTRY.for_each_used(|slot| {
            // Acquire pairs with R3 of a reader that has left already, as W4 does with that of one
            // that leaves later.
            let seq = slot.seq.load(Ordering::Acquire);
            if seq % 2 == 1 {
                self.pinned.push((slot, seq));
            }
        });
    }

    /// W4.
    pub(crate) fn grace_period_over(&mut self) -> bool {
        self.pinned
            .retain(|(slot, seq)| slot.seq.load(Ordering::Acquire) == *seq);
        self.pinned.is_empty()
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({})", self.number)
    }
}
