//! The ring of ticket keys: where it comes from at the start, and what the log says of it.

use rekindle::tickets::{TicketRing, Update};
use rekindle_key_files::TicketKeyFile;
use tracing::{info, warn};

use super::change_watch::ChangeWatch;
use crate::cli::{KeysFrom, TicketSettings};
use crate::error::StartError;

/// A file that ticket keys come from, and whether it has changed since it was last read.
#[derive(Debug)]
pub(crate) struct WatchedKeyFile {
    pub(crate) file: TicketKeyFile,
    pub(crate) watch: ChangeWatch,
}

/// A ring, and the file that it came from. Without a file it makes its own keys; a file that gives none is an error.
pub(crate) fn open(
    settings: &TicketSettings,
) -> Result<(TicketRing, Option<WatchedKeyFile>), StartError> {
    let ring = TicketRing::builder().policy(settings.policy);
    let (flag, file) = match &settings.from {
        KeysFrom::Here => {
            let ring = ring.own_keys().build().map_err(StartError::OwnTicketKeys)?;
            return Ok((ring, None));
        }
        KeysFrom::File(path, format) => ("--ticket-keys", TicketKeyFile::keys(path, *format)),
        KeysFrom::Secret(path) => ("--ticket-secret", TicketKeyFile::secret(path)),
    };
    let mut file = file.refuse_readable_by_others(settings.refuse_readable_by_others);
    // Looked at before it is read: what changes meanwhile is a change.
    let watch = ChangeWatch::new(file.path());
    let ring = file
        .open(ring)
        .map_err(|source| StartError::TicketKeys { flag, source })?;
    let sealing = ring
        .load()
        .sealing(ring.now())
        .map(|key| key.key().fingerprint());
    let first = sealing.map(tracing::field::display);
    info!(keys = ring.load().len(), first, "ticket keys read");
    warn_of_file(&file);
    Ok((ring, Some(WatchedKeyFile { file, watch })))
}

/// What an operator should know of keys that were read again.
pub(crate) fn warn_of(file: &TicketKeyFile, update: &Update) {
    if update.dropped > 0 {
        warn!(
            dropped = update.dropped,
            "ticket keys: keys are gone that still opened tickets, whose clients get full handshakes"
        );
    }
    if update.fallback {
        warn!("ticket keys: none of those that were read may seal now");
    }
    warn_of_file(file);
}

/// What an operator should know of the file itself. What does not fill a record is ignored, as by other servers that read
/// such files: editors add a newline. More than that is a file cut short.
fn warn_of_file(file: &TicketKeyFile) {
    for path in file.readable_by_others() {
        let path = path.display();
        warn!(%path, "ticket keys: others than the file's owner can read or write it");
    }
    let trailing = file.trailing_bytes();
    if trailing > 0 {
        let path = file.path().display();
        warn!(%path, "ticket keys: ignored {trailing} bytes behind the last whole key");
    }
}
