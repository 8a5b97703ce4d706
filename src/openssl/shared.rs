//! What is installed on contexts, and where OpenSSL's objects hold it.

use std::ffi::{c_int, c_long, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, LazyLock, OnceLock};

use openssl_sys::{CRYPTO_EX_DATA, SSL_CTX, SSL_CTX_get_ex_data, SSL_CTX_get_ex_new_index};

use super::sealer::Sealer;
use super::session::SessionCache;
use super::slots::Slot;
use super::{context_scope, handshake_state, single_use};
use crate::hooks::SessionHooks;
use crate::resume::{Maintainer, SessionCounters, Watchers};
use crate::sync::{AtomicBool, Ordering, fence};
use crate::tickets::TicketKeyError;

/// What the callbacks work on.
pub(super) struct Shared {
    pub(super) cache: Arc<SessionCache>,
    pub(super) sealer: Sealer,
    pub(super) hooks: Arc<SessionHooks>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) refusals: SessionCounters,
    pub(super) single_use: bool,
    pub(super) stateless_tickets: Option<bool>,
    pub(super) keep_sessions: bool,
    pub(super) session_timeout: Option<c_long>,
    closed: AtomicBool,
    /// Taken by the first installation.
    slot: OnceLock<Slot>,
    /// The thread that calls [`maintain`](Self::maintain), if one was asked for.
    pub(super) maintainer: Maintainer,
    /// rustls configurations that use the same cache and ring, once there are any.
    #[cfg(feature = "rustls")]
    pub(super) rustls: OnceLock<crate::rustls::Resumption<SessionCache>>,
}

impl Shared {
    pub(super) fn new(
        cache: Arc<SessionCache>,
        sealer: Sealer,
        stateless_tickets: Option<bool>,
        keep_sessions: bool,
        single_use: bool,
        session_timeout: Option<c_long>,
    ) -> Self {
        Self {
            cache,
            sealer,
            hooks: Arc::default(),
            watchers: Arc::default(),
            refusals: SessionCounters::default(),
            stateless_tickets,
            keep_sessions,
            single_use,
            session_timeout,
            closed: AtomicBool::new(false),
            slot: OnceLock::new(),
            maintainer: Maintainer::default(),
            #[cfg(feature = "rustls")]
            rustls: OnceLock::new(),
        }
    }

    /// The number of its slot, unless all slots are taken.
    pub(super) fn slot(self: &Arc<Self>) -> Option<usize> {
        if self.slot.get().is_none() {
            // Of two threads that do this at once, one gives its slot back.
            let _ = self.slot.set(Slot::take(Arc::as_ptr(self).cast())?);
        }
        self.slot.get().map(Slot::number)
    }

    /// What is installed on the context that a callback of that slot was called for.
    ///
    /// # Safety
    ///
    /// OpenSSL has called a callback of that slot for a connection that outlives `'a`.
    pub(super) unsafe fn of_slot<'a>(slot: usize) -> Option<&'a Self> {
        // SAFETY: the slot holds null or a `Shared`, which the connection keeps alive by way of the
        // context that it was made from.
        unsafe { Slot::owner(slot).cast::<Self>().as_ref() }
    }

    pub(super) fn maintain(&self) -> Result<(), TicketKeyError> {
        self.cache.maintain();
        if let Some(gate) = &self.sealer.early_data {
            gate.maintain();
        }
        self.sealer.ring.maintain()
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // SeqCst, paired with the fence in `was_closed_meanwhile`. This thread stores the flag,
        // fences, and reads the table; a handshake inserts, fences, and reads the flag. One fence
        // is first in the order of all SeqCst operations, and the thread of the other sees what was
        // written before it: either the handshake sees the flag, or this thread finds what the
        // handshake inserted. No loom model covers this, since it would have to run OpenSSL.
        fence(Ordering::SeqCst);
        self.cache.clear();
    }

    /// Relaxed: a handshake that comes a moment too late is served.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// After an insert: whether [`close`](Self::close) may have emptied the cache before it.
    pub(super) fn was_closed_meanwhile(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_closed()
    }

    /// One reference, as a pointer for ex_data.
    pub(super) fn into_raw(self: Arc<Self>) -> *mut c_void {
        Arc::into_raw(self).cast_mut().cast()
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw) and was not turned back before.
    pub(super) unsafe fn from_raw(raw: *mut c_void) -> Arc<Self> {
        // SAFETY: by contract.
        unsafe { Arc::from_raw(raw.cast_const().cast()) }
    }

    /// What is installed on a context.
    ///
    /// # Safety
    ///
    /// `ctx` is a live context, and outlives `'a`.
    pub(super) unsafe fn of_context<'a>(ctx: *const SSL_CTX) -> Option<&'a Self> {
        // SAFETY: by contract; the index holds null or a pointer that `into_raw` returned, which
        // the context keeps alive.
        unsafe { SSL_CTX_get_ex_data(ctx, *INDEX).cast::<Self>().as_ref() }
    }
}

/// Runs what must not unwind into C. The panic's message has been printed by then; `harmless` is
/// the result that ends in a full handshake at worst.
pub(super) fn guarded<R>(harmless: R, f: impl FnOnce() -> R) -> R {
    // A panic leaves no broken state behind: the cache's changes are single exchanges.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(harmless)
}

/// The index of an `SSL_CTX` that holds an `Arc<Shared>` as a raw pointer, until the context ends.
/// Negative: OpenSSL gave none.
static INDEX: LazyLock<c_int> = LazyLock::new(|| {
    // SAFETY: registers a callback with the signature that OpenSSL asks for.
    unsafe { SSL_CTX_get_ex_new_index(0, ptr::null_mut(), None, None, Some(drop_shared)) }
});

/// That index, or nothing if OpenSSL lacked memory for any of the indexes that callbacks use.
pub(super) fn context_index() -> Option<c_int> {
    let [state, began, early_data, found_at] = *handshake_state::INDEXES;
    let (scope, single_use) = (*context_scope::INDEX, *single_use::INDEX);
    if_all_were_given([
        *INDEX, state, began, early_data, found_at, scope, single_use,
    ])
}

/// The first of some indexes.
fn if_all_were_given<const N: usize>(indexes: [c_int; N]) -> Option<c_int> {
    indexes.iter().all(|index| *index >= 0).then(|| indexes[0])
}

/// `SSL_CTX_free`.
unsafe extern "C" fn drop_shared(
    _ctx: *mut c_void,
    value: *mut c_void,
    _ad: *mut CRYPTO_EX_DATA,
    _idx: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    if !value.is_null() {
        // SAFETY: the index holds null or what `Shared::into_raw` returned; the context is being
        // freed, so this is the last use of it.
        let shared = unsafe { Shared::from_raw(value) };
        guarded((), || drop(shared));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_single_index_that_openssl_did_not_give_is_noticed() {
        assert_eq!(if_all_were_given([3, 4, 5]), Some(3));
        for missing in 0..3 {
            let mut indexes = [3, 4, 5];
            indexes[missing] = -1;
            assert_eq!(if_all_were_given(indexes), None, "{missing}");
        }
        assert!(context_index().is_some());
    }
}
