//! What handshakes leave for the fleet's thread, without waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use rekindle::SessionId;
use rekindle::resume::SessionChange;
use tokio::sync::Notify;
use zeroize::{Zeroize, Zeroizing};

use crate::counters::{Counters, count};
use crate::message::MAX_SESSION;
use crate::outbox::Event;
use crate::sessions::Sessions;

/// Sessions and endings in queues of their own, so that no session takes an ending's place.
pub(crate) struct Queue {
    sessions: ArrayQueue<Event>,
    /// Buffers for sessions. What one thread allocates and another one frees costs both of them
    /// more, with many allocators, than all else that is done here.
    spare: ArrayQueue<Zeroizing<Vec<u8>>>,
    endings: ArrayQueue<Event>,
    /// An ending found no place.
    has_lost_endings: AtomicBool,
    /// Whether the fleet's thread waits, and wants to be woken.
    sleeps: AtomicBool,
    wake: Notify,
}

/// Endings that wait. More come to this only if the fleet's thread gets no time at all: then all
/// sessions are revoked.
const ENDINGS: usize = 65_536;

/// Spare buffers, and how large they may have grown.
const SPARE: usize = 1024;
const SPARE_BYTES: usize = 1024;

impl Queue {
    pub(crate) fn new(sessions: usize) -> Self {
        Self::with_endings(sessions, ENDINGS)
    }

    pub(crate) fn with_endings(sessions: usize, endings: usize) -> Self {
        Self {
            sessions: ArrayQueue::new(sessions.max(1)),
            spare: ArrayQueue::new(SPARE),
            endings: ArrayQueue::new(endings),
            has_lost_endings: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// In the middle of a handshake.
    pub(crate) fn push(&self, change: &SessionChange<'_>, counters: &Counters) {
        match *change {
            SessionChange::Stored { encoded, .. } if encoded.len() > MAX_SESSION => {
                return count(&counters.dropped_too_large);
            }
            SessionChange::Stored {
                id,
                scope,
                encoded,
                library,
                expires_at,
            } => {
                let mut buffer = self.spare.pop().unwrap_or_default();
                buffer.extend_from_slice(encoded);
                let event = Event::Stored {
                    id: *id,
                    scope: *scope,
                    encoded: buffer,
                    library,
                    expires_at,
                };
                if self.sessions.push(event).is_err() {
                    return count(&counters.dropped_queue);
                }
            }
            SessionChange::Removed { id, expires_at } => {
                let id = *id;
                self.push_ending(Event::Removed { id, expires_at });
            }
            SessionChange::Revoked { scope, at } => {
                let scope = scope.copied();
                self.push_ending(Event::Revoked { scope, at });
            }
            _ => {}
        }
        self.wake();
    }

    pub(crate) fn push_ending(&self, ending: Event) {
        if self.endings.push(ending).is_err() {
            // Release pairs with the Acquire below: the ring is full then.
            self.has_lost_endings.store(true, Ordering::Release);
        }
    }

    /// Removes a session for the program, here at once. It would have lived for `left`.
    pub(crate) fn remove(&self, sessions: &dyn Sessions, id: &SessionId, left: Duration) {
        sessions.remove(id);
        let expires_at = sessions.now().0.saturating_add(left);
        let id = *id;
        self.push_ending(Event::Removed { id, expires_at });
        self.wake();
    }

    /// Has the fleet's thread look.
    pub(crate) fn wake(&self) {
        // SeqCst, as in `wait`: either this sees that the thread sleeps, or the thread sees what
        // was pushed before.
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// The next event: endings come first.
    pub(crate) fn pop(&self) -> Option<Event> {
        let mut event = self.endings.pop().or_else(|| self.sessions.pop())?;
        if let Event::Stored { encoded, .. } = &mut event
            && encoded.capacity() <= SPARE_BYTES
        {
            let mut spare = std::mem::replace(encoded, Zeroizing::new(encoded.to_vec()));
            // Empties it, too.
            spare.zeroize();
            let _ = self.spare.push(spare);
        }
        Some(event)
    }

    /// Whether endings were lost since this was asked last.
    pub(crate) fn has_lost_endings(&self) -> bool {
        self.has_lost_endings.swap(false, Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.endings.is_empty()
            && self.sessions.is_empty()
            && !self.has_lost_endings.load(Ordering::Acquire)
    }

    pub(crate) fn len(&self) -> usize {
        self.endings.len() + self.sessions.len()
    }

    /// Waits for something to be pushed. Cancel safe.
    pub(crate) async fn wait(&self) {
        while self.is_empty() {
            let woken = self.wake.notified();
            self.sleeps.store(true, Ordering::SeqCst);
            std::sync::atomic::fence(Ordering::SeqCst);
            if !self.is_empty() {
                break;
            }
            woken.await;
        }
        self.sleeps.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    use rekindle::resume::{Scope, TlsLibrary};
    use rekindle::{SessionId, Time};

    use super::*;

    fn stored(queue: &Queue, counters: &Counters, encoded: &[u8]) {
        let id = &SessionId::new(b"id").unwrap();
        let change = SessionChange::Stored {
            id,
            scope: &Scope::new("a"),
            encoded,
            library: TlsLibrary::OpenSsl,
            expires_at: Time::NEVER,
        };
        queue.push(&change, counters);
    }

    fn removed(queue: &Queue, counters: &Counters, n: u64) {
        let id = &SessionId::new(&n.to_be_bytes()).unwrap();
        let expires_at = Time::NEVER;
        queue.push(&SessionChange::Removed { id, expires_at }, counters);
    }

    #[test]
    fn sessions_take_no_place_of_endings_and_come_after_them() {
        let (queue, counters) = (Queue::with_endings(2, 3), Counters::default());
        for _ in 0..5 {
            stored(&queue, &counters, b"session");
        }
        stored(&queue, &counters, &[0; MAX_SESSION + 1]);
        (0..3).for_each(|n| removed(&queue, &counters, n));
        let stats = counters.stats();
        assert_eq!((stats.dropped_queue, stats.dropped_too_large), (3, 1));
        assert!(!queue.has_lost_endings());
        let kinds = std::iter::from_fn(|| queue.pop()).map(|event| match event {
            Event::Stored { .. } => 's',
            _ => 'e',
        });
        assert_eq!(kinds.collect::<String>(), "eeess");
        assert!(queue.is_empty());
    }

    #[test]
    fn an_ending_that_finds_no_place_is_noticed_once() {
        let (queue, counters) = (Queue::with_endings(2, 1), Counters::default());
        removed(&queue, &counters, 0);
        assert!(!queue.has_lost_endings());
        removed(&queue, &counters, 1);
        while queue.pop().is_some() {}
        assert!(!queue.is_empty(), "something is to be done about it");
        assert!(queue.has_lost_endings());
        assert!(!queue.has_lost_endings() && queue.is_empty());
    }

    #[test]
    fn no_wake_up_is_lost() {
        const THREADS: u64 = 3;
        const EACH: u64 = 20_000;
        let (queue, popped) = (Arc::new(Queue::new(1)), Arc::new(AtomicU64::new(0)));
        let pushing = (0..THREADS).map(|thread| {
            let (queue, popped) = (Arc::clone(&queue), Arc::clone(&popped));
            thread::spawn(move || {
                let counters = Counters::default();
                for n in 0..EACH {
                    removed(&queue, &counters, n);
                    // Now and then the reader has nothing to do, and goes to sleep.
                    if n % 16 == thread {
                        while popped.load(Ordering::Relaxed) < n && !queue.is_empty() {
                            thread::yield_now();
                        }
                    }
                }
            })
        });
        let pushing: Vec<_> = pushing.collect();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let mut left = THREADS * EACH;
            while left > 0 {
                let woken = tokio::time::timeout(Duration::from_secs(20), queue.wait());
                woken.await.expect("it sleeps, and there is something");
                assert!(!queue.has_lost_endings());
                while queue.pop().is_some() {
                    left -= 1;
                    popped.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        pushing
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert!(queue.is_empty());
    }
}
