//! The ring of ticket keys at the start, and what the log says of key files.

use rekindle::tickets::{TicketRing, Update};
use rekindle_key_files::TicketKeyFile;
use tracing::{info, warn};

use super::change_watch::ChangeWatch;
use crate::cli::{KeysFrom, TicketSettings};
use crate::error::StartError;

/// A file of ticket keys, and whether it has changed since it was last read.
#[derive(Debug)]
pub(crate) struct WatchedKeyFile {
    pub(crate) file: TicketKeyFile,
    pub(crate) watch: ChangeWatch,
}

/// A ring, and the file of its keys. Without a file the ring makes its own keys. A file that gives
/// no keys is an error.
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
    // The first look comes before the reading: later changes count.
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

/// Warns of what the operator should know about keys that were read again.
pub(crate) fn warn_of(file: &TicketKeyFile, update: &Update) {
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
    warn_of_file(file);
}

/// Warns of what the operator should know about the file itself.
///
/// Bytes that do not fill a record are ignored, as by other servers that read such files: editors
/// add a newline. More bytes are a file cut short.
fn warn_of_file(file: &TicketKeyFile) {
    for path in file.readable_by_others() {
        let path = path.display();
        warn!(%path, "ticket keys: users other than the file's owner can read or write it");
    }
    let trailing = file.trailing_bytes();
    if trailing > 0 {
        let path = file.path().display();
        warn!(%path, "ticket keys: ignored {trailing} bytes behind the last whole key");
    }
}
