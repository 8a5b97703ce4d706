//! Who else can read or change a file, or put files into a folder.
//!
//! The nine bits of a mode do not say it. A Kubernetes secret is readable by a group that only the
//! service is in, systemd gives credentials by an ACL, and what is on a read-only mount cannot be
//! written, though its mode says so.

use std::fmt;

/// Another user or group that may read or change what only the service should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposure {
    /// Every user of the machine. With the mode.
    Everybody(u32),
    /// The owner, who is neither root nor the user of this process. With the user's id.
    Owner(u32),
    /// A group that this process is not in. With its id.
    Group(u32),
    /// A user that an ACL names. With the user's id.
    AclUser(u32),
    /// A group that an ACL names and this process is not in. With its id.
    AclGroup(u32),
}

/// That others can, who, and the remedy.
impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("can be read or changed by others than the service: ")?;
        match self {
            Self::Everybody(mode) => {
                write!(
                    f,
                    "every user can (mode {:04o}): chmod o-rwx",
                    mode & 0o7777
                )
            }
            Self::Owner(user) => write!(f, "its owner, user {user}, can: chown root"),
            Self::Group(group) => {
                write!(
                    f,
                    "group {group} can, which this process is not in: chgrp, or chmod g-rwx"
                )
            }
            Self::AclUser(user) => write!(f, "its ACL lets user {user}: setfacl -x u:{user}"),
            Self::AclGroup(group) => write!(
                f,
                "its ACL lets group {group}, which this process is not in: setfacl -x g:{group}"
            ),
        }
    }
}
