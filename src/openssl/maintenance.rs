//! A thread that maintains a resumption until it is dropped.

use std::io;
use std::sync::Arc;

use super::resumption::Resumption;

impl Resumption {
    /// Starts a thread, `rekindle`, that calls [`maintain`](Self::maintain) once a second. It ends
    /// when the last clone of this and the last context that this is installed on are gone. If the
    /// last of these goes during a turn of the thread, the hooks, the sessions and the ticket keys
    /// are dropped a moment later, on that thread.
    ///
    /// A resumption has one such thread at most: further calls do nothing. It does not survive
    /// `fork`, so call this in each worker rather than before.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread; the next call tries again.
    pub fn spawn_maintenance(&self) -> io::Result<()> {
        let shared = Arc::downgrade(&self.shared);
        self.shared.maintainer.spawn(move || {
            // Without randomness for a new key the ring in use stays, and the next turn tries
            // again. This may be the last reference: it is dropped here, and the next turn ends.
            let _ = shared.upgrade()?.maintain();
            Some(())
        })
    }
}
