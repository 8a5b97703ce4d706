//! OpenSSL's internal cache as a contender: it is given whole sessions, not ids and bytes.

use std::collections::VecDeque;
use std::sync::Mutex;

use hdrhistogram::Histogram;
use openssl::ssl::SslSession;
use rekindle::SessionId;

use super::contenders::{Belongs, Carrier};
use super::loads::Load;
use super::place::{BATCH, Churn, Done, Place};
use super::scene::{Scene, Setup};
use super::work::timed;
use crate::peers::{OpenSsl, session};

/// The cache, and of each thread the sessions that it has inserted and not removed.
pub(super) struct Internal {
    cache: OpenSsl,
    held: Vec<Mutex<VecDeque<SslSession>>>,
}

impl Internal {
    pub(super) fn new(scene: &Scene, setup: &Setup) -> Self {
        Self {
            cache: OpenSsl::new(scene.room),
            held: (0..setup.threads).map(|_| Mutex::default()).collect(),
        }
    }

    /// Sessions of new ids, not yet inserted.
    fn new_sessions(churn: &mut Churn<'_>) -> Vec<SslSession> {
        let one = |_| session(churn.next().id.as_bytes());
        (0..BATCH).map(one).collect()
    }

    fn insert(&self, at: &Place<'_>) -> Done {
        // Held, an evicted session would not be freed.
        self.held[at.thread].lock().expect("not poisoned").clear();
        let mut new = Self::new_sessions(&mut Churn::new(at));
        let last = new.last().cloned();
        let done = timed(|_| {
            for session in new.drain(..) {
                assert!(self.cache.insert(&session), "an id was there before");
            }
        });
        if let Some(last) = last {
            let (first, second) = (self.cache.remove(&last), self.cache.remove(&last));
            assert!(first && !second, "a session was not there once");
        }
        done
    }

    fn remove(&self, at: &Place<'_>) -> Done {
        let mut held = self.held[at.thread].lock().expect("not poisoned");
        for session in Self::new_sessions(&mut Churn::new(at)) {
            assert!(self.cache.insert(&session), "an id was there before");
            held.push_back(session);
        }
        let old: Vec<_> = held.drain(..BATCH).collect();
        let mut done = timed(|done| {
            for session in &old {
                done.missed += u64::from(!self.cache.remove(session));
            }
        });
        done.asked = BATCH as u64;
        let again = old.last().is_some_and(|last| self.cache.remove(last));
        assert!(!again, "a session was removed and is still there");
        done
    }
}

impl Carrier for Internal {
    fn add(&self, belongs: Belongs, id: &SessionId, _: &[u8]) {
        let Belongs::Going(thread) = belongs else {
            unreachable!("its loads have no sessions that stay");
        };
        let session = session(id.as_bytes());
        assert!(self.cache.insert(&session), "an id was there before");
        let mut held = self.held[thread].lock().expect("not poisoned");
        held.push_back(session);
    }

    fn holds(&self, _: u32, _: &SessionId) -> bool {
        unreachable!("its loads have no sessions that stay");
    }

    fn batch(&self, load: Load, at: &Place<'_>) -> Done {
        match load {
            Load::Insert => self.insert(at),
            Load::Remove => self.remove(at),
            _ => unreachable!("it does not carry this load"),
        }
    }

    fn time_gets(&self, _: &Place<'_>, _: &mut Histogram<u64>) -> Done {
        unreachable!("only a handshake looks sessions up");
    }
}
