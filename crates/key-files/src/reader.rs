//! Opening files, judging who may read them, and what tells that they have changed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::access;
use crate::error::{MAX_LEN, TicketFileFault as Fault};
use crate::exposure::Exposure;
use crate::notice::Notice;

/// Of the content and, in a folder, of the names.
pub(crate) type Digest = [u8; 32];

/// A file's content, and who else may read it.
pub(crate) struct Opened {
    pub(crate) content: Zeroizing<Vec<u8>>,
    exposure: Option<Exposure>,
}

pub(crate) struct Reader {
    refuse_readable_by_others: bool,
    /// Boxed and never moved: it holds the last bytes of what it has read.
    digest: Box<Sha256>,
    files: Vec<PathBuf>,
    pub(crate) notices: Vec<Notice>,
}

impl Reader {
    pub(crate) fn new(refuse_readable_by_others: bool) -> Self {
        Self {
            refuse_readable_by_others,
            digest: Box::default(),
            files: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The files, what there is to tell of them, and their digest.
    pub(crate) fn finish(mut self) -> (Vec<PathBuf>, Vec<Notice>, Digest) {
        let digest = self.digest.finalize_reset().into();
        (self.files, self.notices, digest)
    }

    /// Refuses a file or folder that others may read or change, or tells of it.
    pub(crate) fn judge(&mut self, path: &Path, exposure: Option<Exposure>) -> Result<(), Fault> {
        let Some(exposure) = exposure else {
            return Ok(());
        };
        if self.refuse_readable_by_others {
            return Err(Fault::ReadableByOthers(exposure));
        }
        // What the folder has told of, each of its files would tell again.
        let is_told = self.notices.iter().any(|notice| {
            matches!(notice, Notice::ReadableByOthers { path: folder, exposure: told }
                if *told == exposure && path.parent() == Some(folder))
        });
        if !is_told {
            let path = path.into();
            let notice = Notice::ReadableByOthers { path, exposure };
            self.notices.push(notice);
        }
        Ok(())
    }

    pub(crate) fn pass_over(&mut self, path: &Path, what: &'static str) {
        let path = path.into();
        self.notices.push(Notice::PassedOver { path, what });
    }

    /// A file whose content is meant: it must not be exposed, and what changes it is a change. In a
    /// folder the name is part of that, since it decides the keys' roles.
    pub(crate) fn accept(&mut self, path: &Path, name: &OsStr, file: &Opened) -> Result<(), Fault> {
        self.judge(path, file.exposure)?;
        if access::is_mount_point(path) {
            self.notices.push(Notice::MountPoint { path: path.into() });
        }
        for part in [name.as_encoded_bytes(), &file.content] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
        self.files.push(path.into());
        Ok(())
    }

    pub(crate) fn open(path: &Path) -> Result<Opened, Fault> {
        // Before opening: that alone would wait for a pipe's other end.
        if !fs::metadata(path)?.is_file() {
            return Err(Fault::NotAFile);
        }
        let file = open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Fault::NotAFile);
        }
        // Room for all at once: growing would leave copies of the keys behind.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
        file.take(MAX_LEN as u64 + 1).read_to_end(&mut content)?;
        if content.len() > MAX_LEN {
            return Err(Fault::TooLong);
        }
        let exposure = access::of_file(path, &metadata);
        Ok(Opened { content, exposure })
    }
}

/// Without waiting for the other end, should a pipe have come in the file's place.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let mut options = File::options();
    options.read(true).custom_flags(flags as i32).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
