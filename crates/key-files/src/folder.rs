//! A folder of key files: which of its files are meant, in which order, and which seals.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, Resemblance, TicketKeyError, TicketKeys};

use crate::access;
use crate::error::{TicketFileError, TicketFileFault as Fault};
use crate::format::TicketKeyFormat;
use crate::notice::{FolderOrder, Notice};
use crate::reader::Reader;

/// The end of the names of files whose keys only open yet.
const NEXT: &[u8] = b".next";

/// The ends of the names that editors, package managers and archivers give to what they leave.
const LEFT_BEHIND: [&[u8]; 20] = [
    b"~",
    b".bak",
    b".orig",
    b".old",
    b".swp",
    b".tmp",
    b".rej",
    b".dpkg-old",
    b".dpkg-new",
    b".dpkg-dist",
    b".dpkg-tmp",
    b".rpmsave",
    b".rpmnew",
    b".rpmorig",
    b".gz",
    b".tgz",
    b".xz",
    b".zst",
    b".zip",
    b".tar",
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
            if folder.sealing.is_none() && !name.as_encoded_bytes().ends_with(NEXT) {
                return Err(fault(Fault::BrokenLink));
            }
            reader.pass_over(&file, "a link that points nowhere");
            continue;
        }
        let opened = match Reader::open(&file) {
            Ok(opened) => opened,
            Err(Fault::NotAFile) => {
                reader.pass_over(&file, "no regular file");
                continue;
            }
            Err(Fault::TooLong) => {
                reader.pass_over(&file, "longer than any file of keys");
                continue;
            }
            Err(other) => return Err(fault(other)),
        };
        match format.parse(&opened.content) {
            Ok(keys) => {
                reader.accept(&file, name, &opened).map_err(&fault)?;
                folder.add(reader, &file, &keys);
            }
            Err(TicketKeyError::NotRecords(Resemblance::Der)) => {
                reader.pass_over(&file, "DER of something else");
            }
            Err(error) => match neighbour(&opened.content) {
                Some(what) => reader.pass_over(&file, what),
                None => return Err(fault(error.into())),
            },
        }
    }
    // Where keys have times, those say which seals.
    let is_timed = |key: &KeyEntry| matches!(key.role, KeyRole::Timed(_));
    let by_name = folder.count > 1 && !folder.keys.iter().any(is_timed);
    if let Some(path) = folder.sealing.clone().filter(|_| by_name) {
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
        if bytes.starts_with(b".") {
            continue;
        }
        let is_readme = || bytes.to_ascii_lowercase().starts_with(b"readme");
        let is_left = || LEFT_BEHIND.iter().any(|end| bytes.ends_with(end));
        let passed_over = if file.is_dir() {
            Some("a folder")
        } else if is_readme() {
            Some("by its name, text")
        } else if bytes.starts_with(b"#") || is_left() {
            Some("by its name, something that an editor or a tool has left")
        } else {
            None
        };
        if let Some(what) = passed_over {
            reader.pass_over(&file, what);
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
    let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    file.is_symlink() && fs::metadata(file).err().is_some_and(missing)
}

/// What a file is that holds no keys and was not meant to: a time stamp, a note, a certificate.
/// `None` for what may be keys in another format, or keys that are damaged.
fn neighbour(content: &[u8]) -> Option<&'static str> {
    let text = as_text(content)?;
    if text.trim().is_empty() {
        return Some("an empty file");
    }
    let is_other_pem =
        |line: &str| line.starts_with("-----BEGIN ") && !line.contains(" SESSION TICKET KEY");
    if text.lines().any(is_other_pem) {
        return Some("PEM of something else");
    }
    (!may_be_keys(&text)).then_some("text")
}

/// Text without control characters: UTF-8, UTF-16 with its mark, or Latin-1, in which a few
/// characters are none of ASCII.
fn as_text(content: &[u8]) -> Option<String> {
    let utf16 = |read: fn([u8; 2]) -> u16| {
        let units = content[2..]
            .chunks_exact(2)
            .map(|unit| read([unit[0], unit[1]]));
        String::from_utf16(&units.collect::<Vec<_>>()).ok()
    };
    let text = match content {
        [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes)?,
        [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes)?,
        _ => match std::str::from_utf8(content) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                let high = content.iter().filter(|byte| **byte >= 0x80).count();
                let text = content.iter().map(|byte| char::from(*byte)).collect();
                (6 * high <= content.len()).then_some(text)?
            }
        },
    };
    let is_plain = |c: char| !c.is_control() || c.is_whitespace();
    text.chars().all(is_plain).then_some(text)
}

/// Whether text holds as many digits in a row, of base 16 or 64, as a key has; or looks like a dump
/// of bytes. A list of check sums is neither.
fn may_be_keys(text: &str) -> bool {
    const DIGITS: usize = 60;
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
    // A line under a heading has none.
    let length = |word: &str| {
        let alphanumerics = word.chars().filter(char::is_ascii_alphanumeric).count();
        if 2 * alphanumerics >= word.len() {
            word.len()
        } else {
            0
        }
    };
    let is_sum = |line: &str| {
        let mut words = line.split_whitespace();
        let is_digest = |word: &str| word.chars().all(|c| c.is_ascii_hexdigit());
        words.next().is_some_and(is_digest) && words.count() == 1
    };
    let lines = text.lines().map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !is_sum(line)).collect();
    let words = lines.iter().flat_map(|line| line.split(|c| !is_digit(c)));
    // Words of a key that was wrapped: each a line of its own.
    let wrapped = lines
        .iter()
        .filter(|line| line.len() >= 32 && line.chars().all(is_digit));
    let wrapped: usize = wrapped.map(|line| length(line)).sum();
    let all = lines.concat();
    let mut significant = all
        .chars()
        .filter(|c| !c.is_whitespace() && !":,".contains(*c));
    let count = significant.clone().count();
    let hexadecimal = significant.by_ref().filter(char::is_ascii_hexdigit).count();
    { words }.any(|word| length(word) >= DIGITS)
        || wrapped >= DIGITS
        || (hexadecimal >= 90 && 4 * hexadecimal >= 3 * count)
        || all.starts_with("- name:")
}
