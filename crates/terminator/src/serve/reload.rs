//! Reads the certificate and the ticket keys again at SIGHUP, each on its own, and the ticket keys
//! also when their file has changed. What cannot be read changes nothing.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle::tickets::Update;
use rekindle_key_files::Reload;
use tracing::{error, info};

use super::identity::{Identity, IdentityFiles};
use super::tls::TlsFront;
use super::validity;
use crate::admin::Metrics;
use crate::key_source::{WatchedKeyFile, warn_of};

/// What a reload reads, as a label in the metrics.
const CERTIFICATE: &str = "certificate";
const TICKET_KEYS: &str = "ticket_keys";

/// The time between two readings while the file gives no key that seals.
const RETRY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Reloader {
    pub(super) identity: Identity,
    pub(super) files: Option<IdentityFiles>,
    pub(super) ticket_keys: Option<WatchedKeyFile>,
    pub(super) retried: Instant,
    /// The error of the last reading, so that it is tried again and the log tells it once.
    pub(super) retry_error: Option<String>,
    pub(super) tls: Arc<TlsFront>,
    pub(super) metrics: Arc<Metrics>,
}

impl Reloader {
    /// Reads all files again, at SIGHUP.
    pub(super) fn reload(&mut self) {
        if self.files.is_none() && self.ticket_keys.is_none() {
            info!("reload: there are no files to read");
        }
        self.reload_certificate();
        if let Some(source) = &mut self.ticket_keys {
            source.watch.taken();
        }
        self.reload_ticket_keys("SIGHUP");
    }

    fn reload_certificate(&mut self) {
        let Some(files) = &self.files else { return };
        let identity = match Identity::load(files) {
            Ok(identity) => identity,
            Err(error) => return self.failed("certificate", CERTIFICATE, &error),
        };
        if identity.same_as(&self.identity) {
            self.metrics.reloaded(CERTIFICATE, "unchanged");
            info!("certificate reload: unchanged");
            return validity::report(&identity, &self.metrics);
        }
        if let Err(error) = self.tls.replace(&identity) {
            return self.failed("certificate", CERTIFICATE, &error);
        }
        self.metrics.reloaded(CERTIFICATE, "updated");
        info!(
            sha256 = identity.fingerprint(),
            "certificate reload: updated"
        );
        validity::report(&identity, &self.metrics);
        self.identity = identity;
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
        let reload = source.file.reload(self.tls.resumption().ticket_ring());
        self.retry_error = reload.as_ref().err().map(ToString::to_string);
        match reload {
            Ok(reload) => self.reloaded(&reload, cause),
            Err(error) => self.failed("ticket key", TICKET_KEYS, &error),
        }
    }

    /// While a local key seals for want of a provided one, the same file may give one by now: a
    /// timed key has begun. What could not be read may be read by now.
    fn retry_ticket_keys(&mut self) {
        let ring = self.tls.resumption().ticket_ring();
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

    fn reloaded(&mut self, reload: &Reload, cause: &'static str) {
        let Some(source) = &mut self.ticket_keys else {
            return;
        };
        match reload {
            Reload::Unchanged => {
                self.metrics.reloaded(TICKET_KEYS, "unchanged");
                info!(cause, "ticket key reload: unchanged");
            }
            Reload::Updated(update) => {
                self.metrics.reloaded(TICKET_KEYS, "updated");
                let Update { keys, sealing, .. } = update;
                info!(keys, first = %sealing, cause, "ticket key reload: updated");
                warn_of(update);
            }
        }
        source.tell();
    }

    fn failed(&self, what: &str, label: &'static str, error: &dyn Display) {
        self.metrics.reloaded(label, "failed");
        error!("{what} reload failed, what was in use stays in use: {error}");
    }
}
