//! A thread that maintains a resumption until it is dropped.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::resumption::Resumption;
use super::shared::{Shared, guarded};

const PERIOD: Duration = Duration::from_secs(1);

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
        if self.shared.maintainer.get().is_some() {
            return Ok(());
        }
        let shared = Arc::downgrade(&self.shared);
        let thread = thread::Builder::new().name("rekindle".to_owned());
        let thread = thread.spawn(move || maintain_until_dropped(&shared))?;
        // Of two calls at once one thread stays: the other finds that it is not the maintainer.
        let first = self.shared.maintainer.set(thread.thread().clone());
        if first.is_err() {
            thread.thread().unpark();
        }
        Ok(())
    }
}

fn maintain_until_dropped(shared: &Weak<Shared>) {
    loop {
        // `Shared` unparks this thread when it is dropped, and a thread that is unparked before it
        // parks does not park.
        thread::park_timeout(PERIOD);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let maintainer = shared.maintainer.get();
        if maintainer.is_some_and(|other| other.id() != thread::current().id()) {
            return;
        }
        // Without randomness for a new key the ring in use stays, and the next turn tries again.
        let _ = guarded(Ok(()), || shared.maintain());
        // This may be the last reference: it is dropped here, and the next turn ends.
    }
}
