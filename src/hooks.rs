//! Session hooks: calls that a handshake makes before it looks a session up, after it has stored
//! one, and before it removes one.
//!
//! They are there to share sessions between machines (look elsewhere before the lookup, publish
//! what is new), and to watch.
//!
//! ```
//! use rekindle::hooks::{SessionEvent, SessionHooks};
//!
//! let hooks = SessionHooks::new();
//! hooks.add(|event, id| println!("{event:?} {id:?}"));
//! # assert_eq!(hooks.len(), 1);
//! ```

use std::fmt;

use crate::id::SessionId;
use crate::lockfree::AppendList;

/// What a handshake is about to do or has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A client has named a session, and the handshake is about to look it up: what a hook inserts
    /// under the id now is found.
    Get,
    /// The handshake has inserted a new session: a hook finds it in the cache. Not called when the
    /// cache refused it.
    New,
    /// The handshake is about to remove a session from the cache: a hook can still look it up. Not
    /// called when there is none to remove.
    Remove,
}

type Hook = Box<dyn Fn(SessionEvent, &SessionId) + Send + Sync>;

/// A list of hooks. Handshakes read it wait-free; hooks may be added while they do, and stay for as
/// long as the list lives.
pub struct SessionHooks {
    list: AppendList<Hook>,
}

impl SessionHooks {
    /// A list without hooks.
    pub fn new() -> Self {
        Self {
            list: AppendList::new(),
        }
    }

    /// Adds a hook behind those that are there.
    ///
    /// It runs on the thread of the handshake, outside every critical step, and may call anything:
    /// insert, remove, even add hooks. Handshakes wait for it, so it should not block. A
    /// panic ends the run of hooks, not the handshake. Calls to the cache run no hooks: only
    /// handshakes do. A hook that owns a share of what owns this list keeps both alive for good.
    pub fn add(&self, hook: impl Fn(SessionEvent, &SessionId) + Send + Sync + 'static) {
        self.list.push(Box::new(hook));
    }

    /// Runs the hooks in the order in which they were added; those that are added meanwhile, by one
    /// of them perhaps, have their turn at the next event. Adapters to TLS libraries call it; those
    /// of this crate do.
    pub fn run(&self, event: SessionEvent, id: &SessionId) {
        // Counted anew: a counter beside the list would be behind while the thread that added a
        // hook has not raised it, and the last hooks would not run.
        for hook in self.list.iter().take(self.len()) {
            hook(event, id);
        }
    }

    /// Number of hooks. Looks at each.
    pub fn len(&self) -> usize {
        self.list.iter().count()
    }

    /// Whether there is no hook.
    pub fn is_empty(&self) -> bool {
        self.list.iter().next().is_none()
    }
}

impl Default for SessionHooks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SessionHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHooks")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
