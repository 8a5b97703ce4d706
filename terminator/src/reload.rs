//! SIGHUP: reads the certificate and the ticket keys again, each on its own. What cannot be read changes nothing.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rekindle::tickets::{Reload, TicketKeyFile, Update};
use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use crate::identity::{Identity, IdentityFiles};
use crate::metrics::{Metrics, ReloadOf, ReloadResult};
use crate::tls::TlsFront;

#[derive(Debug)]
pub(crate) struct Reloader {
    identity: Identity,
    files: Option<IdentityFiles>,
    ticket_keys: Option<TicketKeyFile>,
    tls: Arc<TlsFront>,
    metrics: Arc<Metrics>,
}

impl Reloader {
    pub(crate) fn new(
        identity: Identity,
        files: Option<IdentityFiles>,
        ticket_keys: Option<TicketKeyFile>,
        tls: Arc<TlsFront>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            identity,
            files,
            ticket_keys,
            tls,
            metrics,
        }
    }

    /// Reloads at each signal, for as long as the process lives.
    pub(crate) async fn on_signal(mut self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            // Files may be on a disk that hangs: handshakes go on meanwhile, on other threads.
            tokio::task::block_in_place(|| self.reload());
        }
    }

    fn reload(&mut self) {
        if self.files.is_none() && self.ticket_keys.is_none() {
            info!("reload: there are no files to read");
        }
        self.reload_certificate();
        self.reload_ticket_keys();
    }

    fn reload_certificate(&mut self) {
        let Some(files) = &self.files else { return };
        let identity = match Identity::load(files) {
            Ok(identity) => identity,
            Err(error) => return self.failed(ReloadOf::Certificate, &error),
        };
        if identity.same_as(&self.identity) {
            self.metrics
                .reloaded(ReloadOf::Certificate, ReloadResult::Unchanged);
            return info!("certificate reload: unchanged");
        }
        if let Err(error) = self.tls.replace(&identity) {
            return self.failed(ReloadOf::Certificate, &error);
        }
        self.metrics
            .reloaded(ReloadOf::Certificate, ReloadResult::Updated);
        info!(
            sha256 = identity.fingerprint(),
            "certificate reload: updated"
        );
        self.identity = identity;
    }

    fn reload_ticket_keys(&mut self) {
        let Some(file) = &mut self.ticket_keys else {
            return;
        };
        let ring = self.tls.resumption().ticket_ring();
        match file.reload(ring) {
            Ok(Reload::Unchanged) => {
                self.metrics
                    .reloaded(ReloadOf::TicketKeys, ReloadResult::Unchanged);
                info!("ticket key reload: unchanged");
            }
            Ok(Reload::Updated(update)) => {
                self.metrics
                    .reloaded(ReloadOf::TicketKeys, ReloadResult::Updated);
                let Update { keys, sealing, .. } = &update;
                info!(keys, first = %sealing, "ticket key reload: updated");
                warn_of_trailing_bytes(file.path(), update.trailing);
            }
            Err(error) => self.failed(ReloadOf::TicketKeys, &error),
        }
    }

    fn failed(&self, what: ReloadOf, error: &dyn Display) {
        self.metrics.reloaded(what, ReloadResult::Failed);
        error!(
            "{} reload failed, what was in use stays in use: {error}",
            what.words()
        );
    }
}

/// What does not fill a record is ignored, as for other servers that read such files: editors add a newline. More than that
/// is a file cut short.
pub(crate) fn warn_of_trailing_bytes(path: &Path, trailing: usize) {
    if trailing > 0 {
        warn!(path = %path.display(), "ticket keys: ignored {trailing} bytes behind the last whole key");
    }
}
