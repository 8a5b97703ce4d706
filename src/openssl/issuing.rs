//! The ticket that a thread is issuing: which key has decided its lifetime, and is to seal it.

use std::cell::Cell;

use openssl_sys::SSL;

use crate::Time;
use crate::tickets::{Fingerprint, KeyRing, RingKey, TicketKey};

/// A ticket that is being issued.
#[derive(Clone, Copy)]
pub(super) struct Issuing {
    pub(super) ssl: *mut SSL,
    /// None if its lifetime stays as it is.
    pub(super) decided: Option<Decided>,
}

/// The key and the time that decided a ticket's lifetime: that key is to seal it.
#[derive(Clone, Copy)]
pub(super) struct Decided {
    pub(super) key: Fingerprint,
    pub(super) now: Time,
}

impl Decided {
    /// The key, though another one may seal by now, and the time.
    pub(super) fn find(self, keys: &KeyRing) -> Option<(&TicketKey, Time)> {
        let is_it = |key: &&RingKey| key.key().fingerprint() == self.key;
        let sealing = keys.sealing(self.now).filter(is_it);
        let open = |key: &&RingKey| self.now < key.times.open_until && is_it(key);
        let found = sealing.or_else(|| keys.iter().find(open))?;
        Some((found.key(), self.now))
    }
}

thread_local! {
    /// From `Sealer::on_issue` to `Sealer::seal`. OpenSSL may fail in between, so this keeps no
    /// ring alive, whose keys would stay in memory.
    pub(super) static ISSUING: Cell<Option<Issuing>> = const { Cell::new(None) };
}
