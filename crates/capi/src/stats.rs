//! `rekindle_stats`: counters and present state.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rekindle::openssl::Resumption;
use rekindle::tickets::KeyPosition;

use crate::call::call;
use crate::config::check_size;
use crate::failure::{COUNTS, Failure};
use crate::service;

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct rekindle_stats {
    pub size: u64,
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub inserts: u64,
    pub replaced: u64,
    pub removed: u64,
    pub taken: u64,
    pub evicted_expired: u64,
    pub evicted_unused: u64,
    pub evicted_idle: u64,
    pub evicted_line_full: u64,
    pub refused_too_large: u64,
    pub refused_over_budget: u64,
    pub refused_reclamation: u64,
    pub refused_not_encodable: u64,
    pub refused_invalid: u64,
    pub refused_disabled: u64,
    pub capacity: u64,
    pub entries: u64,
    pub bytes: u64,
    pub retired: u64,
    pub retired_bytes: u64,
    pub tickets_sealed: u64,
    pub tickets_opened: u64,
    pub tickets_renewed: u64,
    pub tickets_unknown_key: u64,
    pub tickets_retired_key: u64,
    pub tickets_bad_mac: u64,
    pub tickets_malformed: u64,
    pub tickets_expired: u64,
    pub tickets_lineage_ended: u64,
    pub tickets_context_differs: u64,
    pub tickets_unusable: u64,
    pub tickets_opened_by: [u64; 8],
    pub ticket_ages: [u64; 12],
    pub ticket_ages_sum: u64,
    pub ticket_keys: u64,
    pub ticket_key_age: u64,
    pub ticket_key_next_rotation: u64,
    pub ticket_key_seals_for: u64,
    pub ticket_key_fallback: u64,
    pub ticket_key_fallbacks: u64,
    pub ticket_key_rotations: u64,
    pub tickets_not_sealed: u64,
    pub conflicts_session_callbacks: u64,
    pub conflicts_internal_cache: u64,
    pub conflicts_ticket_key_callback: u64,
    pub conflicts_session_ticket_callback: u64,
    pub conflicts_not_resumable_callback: u64,
    pub conflicts_no_session_id_context: u64,
    pub refused_name_differs: u64,
    pub refused_revoked: u64,
    pub tickets_name_differs: u64,
    pub tickets_revoked: u64,
    pub early_data_accepted: u64,
    pub early_data_replayed: u64,
    pub early_data_too_old: u64,
    pub early_data_foreign: u64,
    pub early_data_starting: u64,
    pub early_data_full: u64,
    pub early_data_name_differs: u64,
    pub early_data_alpn_differs: u64,
    pub early_data_retried: u64,
    pub early_data_not_resumed: u64,
}

/// Bytes of the first version's structure.
const FIRST_SIZE: u64 = 27 * 8;
const _: () = assert!(size_of::<rekindle_stats>() as u64 >= FIRST_SIZE);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_stats(out: *mut rekindle_stats) -> c_int {
    call(-1, || {
        if out.is_null() {
            return Err(Failure::Null("the structure for statistics"));
        }
        // SAFETY: by contract there is at least the first field.
        let size = unsafe { (&raw const (*out).size).read() };
        let room = check_size(size, FIRST_SIZE)?;
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
    let conflicts = service.conflicts();
    let (sessions, early) = (service.session_stats(), service.early_data_stats());
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
        tickets_not_sealed: tickets.not_sealed,
        conflicts_session_callbacks: conflicts.session_callbacks,
        conflicts_internal_cache: conflicts.internal_cache,
        conflicts_ticket_key_callback: conflicts.ticket_key_callback,
        conflicts_session_ticket_callback: conflicts.session_ticket_callback,
        conflicts_not_resumable_callback: conflicts.not_resumable_callback,
        conflicts_no_session_id_context: conflicts.no_session_id_context,
        refused_name_differs: sessions.name_differs,
        refused_revoked: sessions.revoked,
        tickets_name_differs: tickets.name_differs,
        tickets_revoked: tickets.revoked,
        early_data_accepted: early.accepted,
        early_data_replayed: early.replayed,
        early_data_too_old: early.too_old,
        early_data_foreign: early.foreign,
        early_data_starting: early.starting,
        early_data_full: early.full,
        early_data_name_differs: early.name_differs,
        early_data_alpn_differs: early.alpn_differs,
        early_data_retried: early.retried,
        early_data_not_resumed: early.not_resumed,
    }
}
