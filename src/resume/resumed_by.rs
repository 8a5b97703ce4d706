//! How a connection's session was resumed.

/// How a session was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResumedBy {
    /// TLS 1.2: by the session id, from the cache.
    SessionId = 1,
    /// TLS 1.3: by a ticket that is an id in the cache.
    StatefulTicket = 2,
    /// By a ticket that carries the session, sealed with the key in use.
    Ticket = 3,
    /// By a ticket that carries the session, sealed with an older key; the client got a new one.
    RenewedTicket = 4,
}

impl ResumedBy {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::SessionId,
        Self::StatefulTicket,
        Self::Ticket,
        Self::RenewedTicket,
    ];

    /// A stable name for metrics and logs, such as `session_id`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionId => "session_id",
            Self::StatefulTicket => "stateful_ticket",
            Self::Ticket => "ticket",
            Self::RenewedTicket => "renewed_ticket",
        }
    }

    /// Whether the session came from the cache, so that other connections use the same object.
    pub(crate) fn is_cached(self) -> bool {
        matches!(self, Self::SessionId | Self::StatefulTicket)
    }

    /// The variant whose discriminant is `number`.
    pub(crate) fn from_number(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|how| *how as usize == number)
    }
}
