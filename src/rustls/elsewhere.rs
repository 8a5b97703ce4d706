//! Sessions of other machines, and what other machines have to know of those here.

use std::time::Duration;

use zeroize::Zeroizing;

use super::resumption::Resumption;
use super::shared::CacheOwner;
use super::store::Made;
use super::value::forbid_early_data;
use crate::resume::{Scope, SessionChange};
use crate::{Refused, SessionId, Time};

impl<C: CacheOwner> Resumption<C> {
    /// Has `watcher` told of every session that a handshake puts into a store or takes out, and of
    /// every revocation, so that it can be carried to other machines: the crate `rekindle-fleet`
    /// does.
    ///
    /// It runs on the thread of the handshake. Handshakes wait for it, so it should not block; a
    /// panic ends its own run, neither the handshake nor the run of other watchers. It stays for as
    /// long as this, its stores and ticketers: if it owns a share of any, all of it stays. One that
    /// adds others has them told of the next change.
    pub fn watch(&self, watcher: impl Fn(&SessionChange<'_>) + Send + Sync + 'static) {
        self.shared.watchers.add(watcher);
    }

    /// Inserts a session of another machine, as [`SessionChange::Stored`] has told of it there,
    /// unless there is one under its id or it has ended. Whether it did.
    ///
    /// It resumes as one of this machine, but never with early data: of those machines that have
    /// the session, each would accept one flight. When it began the time of day decides, by
    /// rustls's clock on the other machine (`ServerConfig::time_provider`). What rustls cannot
    /// read ends in a full handshake.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the cache is unchanged.
    pub fn insert_from_elsewhere(
        &self,
        id: &SessionId,
        scope: &Scope,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, Refused> {
        let cache = self.shared.owner.cache();
        if expires_at < cache.now() {
            return Ok(false);
        }
        let mut value = Zeroizing::new(encoded.to_vec());
        forbid_early_data(&mut value);
        let head = Made::Elsewhere.head(scope);
        let (value, encoded) = (C::Value::default(), [&head[..], &value]);
        cache.insert_parts_if_absent(id, value, encoded, expires_at)
    }

    /// Takes over a revocation of another machine: sessions and tickets that began by `until`, a
    /// duration since 1970, are not resumed any more. Of this machine's own, those that have begun
    /// already. The same one again changes nothing. Watchers are not told.
    ///
    /// `until` is to be later than the revocation by as much as the machines' clocks may be apart.
    pub fn revoke_from_elsewhere(&self, scope: Option<&Scope>, until: Duration) {
        let revocations = &self.shared.revocations;
        let ring = self.ticket_ring();
        revocations.take_over(scope, (ring.now(), ring.unix_time()), until);
    }

    /// Has a revocation of this machine reach sessions of other machines that began by `until`: for
    /// those whose clocks are ahead. Watchers are not told.
    pub fn extend_revocation(&self, scope: Option<&Scope>, until: Duration) {
        let revocations = &self.shared.revocations;
        revocations.revoke_until(scope, Time::from_millis(0), until);
    }
}
