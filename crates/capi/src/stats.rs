//! `rekindle_stats`: counters and present state.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rekindle::openssl::Resumption;
use rekindle::tickets::KeyPosition;

use crate::call::call;
use crate::failure::{COUNTS, Failure};
use crate::service;
use crate::size;

/// Counters since rekindle_init(), and the present state. Counters only grow; each is exact once
/// the threads that count are idle.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct rekindle_stats {
    /// `sizeof(struct rekindle_stats)`, in bytes, set by the caller. The structure grows at its
    /// end, and the library writes no more than this; it sets fields that it does not know to zero.
    pub size: u64,
    /// Lookups that found a live session: handshakes, TSSslSessionGet(), TSSslSessionGetBuffer().
    pub hits: u64,
    /// Lookups that found no session.
    pub misses: u64,
    /// Lookups that found an expired session. Not counted as misses.
    pub expired: u64,
    /// Sessions inserted under an id that had none.
    pub inserts: u64,
    /// Sessions that replaced another under the same id.
    pub replaced: u64,
    /// Sessions removed.
    pub removed: u64,
    /// Sessions that rekindle_session_take() handed out.
    pub taken: u64,
    /// Sessions evicted after they had expired.
    pub evicted_expired: u64,
    /// Sessions evicted for room that no client had ever resumed.
    pub evicted_unused: u64,
    /// Sessions evicted for room that no client had resumed lately.
    pub evicted_idle: u64,
    /// Sessions evicted because their line of eight was full.
    pub evicted_line_full: u64,
    /// Inserts refused: the encoded session was longer than `max_session_bytes`.
    pub refused_too_large: u64,
    /// Inserts refused: the entry alone was larger than `max_bytes`.
    pub refused_over_budget: u64,
    /// Inserts refused: a stalled thread held back the reclamation of retired memory.
    pub refused_reclamation: u64,
    /// Inserts refused: OpenSSL could not encode the session. Of the process, not of this cache.
    pub refused_not_encodable: u64,
    /// Calls refused: an argument was NULL or invalid. Of the process, not of this cache.
    pub refused_invalid: u64,
    /// Calls refused: there was no cache. Of the process, not of this cache.
    pub refused_disabled: u64,
    /// Capacity of the cache, in sessions.
    pub capacity: u64,
    /// Sessions in the cache, expired ones that are not swept yet included.
    pub entries: u64,
    /// Bytes of those sessions, OpenSSL's own objects not included.
    pub bytes: u64,
    /// Objects that have left the cache and wait for the end of their grace period.
    pub retired: u64,
    /// Bytes of those objects.
    pub retired_bytes: u64,
    /// Tickets sealed.
    pub tickets_sealed: u64,
    /// Tickets opened by the key that seals, or by a later one.
    pub tickets_opened: u64,
    /// Tickets opened by a key that seals no more; the client got a new ticket.
    pub tickets_renewed: u64,
    /// Tickets of a key that the ring never had; the client got a full handshake, as for the next
    /// ones.
    pub tickets_unknown_key: u64,
    /// Tickets of a key that has left the ring.
    pub tickets_retired_key: u64,
    /// Tickets that were not made with the key that they name: damaged or forged.
    pub tickets_bad_mac: u64,
    /// Tickets that were too short.
    pub tickets_malformed: u64,
    /// Tickets whose lifetime was over.
    pub tickets_expired: u64,
    /// Tickets of clients whose last full handshake was longer ago than `full_handshake_max_age`.
    pub tickets_lineage_ended: u64,
    /// Tickets opened or renewed but not used: the session is of another session id context.
    pub tickets_context_differs: u64,
    /// Tickets opened or renewed but not used: the session's version, cipher suite or the like does
    /// not fit the handshake.
    pub tickets_unusable: u64,
    /// Tickets opened or renewed, by the position of their key: a later key, the key that seals,
    /// the last one before it, and so on. The last number counts that key and all older ones.
    pub tickets_opened_by: [u64; 8],
    /// Tickets opened or renewed, by their age: up to 1, 10, 60, 300, 900, 3,600, 10,800, 43,200,
    /// 86,400, 259,200 and 604,800 seconds (each without the ones before), and above.
    pub ticket_ages: [u64; 12],
    /// Sum of those ages, in seconds.
    pub ticket_ages_sum: u64,
    /// Ticket keys: later ones, the one that seals, the ones that still open.
    pub ticket_keys: u64,
    /// How long the present key has been sealing, in seconds.
    pub ticket_key_age: u64,
    /// Seconds until another known key begins to seal. UINT64_MAX: none is known.
    pub ticket_key_next_rotation: u64,
    /// Seconds for which the known keys can seal. UINT64_MAX: without end.
    pub ticket_key_seals_for: u64,
    /// 1 while the library's own keys seal as a fallback, since those of TSSslTicketKeyUpdate() are
    /// too old; else 0.
    pub ticket_key_fallback: u64,
    /// How often the fallback has begun.
    pub ticket_key_fallbacks: u64,
    /// How often another key began to seal.
    pub ticket_key_rotations: u64,
}

/// Bytes of the first version's structure.
const FIRST_SIZE: u64 = 27 * 8;
const _: () = assert!(size_of::<rekindle_stats>() as u64 >= FIRST_SIZE);

/// Reads the counters. Set `out->size` before. (In C the structure is `struct rekindle_stats`: a
/// typedef of that name would hide this function.)
///
/// Returns 0, or -1 if `out` is NULL, its size is wrong, or there is no cache; `*out` is untouched
/// then. Any thread may call it. It reads a few kilobytes: call it once a second, not once a
/// request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_stats(out: *mut rekindle_stats) -> c_int {
    call(-1, || {
        if out.is_null() {
            return Err(Failure::Null("the structure for statistics"));
        }
        // SAFETY: by contract there is at least the first field.
        let size = unsafe { (&raw const (*out).size).read() };
        let room = size::check(size, FIRST_SIZE)?;
        service::with(|service| {
            let stats = rekindle_stats {
                size,
                ..collect(service)
            };
            let known = room.min(size_of::<rekindle_stats>());
            // SAFETY: by contract `out` has `room` bytes; the structure is numbers without padding.
            unsafe {
                let start = out.cast::<u8>();
                ptr::write_bytes(start, 0, room);
                ptr::copy_nonoverlapping((&raw const stats).cast(), start, known);
            }
            Ok(0)
        })
    })
}

fn collect(service: &Resumption) -> rekindle_stats {
    let of_process = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (cache, tickets) = (service.cache().stats(), service.ticket_stats());
    let ring = service.ticket_ring().status();
    let mut keys = ring.keys.iter();
    let sealing = keys.find(|key| key.position == KeyPosition::Sealing);
    let seconds = |time: Option<Duration>| time.map_or(u64::MAX, |time| time.as_secs());
    rekindle_stats {
        size: 0,
        hits: cache.hits,
        misses: cache.misses,
        expired: cache.expired,
        inserts: cache.inserts,
        replaced: cache.replaced,
        removed: cache.removed,
        taken: cache.taken,
        evicted_expired: cache.evicted.expired,
        evicted_unused: cache.evicted.unused,
        evicted_idle: cache.evicted.idle,
        evicted_line_full: cache.evicted.line_full,
        refused_too_large: cache.refused.too_large,
        refused_over_budget: cache.refused.over_budget,
        refused_reclamation: cache.refused.reclamation,
        refused_not_encodable: of_process(&COUNTS.not_encodable),
        refused_invalid: of_process(&COUNTS.invalid),
        refused_disabled: of_process(&COUNTS.disabled),
        capacity: service.cache().capacity() as u64,
        entries: cache.entries as u64,
        bytes: cache.bytes as u64,
        retired: cache.retired as u64,
        retired_bytes: cache.retired_bytes as u64,
        tickets_sealed: tickets.sealed,
        tickets_opened: tickets.opened,
        tickets_renewed: tickets.renewed,
        tickets_unknown_key: tickets.unknown_key,
        tickets_retired_key: tickets.retired_key,
        tickets_bad_mac: tickets.bad_mac,
        tickets_malformed: tickets.malformed,
        tickets_expired: tickets.expired,
        tickets_lineage_ended: tickets.lineage_ended,
        tickets_context_differs: tickets.context_differs,
        tickets_unusable: tickets.unusable,
        tickets_opened_by: tickets.opened_by,
        ticket_ages: tickets.ages,
        ticket_ages_sum: tickets.ages_sum,
        ticket_keys: ring.keys.len() as u64,
        ticket_key_age: sealing.map_or(0, |key| key.age.as_secs()),
        ticket_key_next_rotation: seconds(ring.next_rotation),
        ticket_key_seals_for: seconds(ring.seals_for),
        ticket_key_fallback: ring.fallback.into(),
        ticket_key_fallbacks: ring.fallbacks,
        ticket_key_rotations: ring.rotations,
    }
}
