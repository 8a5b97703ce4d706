//! Counters of what became of tickets.

use std::time::Duration;

use crate::cache::thread_number;
use crate::counters::{Sharded, counters};
use crate::tickets::KeyPosition;

/// What became of tickets that carry their session.
///
/// Each ticket that a client shows has one outcome: opened, renewed, or one of the reasons for a
/// full handshake. `context_differs` and `unusable` are the exception: those were opened first. A
/// client that is answered with a HelloRetryRequest shows its ticket twice, and both count; the
/// first, if it was opened, as `unusable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketStats {
    /// Tickets sealed. TLS 1.3 seals two for each full handshake and one for each resumption.
    pub sealed: u64,
    /// Tickets that could not be sealed, so that a handshake went on without: no key, no
    /// randomness, an error of the TLS library's, a panic.
    pub not_sealed: u64,
    /// Tickets opened by the key that seals now, or by one that will seal later.
    pub opened: u64,
    /// Tickets opened by a key that no longer seals; the client gets a new ticket.
    pub renewed: u64,
    /// The same tickets, opened or renewed, by their key's position: the next one, the one that
    /// seals, those that sealed before, the latest first. The last number includes all older keys.
    pub opened_by: [u64; Self::PLACES],
    /// The same tickets by their age. Each number counts ages up to the bound of
    /// [`AGES`](Self::AGES) at its index and above the bound before; the last one, ages above all.
    pub ages: [u64; Self::AGES.len() + 1],
    /// The sum of their ages, in seconds.
    pub ages_sum: u64,
    /// Tickets that named a key which the ring neither holds nor remembers.
    pub unknown_key: u64,
    /// Tickets that named a key which has left the ring.
    pub retired_key: u64,
    /// Tickets that named a key but were not made with it: damaged or forged.
    pub bad_mac: u64,
    /// Tickets that are too short to be one.
    pub malformed: u64,
    /// Tickets whose lifetime was over.
    pub expired: u64,
    /// Tickets at the end of a chain of renewals that began too long ago.
    pub lineage_ended: u64,
    /// Tickets whose session was made under another server name than the client asks for.
    pub name_differs: u64,
    /// Tickets whose session was revoked.
    pub revoked: u64,
    /// Of those opened or renewed: not used, because the session belongs to another session id
    /// context.
    pub context_differs: u64,
    /// Of those opened or renewed: not used, because the session's version, cipher suite or the
    /// like is not that of the handshake.
    pub unusable: u64,
}

impl TicketStats {
    /// How many positions [`opened_by`](Self::opened_by) tells apart.
    pub const PLACES: usize = 8;

    /// The bounds of [`ages`](Self::ages), in seconds.
    pub const AGES: [u64; 11] = [
        1, 10, 60, 300, 900, 3_600, 10_800, 43_200, 86_400, 259_200, 604_800,
    ];

    /// What was done with tickets, by stable names for metrics and logs.
    pub const fn events(&self) -> [(&'static str, u64); 14] {
        [
            ("sealed", self.sealed),
            ("not_sealed", self.not_sealed),
            ("opened", self.opened),
            ("renewed", self.renewed),
            ("unknown_key", self.unknown_key),
            ("retired_key", self.retired_key),
            ("bad_mac", self.bad_mac),
            ("malformed", self.malformed),
            ("expired", self.expired),
            ("lineage_ended", self.lineage_ended),
            ("name_differs", self.name_differs),
            ("revoked", self.revoked),
            ("context_differs", self.context_differs),
            ("unusable", self.unusable),
        ]
    }
}

counters!(Outcome of TicketStats {
    Sealed: sealed,
    NotSealed: not_sealed,
    UnknownKey: unknown_key,
    RetiredKey: retired_key,
    BadMac: bad_mac,
    Malformed: malformed,
    Expired: expired,
    LineageEnded: lineage_ended,
    NameDiffers: name_differs,
    Revoked: revoked,
    ContextDiffers: context_differs,
    Unusable: unusable,
});

const AGES_SUM: usize = Outcome::NUMBER;
const OPENED_BY: usize = AGES_SUM + 1;
const AGES: usize = OPENED_BY + TicketStats::PLACES;
const COUNTERS: usize = AGES + TicketStats::AGES.len() + 1;

pub(crate) struct TicketCounters(Sharded<COUNTERS>);

impl TicketCounters {
    pub(crate) fn new() -> Self {
        Self(Sharded::new())
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.0.add(thread_number(), outcome, 1);
    }

    /// Counts a ticket of that age that was opened by a key at that position.
    pub(crate) fn opened(&self, position: PositionIndex, age: Duration) {
        let (thread, age) = (thread_number(), age.as_secs());
        let bucket = TicketStats::AGES.iter().position(|bound| age <= *bound);
        let bucket = bucket.unwrap_or(TicketStats::AGES.len());
        self.0.add(thread, OPENED_BY + position.0, 1);
        self.0.add(thread, AGES + bucket, 1);
        self.0.add(thread, AGES_SUM, age);
    }

    pub(crate) fn sum(&self) -> TicketStats {
        let opened_by = std::array::from_fn(|index| self.0.sum(OPENED_BY + index));
        let (newer, older) = opened_by.split_at(PositionIndex::SEALING + 1);
        TicketStats {
            opened: newer.iter().sum(),
            renewed: older.iter().sum(),
            opened_by,
            ages: std::array::from_fn(|bucket| self.0.sum(AGES + bucket)),
            ages_sum: self.0.sum(AGES_SUM),
            ..Outcome::sums(|outcome| self.0.sum(outcome))
        }
    }
}

/// A key's position as an index of [`TicketStats::opened_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PositionIndex(pub(crate) usize);

impl PositionIndex {
    /// The key that seals; the next one is before it.
    const SEALING: usize = 1;

    /// Whether the key no longer seals, so that its ticket is to be renewed.
    pub(crate) fn is_previous(self) -> bool {
        self.0 > Self::SEALING
    }
}

impl From<KeyPosition> for PositionIndex {
    fn from(position: KeyPosition) -> Self {
        Self(match position {
            KeyPosition::Next => 0,
            KeyPosition::Sealing => Self::SEALING,
            KeyPosition::Previous(n) => (Self::SEALING + n).min(TicketStats::PLACES - 1),
        })
    }
}
