//! Listening sockets that one process gives to another.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// What a socket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `--listen`, as the configuration has it; `None` for a socket of systemd.
    Listen(Option<String>),
    /// `--admin`, likewise.
    Admin(Option<String>),
}

impl Purpose {
    /// As a message has it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, address) = match self {
            Self::Listen(address) => (b'L', address),
            Self::Admin(address) => (b'A', address),
        };
        let address = address.as_deref().unwrap_or_default();
        [&[kind], address.as_bytes()].concat()
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, address) = bytes.split_first()?;
        let address = std::str::from_utf8(address).ok()?;
        let address = (!address.is_empty()).then(|| address.to_owned());
        match kind {
            b'L' => Some(Self::Listen(address)),
            b'A' => Some(Self::Admin(address)),
            _ => None,
        }
    }
}

/// A listening socket that another process has opened.
#[derive(Debug)]
pub(crate) struct GivenSocket {
    pub(crate) purpose: Purpose,
    pub(crate) socket: OwnedFd,
}

/// The listening sockets of this process, beside those that accept: to be given to a successor.
/// Nothing listens any longer when both are closed.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Mutex<Vec<(Purpose, OwnedFd)>>);

impl Sockets {
    /// # Errors
    ///
    /// When there is no descriptor left.
    pub(crate) fn add(&self, purpose: Purpose, socket: &impl AsFd) -> std::io::Result<()> {
        let socket = socket.as_fd().try_clone_to_owned()?;
        self.lock().push((purpose, socket));
        Ok(())
    }

    /// Calls `give` with each.
    pub(super) fn each<E>(
        &self,
        mut give: impl FnMut(&Purpose, BorrowedFd<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sockets = self.lock();
        sockets
            .iter()
            .try_for_each(|(purpose, socket)| give(purpose, socket.as_fd()))
    }

    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Purpose, OwnedFd)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
