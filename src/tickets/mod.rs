//! Ticket keys: an immutable ring of them, swapped atomically.
//!
//! Knows nothing of the cache and of no TLS library: it says which key seals and which may open.
//!
//! ```
//! use rekindle::tickets::{TicketKeys, TicketRing};
//!
//! # fn main() -> Result<(), rekindle::tickets::TicketKeyError> {
//! let ring = TicketRing::random()?; // no keys from anyone yet: one of our own
//! let record = [7; 48]; // name[16] | hmac_secret[16] | aes_key[16], from a file or a peer
//! ring.update(&record)?;
//! assert_eq!(ring.load().sealing().name(), &[7; 16]);
//! assert!(ring.update(&[0; 48]).is_err()); // an all-zero key changes nothing
//! assert_eq!(ring.load().sealing().name(), &[7; 16]);
//! # Ok(())
//! # }
//! ```

mod error;
mod file;
mod keys;
mod swap;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use error::{TicketFileError, TicketKeyError};
pub use file::{Reload, TicketKeyFile};
pub use keys::{Fingerprint, TicketKey, TicketKeys};

use swap::ArcSwap;

/// The ring of ticket keys in use.
///
/// A handshake loads it once, wait-free, and works on that snapshot; an update replaces the whole
/// ring in one atomic step. There is always a key that seals.
pub struct TicketRing {
    keys: ArcSwap<TicketKeys>,
}

/// The ring as it was when it was loaded.
pub struct Snapshot {
    keys: swap::Guard<Arc<TicketKeys>>,
}

/// What an update has put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Number of keys in the ring now.
    pub keys: usize,
    /// Fingerprint of the key that seals now.
    pub sealing: Fingerprint,
    /// Bytes behind the last whole record, which were ignored: a text editor's newline, or a file
    /// that is not what it should be. Worth a warning unless zero.
    pub trailing: usize,
}

impl TicketRing {
    /// A ring of these keys.
    #[must_use]
    pub fn new(keys: TicketKeys) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys),
        }
    }

    /// A ring with one key of random bytes, which nobody else has.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketKeyError> {
        TicketKeys::random().map(Self::new)
    }

    /// Replaces the ring by keys from `records`, as [`TicketKeys::parse`] reads them.
    ///
    /// # Errors
    ///
    /// What `parse` finds wrong with the records. The ring in use stays.
    pub fn update(&self, records: &[u8]) -> Result<Update, TicketKeyError> {
        Ok(self.replace(TicketKeys::parse(records)?))
    }

    /// Replaces the ring by these keys.
    pub fn replace(&self, keys: TicketKeys) -> Update {
        let update = Update {
            keys: keys.len(),
            sealing: keys.sealing().fingerprint(),
            trailing: keys.trailing(),
        };
        self.keys.store(Arc::new(keys));
        update
    }

    /// The ring in use. Wait-free.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Snapshot {
        Snapshot {
            keys: self.keys.load(),
        }
    }
}

impl Deref for Snapshot {
    type Target = TicketKeys;

    fn deref(&self) -> &TicketKeys {
        &self.keys
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for TicketRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketRing").field(&*self.load()).finish()
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TicketKeys::fmt(self, f)
    }
}
