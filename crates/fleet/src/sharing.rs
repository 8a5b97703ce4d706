//! The ways in which sessions reach other machines.

/// How sessions reach other machines. All machines of a fleet have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Every machine gets every session of its scopes, so that lookups stay in its own cache.
    #[default]
    Replicate,
    /// A machine fetches a session when a client comes with it.
    Fetch,
    /// Both: what has not arrived, or was evicted, is fetched. The store keeps each session twice
    /// for five minutes, then once.
    Both,
}

impl Sharing {
    pub(crate) fn replicates(self) -> bool {
        self != Self::Fetch
    }

    pub(crate) fn fetches(self) -> bool {
        self != Self::Replicate
    }
}
