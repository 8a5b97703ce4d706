//! Who may read or change a file on Linux: by owner, groups, ACL, folder and mount.

use std::env;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Gid, StatVfsMountFlags, StatxAttributes, StatxFlags, Uid, getxattr, statvfs,
    statx,
};
use rustix::process::{getegid, geteuid, getgroups};

use crate::exposure::Exposure;

const READ: u32 = 4;
const WRITE: u32 = 2;
const STICKY: u32 = 0o1000;

/// Who but root, this process's user and its groups may read or change a file of secrets.
///
/// For root, who may read everything, owner, group and ACL say which service the file is for: only
/// other users count.
///
/// # Errors
///
/// [`io::Error`]: the file's metadata cannot be read.
pub fn exposure(path: &Path) -> io::Result<Option<Exposure>> {
    Ok(of_file(path, &fs::metadata(path)?))
}

/// Who else may read or change a file.
pub(crate) fn of_file(path: &Path, file: &Metadata) -> Option<Exposure> {
    let readers = Readers::allowed();
    let rights = if is_read_only(path) {
        READ
    } else {
        READ | WRITE
    };
    // Who may put another file in its place decides as well: of a link, in two folders.
    let target = fs::canonicalize(path).ok();
    let places = [Some(path), target.as_deref()];
    let parents = places.into_iter().flatten().filter_map(Path::parent);
    let mut parents = parents.map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    });
    readers
        .others(path, file, rights)
        .filter(|exposure| !(matches!(exposure, Exposure::Everybody(_)) && is_credential(path)))
        .or_else(|| parents.find_map(|parent| readers.replaced(parent, file)))
}

/// Who else may put files into a folder, and so choose the key that seals.
pub(crate) fn of_folder(path: &Path, folder: &Metadata) -> Option<Exposure> {
    // In a sticky folder the owner of each file is judged.
    let is_safe = folder.mode() & STICKY != 0 || is_read_only(path);
    let readers = Readers::allowed();
    (!is_safe).then(|| readers.others(path, folder, WRITE))?
}

/// Whether something else is mounted at the path, such as a single file in a container: a rename
/// in the folder that it comes from does not show here.
pub fn is_mount_point(path: &Path) -> bool {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Who may read: root, and the user and the groups of this process.
struct Readers {
    user: u32,
    groups: Vec<u32>,
}

impl Readers {
    fn allowed() -> Self {
        let more = getgroups().unwrap_or_default();
        let groups = more.into_iter().chain([getegid(), Gid::ROOT]);
        Self {
            user: geteuid().as_raw(),
            groups: groups.map(Gid::as_raw).collect(),
        }
    }

    fn has_user(&self, user: u32) -> bool {
        [Uid::ROOT.as_raw(), self.user].contains(&user)
    }

    fn has_group(&self, group: u32) -> bool {
        self.groups.contains(&group)
    }

    /// Another user or group with one of these rights.
    fn others(&self, path: &Path, file: &Metadata, rights: u32) -> Option<Exposure> {
        let mode = file.mode();
        if mode & rights != 0 {
            return Some(Exposure::Everybody(mode));
        }
        if self.user == Uid::ROOT.as_raw() {
            return None;
        }
        if !self.has_user(file.uid()) {
            return Some(Exposure::Owner(file.uid()));
        }
        let group = Some(file.gid()).filter(|group| !self.has_group(*group));
        let Some(acl) = Acl::of(path) else {
            let group = group.filter(|_| mode >> 3 & rights != 0);
            return group.map(Exposure::Group);
        };
        acl.entries().find_map(|(tag, permissions, id)| {
            let is_granted = permissions & acl.mask() & rights != 0;
            match tag {
                _ if !is_granted => None,
                Acl::GROUP_OBJECT => group.map(Exposure::Group),
                Acl::USER => (!self.has_user(id)).then_some(Exposure::AclUser(id)),
                Acl::GROUP => (!self.has_group(id)).then_some(Exposure::AclGroup(id)),
                _ => None,
            }
        })
    }

    /// Who else may put a file into the place of one in that folder. In a sticky one it is the
    /// owner of what is there.
    fn replaced(&self, parent: &Path, file: &Metadata) -> Option<Exposure> {
        let folder = fs::metadata(parent).ok()?;
        if is_read_only(parent) {
            return None;
        }
        let others = self.others(parent, &folder, WRITE);
        if folder.mode() & STICKY == 0 {
            return others;
        }
        let is_theirs = !self.has_user(file.uid()) && file.uid() != folder.uid();
        (folder.mode() & WRITE != 0 && is_theirs).then(|| Exposure::Owner(file.uid()))
    }
}

/// A POSIX ACL as Linux keeps it: a version, then entries of tag, permissions and id.
struct Acl(Vec<u8>);

impl Acl {
    const USER: u16 = 2;
    const GROUP_OBJECT: u16 = 4;
    const GROUP: u16 = 8;
    const MASK: u16 = 16;
    /// More entries than a file system stores.
    const LONGEST: usize = 1 << 16;

    fn of(path: &Path) -> Option<Self> {
        let mut bytes = vec![0; Self::LONGEST];
        let len = getxattr(path, "system.posix_acl_access", &mut *bytes).ok()?;
        bytes.truncate(len);
        bytes.starts_with(&[2, 0, 0, 0]).then_some(Self(bytes))
    }

    fn entries(&self) -> impl Iterator<Item = (u16, u32, u32)> {
        self.0[4..].chunks_exact(8).map(|entry| {
            let [tag, permissions] =
                [0, 2].map(|at| u16::from_le_bytes([entry[at], entry[at + 1]]));
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            (tag, permissions.into(), id)
        })
    }

    /// What the entries grant at most.
    fn mask(&self) -> u32 {
        let mut entries = self.entries();
        let mask = entries.find(|(tag, ..)| *tag == Self::MASK);
        mask.map_or(READ | WRITE, |(_, permissions, _)| permissions)
    }
}

fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Whether systemd keeps the file for this service, in a folder that other users cannot enter.
fn is_credential(path: &Path) -> bool {
    const ENTER: u32 = 1;
    let folder = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let is_within = |folder: PathBuf| {
        let (folder, path) = (fs::canonicalize(folder).ok()?, fs::canonicalize(path).ok()?);
        let is_closed = fs::metadata(&folder).ok()?.mode() & ENTER == 0;
        Some(is_closed && path.starts_with(folder))
    };
    folder.and_then(is_within).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    use rustix::fs::{XattrFlags, setxattr};
    use tempfile::TempDir;

    use super::*;

    /// A service, its group and another one. Files are root's: what the service runs as is told.
    const SERVICE: u32 = 4_242;
    const OTHER: u32 = 4_243;

    fn service() -> Readers {
        Readers {
            user: SERVICE,
            groups: vec![0, SERVICE],
        }
    }

    fn root() -> Readers {
        Readers {
            user: 0,
            groups: vec![0],
        }
    }

    struct Made {
        _folder: TempDir,
        path: PathBuf,
    }

    /// A file of that mode, owner and group. `None` where this user cannot make it.
    fn file(mode: u32, owner: u32, group: u32) -> Option<Made> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, b"secret").unwrap();
        if chown(&path, Some(owner), Some(group)).is_err() {
            println!("not root: owners are not tried");
            return None;
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Some(Made {
            _folder: folder,
            path,
        })
    }

    fn others(readers: &Readers, made: &Made) -> Option<Exposure> {
        let metadata = fs::metadata(&made.path).unwrap();
        readers.others(&made.path, &metadata, READ | WRITE)
    }

    #[test]
    fn owner_and_group_of_the_service_are_no_others() {
        for (mode, owner, group, for_service, for_root) in [
            // A Kubernetes secret, and what `install -o service` and `install -g service` make.
            (0o440, 0, SERVICE, None, None),
            (0o640, 0, SERVICE, None, None),
            (0o660, SERVICE, SERVICE, None, None),
            (0o600, SERVICE, OTHER, None, None),
            (0o640, 0, OTHER, Some(Exposure::Group(OTHER)), None),
            (0o620, SERVICE, OTHER, Some(Exposure::Group(OTHER)), None),
            (0o600, OTHER, SERVICE, Some(Exposure::Owner(OTHER)), None),
        ] {
            let Some(made) = file(mode, owner, group) else {
                return;
            };
            let found = [service(), root()].map(|readers| others(&readers, &made));
            assert_eq!(found, [for_service, for_root], "{mode:o} {owner} {group}");
        }
    }

    #[test]
    fn every_user_is_another_one() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, b"secret").unwrap();
        for mode in [0o604, 0o602, 0o444, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let found = of_file(&path, &fs::metadata(&path).unwrap());
            let Some(Exposure::Everybody(found)) = found else {
                panic!("{found:?}")
            };
            assert_eq!(found & 0o777, mode);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(of_file(&path, &fs::metadata(&path).unwrap()), None);
    }

    /// Entries of tag, permissions and id, behind the version.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let entry = |(tag, permissions, id): &(u16, u16, u32)| {
            [
                &tag.to_le_bytes()[..],
                &permissions.to_le_bytes(),
                &id.to_le_bytes(),
            ]
            .concat()
        };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        [&[2, 0, 0, 0][..], &entries.concat()].concat()
    }

    #[test]
    fn an_acl_says_who_the_group_bits_stand_for() {
        const NO_ID: u32 = u32::MAX;
        let Some(made) = file(0o400, 0, OTHER) else {
            return;
        };
        // As systemd makes a credential: root's, readable for the service's user by an ACL.
        let with = |entries: &[(u16, u16, u32)], group: u16, mask: u16| {
            let base = [(1, 4, NO_ID)];
            let rest = [(4, group, NO_ID), (16, mask, NO_ID), (32, 0, NO_ID)];
            let mut all = [&base, entries, &rest].concat();
            all.sort_unstable();
            let acl = acl(&all);
            setxattr(
                &made.path,
                "system.posix_acl_access",
                &acl,
                XattrFlags::empty(),
            )
        };
        if with(&[(2, 4, SERVICE)], 0, 4).is_err() {
            println!("this file system has no ACLs");
            return;
        }
        let mode = fs::metadata(&made.path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o440, "the mask shows as the group's bits");
        assert_eq!(others(&service(), &made), None);
        for (entries, group, mask, expected) in [
            (&[(2, 4, OTHER)][..], 0, 4, Some(Exposure::AclUser(OTHER))),
            (&[(2, 4, OTHER)], 0, 0, None),
            (&[(8, 4, SERVICE)], 0, 4, None),
            (&[(8, 4, OTHER)], 0, 4, Some(Exposure::AclGroup(OTHER))),
            (&[(2, 4, SERVICE)], 4, 4, Some(Exposure::Group(OTHER))),
        ] {
            with(entries, group, mask).unwrap();
            assert_eq!(others(&service(), &made), expected, "{entries:?}");
            assert_eq!(others(&root(), &made), None);
        }
    }

    #[test]
    fn in_a_folder_for_all_the_owner_of_a_file_counts() {
        let Some(made) = file(0o600, OTHER, OTHER) else {
            return;
        };
        let folder = made.path.parent().unwrap();
        let mode = |mode| fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
        let planted = || root().replaced(folder, &fs::metadata(&made.path).unwrap());
        let of_folder = || of_folder(folder, &fs::metadata(folder).unwrap());
        for (bits, planted_by, folder_is_open) in [
            (0o1777, Some(Exposure::Owner(OTHER)), false),
            (0o777, Some(Exposure::Everybody(0o40_777)), true),
            (0o755, None, false),
        ] {
            mode(bits);
            assert_eq!(planted(), planted_by, "{bits:o}");
            assert_eq!(of_folder().is_some(), folder_is_open, "{bits:o}");
        }
        mode(0o1777);
        chown(&made.path, Some(0), Some(0)).unwrap();
        assert_eq!(planted(), None);
    }
}
