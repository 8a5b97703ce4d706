//! Reads the configuration, the certificates and the ticket keys again at SIGHUP, each on its own,
//! and the ticket keys also when their file has changed. What cannot be read changes nothing.

use std::fmt::Display;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle::openssl::Resumption;
use rekindle::tickets::Update;
use rekindle_key_files::Reload;
use tracing::{error, info, warn};

use super::fleet::SharedFleet;
use super::frontend::Frontend;
use super::parts::Parts;
use super::upstream::Upstreams;
use crate::admin::WriteAccess;
use crate::cli::{Configuration, Settings, changes};
use crate::key_source::{WatchedKeyFile, warn_of};

/// What a reload reads, as a label in the metrics.
const CONFIGURATION: &str = "configuration";
const TICKET_KEYS: &str = "ticket_keys";
const ADMIN_TOKEN: &str = "admin_token";

/// The time between two readings while the file gives no key that seals.
const RETRY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) configuration: Configuration,
    /// Those in use, but for what a reload does not change.
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) ticket_keys: Option<WatchedKeyFile>,
    pub(super) admin_write: Option<Arc<WriteAccess>>,
    pub(super) retried: Instant,
    /// The error of the last reading, so that it is tried again and the log tells it once.
    pub(super) retry_error: Option<String>,
    pub(super) resumption: Resumption,
    pub(super) fleet: Option<SharedFleet>,
    pub(super) frontend: Arc<Frontend>,
}

impl Reloader {
    /// Reads all files again, at SIGHUP.
    pub(super) fn reload(&mut self) {
        let before = self.reload_configuration();
        let is_done = self.reload_parts(before.is_some());
        if let (false, Some(before)) = (is_done, before) {
            // The next reload finds the same differences.
            self.settings = before;
        }
        if let Some(source) = &mut self.ticket_keys {
            source.watch.taken();
        }
        self.reload_ticket_keys("SIGHUP");
        self.reload_admin_token();
        // From here on new connections get what was read.
        info!("reload: done");
    }

    /// The settings of before, if any is different.
    fn reload_configuration(&mut self) -> Option<Settings> {
        if !self.configuration.has_file() {
            return None;
        }
        let mut new = match self.configuration.read() {
            Ok((new, _)) => new,
            Err(error) => {
                self.failed("configuration", CONFIGURATION, &error);
                return None;
            }
        };
        if new.proxy().is_some() != self.settings.proxy().is_some() {
            let error = "demo: it changes at a restart only";
            self.failed("configuration", CONFIGURATION, &error);
            return None;
        }
        let changes = changes(&self.settings, &new);
        let reloaded = changes.reloaded.join(", ");
        let at_restart = changes.at_restart.join(", ");
        if !at_restart.is_empty() {
            warn!("configuration reload: these change at a restart only: {at_restart}");
        }
        let changed = !reloaded.is_empty();
        new.session_id_context
            .clone_from(&self.settings.session_id_context);
        // Turned off, it is off at once: the file may no longer demand that upstreams are told.
        let early_data = new.tls.early_data.and(self.settings.tls.early_data);
        new.tls.early_data = early_data;
        let result = match changed {
            true => "updated",
            false => "unchanged",
        };
        info!(changed = reloaded, "configuration reload: {result}");
        self.frontend.metrics.reloaded(CONFIGURATION, result);
        let before = mem::replace(&mut self.settings, new);
        changed.then_some(before)
    }

    /// Reads the certificates, the authorities and the revocation lists. Whether OpenSSL takes what
    /// they and the settings make together; otherwise nothing changes.
    fn reload_parts(&mut self, reconfigured: bool) -> bool {
        let mut parts = self.parts.clone();
        let changed = parts.reload(&self.settings, &self.frontend.metrics);
        if !changed && !reconfigured {
            parts.report(&self.frontend.metrics);
            return true;
        }
        let proxy = self.settings.proxy();
        let addresses = proxy.map(|proxy| proxy.upstreams).unwrap_or_default();
        let (upstreams, set) = (&self.upstreams, self.upstreams.with_addresses(addresses));
        let sessions = (&self.resumption, self.fleet.as_ref());
        let live = match parts.live(&self.settings, sessions, upstreams, set.clone()) {
            Ok(live) => live,
            Err(error) => {
                self.failed("TLS", CONFIGURATION, &error);
                return false;
            }
        };
        parts.report(&self.frontend.metrics);
        upstreams.replace(set);
        if let Some(fleet) = &self.fleet {
            fleet.set_scopes(live.sites.scopes());
        }
        let old = self.frontend.live.swap(Arc::new(live));
        let old_parts = mem::replace(&mut self.parts, parts);
        if !old_parts.authenticates_as(&self.parts) {
            // Their scopes differ already, but tickets that a handshake under way is given belong
            // to the old ones.
            for scope in old.sites.scopes() {
                self.resumption.revoke(scope);
            }
        }
        true
    }

    /// Reads the ticket keys again if they have changed.
    pub(super) fn look_at_ticket_keys(&mut self) {
        let Some(source) = &mut self.ticket_keys else {
            return;
        };
        if source.watch.has_changed() {
            self.reload_ticket_keys("the file has changed");
        } else if source.watch.is_settled() && self.retried.elapsed() >= RETRY {
            self.retried = Instant::now();
            self.retry_ticket_keys();
        }
    }

    fn reload_ticket_keys(&mut self, cause: &'static str) {
        let Some(source) = &mut self.ticket_keys else {
            return;
        };
        let reload = source.file.reload(self.resumption.ticket_ring());
        self.retry_error = reload.as_ref().err().map(ToString::to_string);
        match reload {
            Ok(reload) => self.reloaded(&reload, cause),
            Err(error) => self.failed("ticket key", TICKET_KEYS, &error),
        }
    }

    /// While a local key seals for want of a provided one, the same file may give one by now: a
    /// timed key has begun. What could not be read may be read by now.
    fn retry_ticket_keys(&mut self) {
        let ring = self.resumption.ticket_ring();
        let Some(source) = &mut self.ticket_keys else {
            return;
        };
        if !ring.load().is_fallback(ring.now()) && self.retry_error.is_none() {
            return;
        }
        let reload = source.file.reload(ring);
        let error = reload.as_ref().err().map(ToString::to_string);
        match reload {
            // Still no key that seals: what the log has said stands.
            Ok(Reload::Updated(Update { fallback: true, .. })) => {}
            Ok(reload) => self.reloaded(&reload, "another try"),
            Err(_) if self.retry_error == error => {}
            Err(error) => error!("ticket keys: still none to take over again: {error}"),
        }
        self.retry_error = error;
    }

    fn reload_admin_token(&self) {
        let Some(access) = &self.admin_write else {
            return;
        };
        match access.reload() {
            Ok(changed) => {
                let result = if changed { "updated" } else { "unchanged" };
                self.frontend.metrics.reloaded(ADMIN_TOKEN, result);
                info!("admin token reload: {result}");
            }
            Err(error) => self.failed("admin token", ADMIN_TOKEN, &error),
        }
    }

    fn reloaded(&mut self, reload: &Reload, cause: &'static str) {
        let Some(source) = &mut self.ticket_keys else {
            return;
        };
        match reload {
            Reload::Unchanged => {
                self.frontend.metrics.reloaded(TICKET_KEYS, "unchanged");
                info!(cause, "ticket key reload: unchanged");
            }
            Reload::Updated(update) => {
                self.frontend.metrics.reloaded(TICKET_KEYS, "updated");
                let Update { keys, sealing, .. } = update;
                info!(keys, first = %sealing, cause, "ticket key reload: updated");
                warn_of(update);
            }
        }
        source.tell();
    }

    fn failed(&self, what: &str, label: &'static str, error: &dyn Display) {
        self.frontend.metrics.reloaded(label, "failed");
        error!("{what} reload failed, what was in use stays in use: {error}");
    }
}
