//! The ring of ticket keys at the start, and what the log says of key files.

use rekindle::tickets::{InheritedRing, TicketRing, Update};
use rekindle_key_files::{Notice, TicketKeyFile};
use tracing::{error, info, warn};

use super::change_watch::ChangeWatch;
use crate::cli::{KeysFrom, TicketSettings};
use crate::error::RunError;

/// A file of ticket keys, and whether it has changed since it was last read.
#[derive(Debug)]
pub(crate) struct WatchedKeyFile {
    pub(crate) file: TicketKeyFile,
    pub(crate) watch: ChangeWatch,
    /// What the log has said of the file.
    told: Vec<Notice>,
}

impl WatchedKeyFile {
    /// Tells what the operator should know about the file, and was not told before.
    pub(crate) fn tell(&mut self) {
        let notices = self.file.notices();
        for notice in notices.iter().filter(|notice| !self.told.contains(notice)) {
            match notice.is_warning() {
                true => warn!("ticket keys: {notice}"),
                false => info!("ticket keys: {notice}"),
            }
        }
        self.told = notices.to_vec();
    }
}

/// A ring, which may go on for that of another process, and the file of its keys. Without a file
/// the ring makes its own keys. A file that gives no keys is an error.
pub(crate) fn open(
    settings: &TicketSettings,
    inherited: Option<InheritedRing>,
) -> Result<(TicketRing, Option<WatchedKeyFile>), RunError> {
    let mut ring = TicketRing::builder().policy(settings.policy);
    if let Some(inherited) = inherited {
        ring = ring.inherit(inherited);
    }
    let (flag, file) = match &settings.from {
        KeysFrom::Here => {
            let ring = ring.own_keys().build().map_err(RunError::OwnTicketKeys)?;
            return Ok((ring, None));
        }
        KeysFrom::File(path, format, order) => {
            let file = TicketKeyFile::keys(path, *format).order(*order);
            ("--ticket-keys", file)
        }
        KeysFrom::Secret(path) => ("--ticket-secret", TicketKeyFile::secret(path)),
    };
    let mut file = file.refuse_readable_by_others(settings.refuse_readable_by_others);
    // The first look comes before the reading: later changes count.
    let watch = ChangeWatch::new(file.path());
    let ring = file
        .open(ring)
        .map_err(|source| RunError::TicketKeys { flag, source })?;
    let sealing = ring
        .load()
        .sealing(ring.now())
        .map(|key| key.key().fingerprint());
    let first = sealing.map(tracing::field::display);
    info!(keys = ring.load().len(), first, "ticket keys read");
    if ring.load().is_fallback(ring.now()) {
        error!(
            path = %file.path().display(),
            "ticket keys: none may seal now (is the clock right?); keys that are made here seal, \
             which no other machine opens, until one may"
        );
    }
    let told = Vec::new();
    let mut source = WatchedKeyFile { file, watch, told };
    source.tell();
    Ok((ring, Some(source)))
}

/// Warns of what the operator should know about keys that were read again.
pub(crate) fn warn_of(update: &Update) {
    if update.dropped > 0 {
        warn!(
            dropped = update.dropped,
            "ticket keys: keys are gone that still opened tickets; their clients make full \
             handshakes"
        );
    }
    if update.fallback {
        warn!("ticket keys: none of the keys that were read may seal now");
    }
}
