//! A folder with a file for each key, for products that take one key a file.
//!
//! The names stay when keys are rotated, since the product's configuration names each file in its
//! order. Of the names that are made here the greatest is that of the key that seals, which is the
//! terminator's order as well.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
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
        let names = names(folder)?;
        if let Some(other) = names.iter().find(|name| number(name).is_none()) {
            return Err(KeysError::OtherFiles(folder.join(other)));
        }
        let files = in_order(&target.path, &names);
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

    /// A folder that is locked, and the files with its keys, in the order of their roles. Where the
    /// names are ours, that order is known, and another file would seal by its name alone.
    pub(super) fn new(target: Target, files: Vec<PathBuf>) -> Result<Self, KeysError> {
        let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
        let names: Vec<_> = names.into_iter().map(OsString::from).collect();
        if names.iter().all(|name| number(name) != Some(0)) {
            return Ok(Self { target, files });
        }
        if let Some(other) = names.iter().find(|name| number(name).is_none()) {
            return Err(KeysError::OtherFiles(target.path.join(other)));
        }
        let files = in_order(&target.path, &names);
        Ok(Self { target, files })
    }

    pub(super) fn path(&self) -> &Path {
        &self.target.path
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many of these keys it takes: none more than it has where another tool gave the names.
    pub(super) fn room(&self, keys: usize) -> usize {
        let is_ours = |file: &PathBuf| file.file_name().and_then(number).is_some();
        let is_ours = self.files.iter().all(is_ours);
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
        // There may be gaps.
        let mut free = (0..).map(|key| self.target.path.join(name(key)));
        while self.files.len() < keys.len() {
            let file = free.next().expect("names without end");
            if !self.files.contains(&file) {
                self.files.push(file);
            }
        }
        let keys = keys.iter().chain(iter::repeat(&keys[keys.len() - 1]));
        let all = self.files.iter().zip(keys);
        let all: Vec<_> = all.map(|(file, key)| (&**file, &key[..])).collect();
        self.target.replace_all(&all)?;
        Ok(self.files.len() > before)
    }

    /// What the configuration of the format's product says of the files.
    pub(super) fn configuration(&self, format: TicketKeyFormat) -> String {
        let files = self.files.iter().map(|file| quoted(file));
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

/// Which key a name of ours is for.
fn number(name: &OsStr) -> Option<usize> {
    let text = name.to_str()?;
    if text == SEALING {
        return Some(0);
    }
    let digits = text.strip_prefix("opening-")?.strip_suffix(".key")?;
    digits.parse().ok().filter(|number| *number > 0)
}

/// Files under names of ours.
fn in_order(folder: &Path, names: &[OsString]) -> Vec<PathBuf> {
    let mut names: Vec<_> = names.iter().collect();
    names.sort_by_key(|name| number(name));
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// The names in a folder that are not hidden.
fn names(folder: &Path) -> Result<Vec<OsString>, KeysError> {
    let names = fs::read_dir(folder).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name()));
        names.collect::<io::Result<Vec<_>>>()
    });
    let mut names = names.map_err(|source| KeysError::Open {
        path: folder.into(),
        source,
    })?;
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    Ok(names)
}

/// A path as configurations take it: in quotation marks if it has more than the usual characters.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%".contains(c);
    match path.chars().all(is_plain) {
        true => path,
        false => format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
