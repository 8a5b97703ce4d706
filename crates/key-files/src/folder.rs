//! A folder of key files: which of its files are meant, in which order, and which seals.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, TicketKeyError, TicketKeys};

use crate::access;
use crate::error::{TicketFileError, TicketFileFault as Fault};
use crate::format::TicketKeyFormat;
use crate::notice::{FolderOrder, Notice};
use crate::reader::Reader;

/// The end of the names of files whose keys only open yet.
const NEXT: &[u8] = b".next";

/// The ends of the names that editors, package managers and copying tools give to what they leave.
const LEFT_BEHIND: [&[u8]; 10] = [
    b"~",
    b".bak",
    b".orig",
    b".old",
    b".swp",
    b".tmp",
    b".rej",
    b".dpkg-old",
    b".dpkg-dist",
    b".rpmsave",
];

/// The keys of a folder in the making.
struct Folder {
    keys: Vec<KeyEntry>,
    /// Of each key.
    files: Vec<PathBuf>,
    /// The file that seals, once one was found.
    sealing: Option<PathBuf>,
    /// Files with keys.
    count: usize,
}

/// The keys of all files of a folder.
pub(crate) fn read(
    reader: &mut Reader,
    path: &Path,
    format: TicketKeyFormat,
    order: FolderOrder,
) -> Result<TicketKeys, TicketFileError> {
    let names = names(reader, path, order).map_err(TicketFileError::of(path))?;
    let mut folder = Folder {
        keys: Vec::new(),
        files: Vec::new(),
        sealing: None,
        count: 0,
    };
    for name in &names {
        let file = path.join(name);
        let fault = TicketFileError::of(&file);
        if is_broken_link(&file) {
            // It may have been meant to seal.
            if folder.sealing.is_none() {
                return Err(fault(Fault::BrokenLink));
            }
            reader.pass_over(&file, "a link that points nowhere");
            continue;
        }
        if !file.is_file() {
            reader.pass_over(&file, "no regular file");
            continue;
        }
        let opened = Reader::open(&file).map_err(&fault)?;
        match format.parse(&opened.content) {
            Ok(keys) => {
                reader.accept(&file, name, &opened).map_err(&fault)?;
                folder.add(reader, &file, &keys);
            }
            Err(error) => match neighbour(&opened.content) {
                Some(what) => reader.pass_over(&file, what),
                None => return Err(fault(error.into())),
            },
        }
    }
    if let Some(path) = folder.sealing.clone().filter(|_| folder.count > 1) {
        reader.notices.push(Notice::Seals { path, order });
    }
    folder.finish(reader, path)
}

impl Folder {
    fn add(&mut self, reader: &mut Reader, file: &Path, keys: &TicketKeys) {
        let is_next = file.as_os_str().as_encoded_bytes().ends_with(NEXT);
        let (mut copy_of, mut copies) = (None, 0);
        for key in keys.entries() {
            let role = match key.role {
                KeyRole::Timed(validity) => KeyRole::Timed(validity),
                _ if is_next => KeyRole::Next,
                role if self.sealing.is_none() => role,
                _ => KeyRole::Open,
            };
            // A rotation that copies files leaves some twice. Of a key that is to seal next and
            // seals in another file, the latter counts.
            if let Some(twin) = self.find(key) {
                (copy_of, copies) = (Some(self.files[twin].clone()), copies + 1);
                if self.keys[twin].role == KeyRole::Next {
                    self.keys[twin].role = role;
                }
                continue;
            }
            let mut key = key.with_role(role);
            key.location = KeyLocation::record(self.keys.len());
            self.keys.push(key);
            self.files.push(file.into());
        }
        match copy_of.filter(|_| copies == keys.len()) {
            Some(of) => reader.notices.push(Notice::Copy {
                path: file.into(),
                of,
            }),
            None => self.count += 1,
        }
        if !is_next && self.sealing.is_none() {
            self.sealing = Some(file.into());
        }
    }

    /// The same key, name and secrets.
    fn find(&self, key: &KeyEntry) -> Option<usize> {
        let same = |ours: &KeyEntry| {
            let (ours, key) = (ours.key(), key.key());
            ours.name() == key.name() && ours.fingerprint() == key.fingerprint()
        };
        self.keys.iter().position(same)
    }

    fn finish(self, reader: &Reader, path: &Path) -> Result<TicketKeys, TicketFileError> {
        let Self { keys, files, .. } = self;
        // Each file's own keys differ already: a pair of duplicates is in two files.
        let duplicates = |first: KeyLocation, second: KeyLocation, of| Fault::Duplicates {
            first: files[first.record].clone(),
            second: files[second.record].clone(),
            of,
        };
        let keys = TicketKeys::new(keys).map_err(|error| match error {
            TicketKeyError::DuplicateName { first, second } => duplicates(first, second, "name"),
            TicketKeyError::DuplicateMaterial { first, second } => {
                duplicates(first, second, "secrets")
            }
            _ if files.is_empty() => Fault::EmptyFolder {
                notices: reader.notices.clone(),
            },
            error => error.into(),
        });
        keys.map_err(TicketFileError::of(path))
    }
}

/// The names of a folder's files, those that seal first.
fn names(reader: &mut Reader, path: &Path, order: FolderOrder) -> Result<Vec<OsString>, Fault> {
    reader.judge(path, access::of_folder(path, &fs::metadata(path)?))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        let file = path.join(&name);
        if bytes.starts_with(b".") || file.is_dir() {
            continue;
        }
        if bytes.starts_with(b"#") || LEFT_BEHIND.iter().any(|end| bytes.ends_with(end)) {
            reader.pass_over(
                &file,
                "by its name, something that an editor or a tool has left",
            );
            continue;
        }
        names.push(name);
        if names.len() > TicketKeys::MAX_KEYS {
            return Err(TicketKeyError::TooMany.into());
        }
    }
    names.sort_unstable();
    if order == FolderOrder::Last {
        names.reverse();
    }
    Ok(names)
}

fn is_broken_link(file: &Path) -> bool {
    file.is_symlink() && !file.exists()
}

/// What a file is that holds no keys and was not meant to: a time stamp, a README, a certificate.
/// `None` for what may be keys in another format, or keys that are damaged.
fn neighbour(content: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(content).ok()?;
    if text.trim().is_empty() {
        return Some("an empty file");
    }
    if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let is_other_pem =
        |line: &str| line.starts_with("-----BEGIN ") && !line.contains(" SESSION TICKET KEY");
    if text.lines().any(is_other_pem) {
        return Some("PEM of something else");
    }
    // Digits of a whole key, and the formats of whole files.
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let may_be_keys = |line: &str| {
        (line.len() >= 64 && line.chars().all(is_digit))
            || ["- name:", "secret ", "-----BEGIN"]
                .iter()
                .any(|word| line.starts_with(word))
    };
    let lines = text.lines().map(str::trim);
    (!{ lines }.any(may_be_keys)).then_some("text")
}
