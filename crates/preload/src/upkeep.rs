//! What is due once a second: maintenance, statistics. Handshakes do it, by turns: a thread would
//! need the server's leave (HAProxy allows none), a mask for its signals, and an end.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, process};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use rekindle::openssl::Resumption;
use rekindle_prometheus::ResumptionCollector;

use crate::settings::Settings;

pub(crate) struct Upkeep {
    stats: Option<PathBuf>,
    /// The last second in which a turn was made, by the ring's clock.
    last: AtomicU64,
}

impl Upkeep {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            stats: settings.stats.clone(),
            last: AtomicU64::new(0),
        }
    }

    /// Does what is due. Of several threads one does it, and the others go on.
    pub(crate) fn turn(&self, resumption: &Resumption) {
        let second = resumption.ticket_ring().now().as_millis() / 1_000;
        if self.last.load(Ordering::Relaxed) == second
            || self.last.swap(second, Ordering::Relaxed) == second
        {
            return;
        }
        // Without randomness for a key the keys in use stay, and the next turn tries again.
        let _ = resumption.maintain();
        if let Some(stats) = &self.stats {
            // Where the server's user may not write there is nothing to read.
            let _ = write(stats, resumption);
        }
    }
}

/// Each process counts by itself: its number is the last part of the file's name. A reader sees the
/// whole of it, or of the one before.
fn write(stats: &Path, resumption: &Resumption) -> io::Result<()> {
    let mut registry = Registry::with_prefix("rekindle");
    registry.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));
    let mut content = String::new();
    text::encode(&mut content, &registry).map_err(io::Error::other)?;
    let mut file = stats.as_os_str().to_owned();
    file.push(format!(".{}", process::id()));
    let mut new = file.clone();
    new.push(".new");
    // A new file, lest it be written where a link of that name leads.
    let _ = fs::remove_file(&new);
    let mut created = OpenOptions::new().write(true).create_new(true).open(&new)?;
    created.write_all(content.as_bytes())?;
    fs::rename(&new, &file)
}
