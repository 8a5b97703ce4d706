//! What happens to sessions here that other machines have to know.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::revocations::Revocations;
use super::scope::Scope;
use crate::lockfree::AppendList;
use crate::tickets::TicketRing;
use crate::{SessionId, Time};

/// Something that has happened to sessions of this process, told to those that carry it to other
/// machines. What came from another machine is not told.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum SessionChange<'a> {
    /// A handshake has stored a session. Nothing is told of one that the cache refused.
    Stored {
        /// The session's id.
        id: &'a SessionId,
        /// What it belongs to.
        scope: &'a Scope,
        /// OpenSSL's encoding (DER), or what rustls has put. A secret.
        encoded: &'a [u8],
        /// Whose encoding that is.
        library: TlsLibrary,
        /// When it ends, by the cache's clock.
        expires_at: Time,
    },
    /// A handshake has removed a session, or taken it: its connection failed, or it resumes once.
    Removed {
        /// The session's id.
        id: &'a SessionId,
        /// When it would have ended, by the cache's clock.
        expires_at: Time,
    },
    /// The program has revoked sessions.
    Revoked {
        /// The scope; none for all of them.
        scope: Option<&'a Scope>,
        /// When, as a duration since 1970.
        at: Duration,
    },
}

/// A TLS library, whose sessions no other one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsLibrary {
    /// OpenSSL.
    OpenSsl,
    /// rustls.
    Rustls,
}

type Watcher = Box<dyn Fn(&SessionChange<'_>) + Send + Sync>;

/// Those who are told. Handshakes read the list wait-free.
pub(crate) struct Watchers {
    list: AppendList<Watcher>,
}

impl Watchers {
    pub(crate) fn add(&self, watcher: impl Fn(&SessionChange<'_>) + Send + Sync + 'static) {
        self.list.push(Box::new(watcher));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.iter().next().is_none()
    }

    /// Revokes sessions of a scope, or of all, by the ring's clock, and tells of it.
    pub(crate) fn revoke(
        &self,
        revocations: &Revocations,
        ring: &TicketRing,
        scope: Option<&Scope>,
    ) {
        let at = ring.unix_time();
        revocations.revoke_until(scope, ring.now(), at);
        self.tell(&SessionChange::Revoked { scope, at });
    }

    /// In the order in which they were added; those that are added meanwhile, by one of them
    /// perhaps, have their turn at the next change. A panic ends the run of one of them.
    pub(crate) fn tell(&self, change: &SessionChange<'_>) {
        for watcher in self.list.iter().take(self.list.iter().count()) {
            let _ = catch_unwind(AssertUnwindSafe(|| watcher(change)));
        }
    }
}

impl Default for Watchers {
    fn default() -> Self {
        let list = AppendList::new();
        Self { list }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers")
            .field("len", &self.list.iter().count())
            .finish()
    }
}

/// Shows no secrets.
impl fmt::Debug for SessionChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { id, scope, .. } => write!(f, "Stored({id:?}, {scope:?})"),
            Self::Removed { id, .. } => write!(f, "Removed({id:?})"),
            Self::Revoked { scope, at } => write!(f, "Revoked({scope:?}, {at:?})"),
        }
    }
}
