//! Why sessions of the cache were not resumed although they were found.

use crate::cache::thread_number;
use crate::counters::{Sharded, counters, sharded};

/// Sessions of the cache that a client named and that were found, but not resumed. The cache itself
/// counts them as expired. (Of sessions in tickets, [`TicketStats`](super::TicketStats) tells as
/// much.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// The client asked for another server name than that which the session was made under.
    pub name_differs: u64,
    /// They were revoked.
    pub revoked: u64,
}

counters!(SessionCounter of SessionStats {
    NameDiffers: name_differs,
    Revoked: revoked,
});

sharded!(SessionCounters of SessionCounter, SessionStats);
