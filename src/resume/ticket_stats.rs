//! What has become of tickets, counted.

use std::time::Duration;

use crate::engine::thread_number;
use crate::stats::Sharded;
use crate::tickets::KeyPosition;

/// What has become of tickets that carry their session.
///
/// Each ticket that a client shows has one outcome: opened, renewed, or one of the reasons for a full
/// handshake. `context_differs` and `unusable` are the exception: those were opened first. A client that is
/// answered with a HelloRetryRequest shows its ticket twice, and both count; the first, if it was opened, as
/// `unusable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketStats {
    /// Tickets sealed. TLS 1.3 seals two for each full handshake and one for each resumption.
    pub sealed: u64,
    /// Tickets opened by the key that seals now, or one to come.
    pub opened: u64,
    /// Tickets opened by a key that has ceased to seal; the client gets a new ticket.
    pub renewed: u64,
    /// The same tickets, opened or renewed, by the key's place: one to come, the one that seals, those
    /// that sealed before, the latest first; the last number is of that key and all older ones.
    pub opened_by: [u64; Self::PLACES],
    /// The same tickets by their age: each number is of those as old as the bound of
    /// [`AGES`](Self::AGES) or younger, but older than the bound before; the last of those above all.
    pub ages: [u64; Self::AGES.len() + 1],
    /// The sum of their ages, in seconds.
    pub ages_sum: u64,
    /// Tickets that named no key of the ring, nor one that it remembers.
    pub unknown_key: u64,
    /// Tickets that named a key which has left the ring.
    pub retired_key: u64,
    /// Tickets that named a key but were not made with it: damaged or forged.
    pub bad_mac: u64,
    /// Too short to be a ticket.
    pub malformed: u64,
    /// Tickets whose lifetime was over.
    pub expired: u64,
    /// Tickets at the end of a chain of renewals that began too long ago.
    pub lineage_ended: u64,
    /// Of those opened or renewed: not used, as the session is of another session id context.
    pub context_differs: u64,
    /// Of those opened or renewed: not used, as the session is of another version, cipher suite or the
    /// like than the handshake at hand.
    pub unusable: u64,
}

impl TicketStats {
    /// How many places [`opened_by`](Self::opened_by) tells apart.
    pub const PLACES: usize = 8;

    /// The bounds of [`ages`](Self::ages), in seconds.
    pub const AGES: [u64; 11] = [
        1, 10, 60, 300, 900, 3_600, 10_800, 43_200, 86_400, 259_200, 604_800,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sealed,
    UnknownKey,
    RetiredKey,
    BadMac,
    Malformed,
    Expired,
    LineageEnded,
    ContextDiffers,
    Unusable,
}

const AGES_SUM: usize = Outcome::Unusable as usize + 1;
const OPENED_BY: usize = AGES_SUM + 1;
const AGES: usize = OPENED_BY + TicketStats::PLACES;
const COUNTERS: usize = AGES + TicketStats::AGES.len() + 1;

/// The place of the key that seals, in [`TicketStats::opened_by`]; one to come is before it.
const SEALING: usize = 1;

pub(crate) struct TicketCounters(Sharded<COUNTERS>);

impl TicketCounters {
    pub(crate) fn new() -> Self {
        Self(Sharded::new())
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.0.add(thread_number(), outcome as usize, 1);
    }

    /// A ticket of that age was opened by a key at that place.
    pub(crate) fn opened(&self, place: usize, age: Duration) {
        let (thread, age) = (thread_number(), age.as_secs());
        let bucket = TicketStats::AGES.iter().position(|bound| age <= *bound);
        let bucket = bucket.unwrap_or(TicketStats::AGES.len());
        self.0.add(thread, OPENED_BY + place, 1);
        self.0.add(thread, AGES + bucket, 1);
        self.0.add(thread, AGES_SUM, age);
    }

    pub(crate) fn sum(&self) -> TicketStats {
        let of = |outcome: Outcome| self.0.sum(outcome as usize);
        let opened_by = std::array::from_fn(|place| self.0.sum(OPENED_BY + place));
        let (newer, older) = opened_by.split_at(SEALING + 1);
        TicketStats {
            sealed: of(Outcome::Sealed),
            opened: newer.iter().sum(),
            renewed: older.iter().sum(),
            opened_by,
            ages: std::array::from_fn(|bucket| self.0.sum(AGES + bucket)),
            ages_sum: self.0.sum(AGES_SUM),
            unknown_key: of(Outcome::UnknownKey),
            retired_key: of(Outcome::RetiredKey),
            bad_mac: of(Outcome::BadMac),
            malformed: of(Outcome::Malformed),
            expired: of(Outcome::Expired),
            lineage_ended: of(Outcome::LineageEnded),
            context_differs: of(Outcome::ContextDiffers),
            unusable: of(Outcome::Unusable),
        }
    }
}

/// The number of a place in [`TicketStats::opened_by`].
pub(crate) fn number(place: KeyPosition) -> usize {
    match place {
        KeyPosition::Next => 0,
        KeyPosition::Sealing => SEALING,
        KeyPosition::Previous(n) => (SEALING + n).min(TicketStats::PLACES - 1),
    }
}

/// Whether a ticket of the key with that number deserves a new one.
pub(crate) fn is_previous(number: usize) -> bool {
    number > SEALING
}
