//! What became of early data (0-RTT) that clients offered.

use crate::cache::thread_number;
use crate::counters::{Sharded, counters, sharded};

/// Flights of early data by what became of them: each is accepted, or refused for one reason, which
/// costs its client a round trip and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlyDataStats {
    /// Accepted, each of them once.
    pub accepted: u64,
    /// Refused: they were accepted before.
    pub replayed: u64,
    /// Refused: the age of the ticket that the client states is not the ticket's, so that the
    /// flight took ten seconds or longer. Also if the program never asks for early data
    /// (`SSL_read_early_data`).
    pub too_old: u64,
    /// Refused: another process has sealed the ticket or made the session, and has its own record
    /// of flights. Also on a connection object that was used before (`SSL_clear`).
    pub foreign: u64,
    /// Refused: this process has just started, and opens tickets of before.
    pub starting: u64,
    /// Refused: this process hands over to its successor, or had no room for the flights that its
    /// predecessor has remembered.
    pub handover: u64,
    /// Refused: there were too many flights to remember another.
    pub full: u64,
    /// Refused: the client asks for another server name than that of its session.
    pub name_differs: u64,
    /// Refused: the protocol chosen by ALPN is not that of the session.
    pub alpn_differs: u64,
    /// Refused: the server asked for a second ClientHello (HelloRetryRequest).
    pub retried: u64,
    /// Refused: its session was not resumed, for a reason that the counters of tickets and of
    /// sessions tell.
    pub not_resumed: u64,
}

counters!(EarlyDataOutcome of EarlyDataStats {
    Accepted: accepted,
    Replayed: replayed,
    TooOld: too_old,
    Foreign: foreign,
    Starting: starting,
    Handover: handover,
    Full: full,
    NameDiffers: name_differs,
    AlpnDiffers: alpn_differs,
    Retried: retried,
    NotResumed: not_resumed,
});

sharded!(EarlyDataCounters of EarlyDataOutcome, EarlyDataStats);
