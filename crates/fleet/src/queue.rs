//! What handshakes leave for the fleet's thread, without waiting.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use rekindle::resume::SessionChange;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::counters::{Counters, count};
use crate::message::MAX_SESSION;
use crate::outbox::Event;

/// Sessions and endings in queues of their own, so that no session takes an ending's place.
pub(crate) struct Queue {
    sessions: ArrayQueue<Event>,
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

impl Queue {
    pub(crate) fn new(sessions: usize) -> Self {
        Self::with_endings(sessions, ENDINGS)
    }

    pub(crate) fn with_endings(sessions: usize, endings: usize) -> Self {
        Self {
            sessions: ArrayQueue::new(sessions.max(1)),
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
                let event = Event::Stored {
                    id: *id,
                    scope: *scope,
                    encoded: Zeroizing::new(encoded.to_vec()),
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
        self.endings.pop().or_else(|| self.sessions.pop())
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
