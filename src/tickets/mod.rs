//! Ticket keys: a ring of them in time, swapped atomically.
//!
//! Independent of the cache and of TLS libraries: this module decides which key seals, which keys
//! may open, and when.
//!
//! - [`TicketRing`] is what handshakes use. By default it makes a new key each period. Keys that a
//!   provider gives to [`replace`](TicketRing::replace) or [`update`](TicketRing::update), or keys
//!   derived from a [`TicketSecret`], take their place. When the provider has no key that may seal,
//!   the ring falls back to keys of its own.
//! - [`TicketKeys`] is a set of keys as a provider gives it; [`KeyRing`] is the ring at some time.
//!   The crate `rekindle-key-files` reads sets of keys from other servers' files.
//!
//! ```
//! use rekindle::tickets::TicketRing;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = TicketRing::random()?; // keys of the ring's own
//! let mut record = [0; 48]; // name[16] | hmac_secret[16] | aes_key[16]
//! getrandom::fill(&mut record)?;
//! ring.update(&record)?;
//! assert_eq!(ring.load().sealing(ring.now()).unwrap().key().name(), &record[..16]);
//! assert!(ring.update(&[7; 48]).is_err()); // one repeated byte is refused, and changes nothing
//! assert_eq!(ring.load().sealing(ring.now()).unwrap().key().name(), &record[..16]);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "rustls")]
mod aead;
mod clock_reading;
mod error;
mod inherited;
mod key;
mod key_ring;
mod key_set;
mod not_random;
mod own_keys;
mod policy;
mod records;
mod ring_builder;
mod rotation;
mod schedule;
mod secret;
mod status;
mod ticket_ring;
mod update;

#[cfg(feature = "rustls")]
pub use aead::{AeadKey, Gcm, Message};
pub use error::{KeyFault, KeyLocation, NoRandomness, TicketKeyError};
pub use inherited::InheritedRing;
pub use key::{Fingerprint, TicketCipher, TicketKey};
pub use key_ring::{KeyLookup, KeyRing, KeySource, RingKey};
pub use key_set::{KeyEntry, TicketKeys};
pub use not_random::{Resemblance, is_unlikely_base64};
pub use policy::{PolicyError, TicketPolicy};
pub use records::RecordLayout;
pub use ring_builder::{TicketRingBuilder, TicketRingError};
pub use schedule::{KeyPosition, KeyRole, Schedule, TimePoint, Validity};
pub use secret::{SecretError, TicketSecret};
pub use status::{KeyStatus, RingStatus};
pub use ticket_ring::{RingGuard, TicketRing};
pub use update::Update;
