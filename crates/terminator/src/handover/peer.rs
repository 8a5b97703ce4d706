//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::process::geteuid;

use super::error::HandoverError;

/// As the kernel has it (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) user: u32,
    /// None in another namespace of processes.
    pub(super) pid: Option<u32>,
}

impl Peer {
    pub(super) fn of(stream: &impl AsFd) -> io::Result<Self> {
        let peer = credentials(stream)?;
        let pid = u32::try_from(peer.pid).ok().filter(|pid| *pid != 0);
        Ok(Self {
            user: peer.uid,
            pid,
        })
    }

    /// It must be a process of this user: what goes over are secrets.
    pub(super) fn check(self) -> Result<Self, HandoverError> {
        let (ours, theirs) = (geteuid().as_raw(), self.user);
        match ours == theirs {
            true => Ok(self),
            false => Err(HandoverError::User { ours, theirs }),
        }
    }
}

/// rustix has a type for this whose process is never zero.
#[allow(unsafe_code)]
fn credentials(stream: &impl AsFd) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `len` bytes, to `peer`.
    let got = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut len,
        )
    };
    match got {
        0 => Ok(peer),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn this_process_is_its_own_peer() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&stream).unwrap();
        assert_eq!(peer.pid, Some(std::process::id()));
        peer.check().unwrap();
        let other = Peer {
            user: peer.user + 1,
            ..peer
        };
        assert!(matches!(other.check(), Err(HandoverError::User { .. })));
        assert!(Peer::of(&std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
