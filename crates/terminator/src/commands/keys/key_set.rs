//! A folder with a file for each key, for products that take one key a file.
//!
//! The names stay when keys are rotated, since the product's configuration names each file in its
//! order. Of the names that are made here the greatest is that of the key that seals, which is the
//! terminator's order as well.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::iter;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rekindle_key_files::TicketKeyFormat;
use zeroize::Zeroizing;

use super::error::KeysError;
use super::target::Target;

const SEALING: &str = "sealing.key";

pub(super) struct KeySet {
    target: Target,
    /// Its files in the order of the configuration: the first seals.
    files: Vec<PathBuf>,
}

impl KeySet {
    /// A folder with files under names of ours, or none.
    pub(super) fn lock(folder: &Path) -> Result<Self, KeysError> {
        let target = Target::lock_folder(folder)?;
        let unreadable = |source| KeysError::Open {
            path: folder.into(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                names.push(name);
            }
        }
        let ours: Vec<_> = (0..names.len()).map(name).collect();
        let is_ours = |name: &&OsString| ours.iter().any(|ours| *name == &**ours);
        if let Some(other) = names.iter().find(|name| !is_ours(name)) {
            return Err(KeysError::OtherFiles(folder.join(other)));
        }
        let files = ours.iter().map(|name| target.path.join(name)).collect();
        Ok(Self { target, files })
    }

    /// A folder that is not there yet, in a folder that is locked.
    pub(super) fn create(target: &Target) -> Result<Self, KeysError> {
        let made = fs::DirBuilder::new().mode(0o700).create(&target.path);
        made.map_err(|source| KeysError::Write {
            path: target.path.clone(),
            source,
        })?;
        Self::lock(&target.path)
    }

    /// A folder that is locked, and the files with its keys, in the order of the configuration.
    pub(super) fn new(target: Target, files: Vec<PathBuf>) -> Self {
        Self { target, files }
    }

    pub(super) fn path(&self) -> &Path {
        &self.target.path
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many of these keys it takes: none more than it has where another tool gave the names.
    pub(super) fn room(&self, keys: usize) -> usize {
        let is_ours = self
            .files
            .iter()
            .all(|file| file.ends_with(SEALING) || is_opening(file));
        if is_ours {
            keys.max(self.files.len())
        } else {
            self.files.len()
        }
    }

    /// Writes a key into each file, the one that seals into the first. Files beyond the keys get
    /// copies of the last one, since the configuration names them. Whether there are new files.
    pub(super) fn fill(&mut self, keys: &[Zeroizing<Vec<u8>>]) -> Result<bool, KeysError> {
        let before = self.files.len();
        for key in before..keys.len() {
            self.files.push(self.target.path.join(name(key)));
        }
        let keys = keys.iter().chain(iter::repeat(&keys[keys.len() - 1]));
        let all = self.files.iter().zip(keys);
        let all: Vec<_> = all.map(|(file, key)| (&**file, &key[..])).collect();
        self.target.replace_all(&all)?;
        Ok(self.files.len() > before)
    }

    /// What the configuration of the format's product says of the files.
    pub(super) fn configuration(&self, format: TicketKeyFormat) -> String {
        let files = self.files.iter().map(|file| file.display());
        match format {
            TicketKeyFormat::Nginx48 | TicketKeyFormat::Nginx80 => files
                .map(|file| format!("ssl_session_ticket_key {file};\n"))
                .collect(),
            TicketKeyFormat::Envoy80 => iter::once("session_ticket_keys:\n  keys:\n".to_owned())
                .chain(files.map(|file| format!("  - filename: {file}\n")))
                .collect(),
            // These take one key in all.
            TicketKeyFormat::Apache48 => files
                .take(1)
                .map(|file| format!("SSLSessionTicketKeyFile {file}\n"))
                .collect(),
            _ => files.take(1).map(|file| format!("{file}\n")).collect(),
        }
    }
}

/// The name of the file with that key, counted in the order of the configuration.
fn name(key: usize) -> String {
    match key {
        0 => SEALING.into(),
        key => format!("opening-{key}.key"),
    }
}

fn is_opening(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with("opening-") && name.ends_with(".key")
}
