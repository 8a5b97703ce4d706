//! The engine, pinned at each call or by a guard; and, for `compare-with`, the one of another
//! commit beside it.

use std::borrow::Borrow;

use rekindle::SessionId;

use super::peer::{Kind, LIFETIME, Peer};
use crate::workload::number;

/// An engine; each call pins by itself.
pub(crate) trait Engine: Peer + Sync + 'static {
    fn new(capacity: usize) -> Self;

    /// Pins for a batch of calls: for reading only, as a writer that stays pinned holds its own
    /// memory back.
    fn pin(&self) -> impl Peer;
}

/// Makes an [`Engine`] of a version of the crate; `$own` gives its own kind of an id.
macro_rules! engine {
    ($name:ident, $version:ident, $own:ident) => {
        pub(crate) struct $name($version::Cache<u64>);

        impl Engine for $name {
            fn new(capacity: usize) -> Self {
                Self($version::Cache::new(capacity).expect("a valid capacity"))
            }

            fn pin(&self) -> impl Peer {
                self.0.pin()
            }
        }

        impl Peer for $name {
            fn kind(&self) -> Kind {
                Kind::Cache
            }

            #[inline]
            fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
                let copied = self.0.get_buffer($own(id).borrow(), buffer);
                copied.map(|copied| copied.stored)
            }

            #[inline]
            fn get(&self, id: &SessionId) -> Option<u64> {
                self.0.get($own(id).borrow())
            }

            #[inline]
            fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
                let ends = self.0.now().saturating_add(LIFETIME);
                match (self.0).insert($own(id).borrow(), number(value), value, ends) {
                    Ok(_) => true,
                    // Happens where threads outnumber processors: counted by the loads.
                    Err($version::Refused::ReclamationHeldBack) => false,
                    Err(refused) => panic!("{refused}"),
                }
            }

            #[inline]
            fn remove(&self, id: &SessionId) -> bool {
                self.0.remove($own(id).borrow())
            }

            #[inline]
            fn take(&self, id: &SessionId) -> Option<u64> {
                self.0.take($own(id).borrow())
            }
        }

        impl Peer for $version::Guard<'_, u64> {
            fn kind(&self) -> Kind {
                Kind::Cache
            }

            #[inline]
            fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
                let copied = $version::Guard::get_buffer(self, $own(id).borrow(), buffer);
                copied.map(|copied| copied.stored)
            }

            #[inline]
            fn get(&self, id: &SessionId) -> Option<u64> {
                $version::Guard::get(self, $own(id).borrow()).copied()
            }
        }
    };
}

engine!(Rekindle, rekindle, own);

#[cfg(rekindle_before)]
engine!(Before, rekindle_before, of_before);

#[cfg(not(rekindle_before))]
#[inline]
fn own(id: &SessionId) -> &SessionId {
    id
}

/// The two versions do not share the type of ids. Both get a copy, so that it costs both the same.
#[cfg(rekindle_before)]
#[inline]
fn own(id: &SessionId) -> SessionId {
    SessionId::new(id.as_bytes()).expect("an id")
}

#[cfg(rekindle_before)]
#[inline]
fn of_before(id: &SessionId) -> rekindle_before::SessionId {
    rekindle_before::SessionId::new(id.as_bytes()).expect("an id")
}
