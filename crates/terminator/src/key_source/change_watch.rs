//! Whether a file, or what a folder holds, has changed and is complete.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rekindle::tickets::TicketKeys;

/// Compares the metadata of a file from one look to the next.
///
/// Links are followed, so a link that now points elsewhere is a change: Kubernetes replaces the
/// files of a secret so. A change counts once two looks show the same: a file that a program is
/// still writing does not count.
#[derive(Debug)]
pub(crate) struct ChangeWatch {
    path: PathBuf,
    /// At the last reading.
    taken: Look,
    /// At the last look.
    last: Look,
}

/// Entries by their names; a file is one entry without a name.
type Look = Vec<(OsString, Option<Identity>)>;

/// Content and place in the file system: device, inode, size, and the times of the last changes of
/// content and metadata, which differ for a file that is changed in place.
type Identity = ([u64; 3], [i64; 4]);

impl ChangeWatch {
    pub(crate) fn new(path: &Path) -> Self {
        let taken = look(path);
        Self {
            path: path.into(),
            last: taken.clone(),
            taken,
        }
    }

    /// To be called before the file is read: later changes count.
    pub(crate) fn taken(&mut self) {
        self.taken = look(&self.path);
        self.last.clone_from(&self.taken);
    }

    /// Looks at the file. It has changed if it differs from the last reading and equals the last
    /// look; then the caller reads it.
    pub(crate) fn has_changed(&mut self) -> bool {
        let now = look(&self.path);
        let changed = now != self.taken && now == self.last;
        if changed {
            self.taken.clone_from(&now);
        }
        self.last = now;
        changed
    }

    /// Whether the last look showed the file as it was read.
    pub(crate) fn is_settled(&self) -> bool {
        self.last == self.taken
    }
}

fn look(path: &Path) -> Look {
    let Ok(entries) = fs::read_dir(path) else {
        return vec![(OsString::new(), identity(path))];
    };
    // More entries are refused anyway.
    let entries = entries.take(2 * TicketKeys::MAX_KEYS).flatten();
    let names = entries.map(|entry| entry.file_name());
    let shown = names.filter(|name| !name.as_encoded_bytes().starts_with(b"."));
    let mut look: Look = shown
        .map(|name| (name.clone(), identity(&path.join(name))))
        .collect();
    look.push((OsString::new(), folder(path)));
    look.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    look
}

/// Who may write to a folder. Its times change with every file that is put into it.
fn folder(path: &Path) -> Option<Identity> {
    let folder = fs::metadata(path).ok()?;
    let (user, group) = (folder.uid().into(), folder.gid().into());
    let identity = [folder.dev(), folder.ino(), folder.mode().into()];
    Some((identity, [user, group, 0, 0]))
}

fn identity(path: &Path) -> Option<Identity> {
    let file = fs::metadata(path).ok()?;
    let (modified, changed) = (file.mtime_nsec(), file.ctime_nsec());
    Some((
        [file.dev(), file.ino(), file.size()],
        [file.mtime(), modified, file.ctime(), changed],
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_is_being_written_has_not_changed_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, [1]).unwrap();
        let mut watch = ChangeWatch::new(&path);
        assert!(!watch.has_changed());
        for size in 2..5 {
            fs::write(&path, vec![1; size]).unwrap();
            assert!(!watch.has_changed(), "{size} bytes so far");
            assert!(!watch.is_settled());
        }
        assert!(watch.has_changed(), "it has come to rest");
        assert!(!watch.has_changed(), "it was read");
        fs::remove_file(&path).unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
    }

    #[test]
    fn what_was_read_for_another_reason_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let mut watch = ChangeWatch::new(&path);
        fs::write(&path, [1]).unwrap();
        assert!(!watch.has_changed());
        watch.taken();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false; 2]);
    }

    #[test]
    fn a_link_to_a_folder_that_points_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("keys"), [1]).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/keys", at("keys")).unwrap();
        let mut watches = [
            ChangeWatch::new(folder.path()),
            ChangeWatch::new(&at("keys")),
        ];
        symlink("..2", at("aside")).unwrap();
        fs::rename(at("aside"), at("..data")).unwrap();
        for watch in &mut watches {
            assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
        }
    }
}
