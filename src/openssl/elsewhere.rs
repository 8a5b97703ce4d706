//! Sessions of other machines, and what other machines have to know of those here.

use std::time::Duration;

use super::errors::StoreError;
use super::resumption::Resumption;
use crate::resume::{Scope, SessionChange};
use crate::{SessionId, Time};

impl Resumption {
    /// Has `watcher` told of every session that a handshake stores or removes, and of every
    /// revocation, so that it can be carried to other machines: the crate `rekindle-fleet` does.
    ///
    /// It runs on the thread of the handshake, outside every critical step. Handshakes wait for it,
    /// so it should not block; a panic ends its own run, neither the handshake nor the run of other
    /// watchers. It stays for as long as this and all that this is installed on: if it owns a share
    /// of either, all of it stays. One that adds others has them told of the next change.
    pub fn watch(&self, watcher: impl Fn(&SessionChange<'_>) + Send + Sync + 'static) {
        self.shared.watchers.add(watcher);
    }

    /// Inserts a session of another machine, as [`SessionChange::Stored`] has told of it there,
    /// unless there is one under its id, it has ended, or this is [closed](Self::close). Whether it
    /// did.
    ///
    /// It resumes as one of this machine, but never with early data: the other machine knows
    /// which flights it has accepted. When it began the time of day decides, and it ends no later
    /// than it says itself. It may have been revoked here: then it is in the cache, and not
    /// resumed.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the bytes are no session, or one of another id, or the cache refuses it. The
    /// cache is unchanged.
    pub fn insert_from_elsewhere(
        &self,
        id: &SessionId,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, StoreError> {
        if self.shared.is_closed() {
            return Ok(false);
        }
        let inserted = self
            .cache()
            .insert_from_elsewhere(id, encoded, expires_at)?;
        if self.shared.was_closed_meanwhile() {
            self.cache().clear();
            return Ok(false);
        }
        Ok(inserted)
    }

    /// As [`insert_from_elsewhere`](Self::insert_from_elsewhere), of a session of rustls, for
    /// stores that [`rustls_store`](Self::rustls_store) gives.
    ///
    /// # Errors
    ///
    /// [`Refused`](crate::Refused); the cache is unchanged.
    #[cfg(feature = "rustls")]
    pub fn insert_rustls_from_elsewhere(
        &self,
        id: &SessionId,
        scope: &Scope,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, crate::Refused> {
        let rustls = self.rustls();
        rustls.insert_from_elsewhere(id, scope, encoded, expires_at)
    }

    /// Takes over a revocation of another machine: sessions that began by `until`, a duration since
    /// 1970, are not resumed any more. Of this machine's own, those that have begun already. The
    /// same one again changes nothing. Watchers are not told.
    ///
    /// `until` is to be later than the revocation by as much as the machines' clocks may be apart.
    pub fn revoke_from_elsewhere(&self, scope: Option<&Scope>, until: Duration) {
        let revocations = &self.shared.sealer.bindings.revocations;
        let ring = self.ticket_ring();
        revocations.take_over(scope, (ring.now(), ring.unix_time()), until);
    }

    /// Has a revocation of this machine reach sessions of other machines that began by `until`: for
    /// those whose clocks are ahead. Watchers are not told.
    pub fn extend_revocation(&self, scope: Option<&Scope>, until: Duration) {
        let revocations = &self.shared.sealer.bindings.revocations;
        revocations.revoke_until(scope, Time::from_millis(0), until);
    }
}
