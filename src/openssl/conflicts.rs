//! What a program has set on a context beside what is installed on it: before, and afterwards.

use std::ptr;

use openssl_sys::{self as sys, SSL, SSL_CTX};

use super::connection::id_context;
use super::ffi;
use crate::counters::counters;
use crate::sync::{AtomicU64, Ordering};

/// Handshakes that found what is installed on their context undone or useless, by what had done it.
/// The first of each kind is a warning, with the feature `tracing`.
///
/// Each number counts where OpenSSL lets one see it: full handshakes, or tickets where that is
/// said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflicts {
    /// The program has set session callbacks of its own (`SSL_CTX_sess_set_new_cb`, `_get_cb`,
    /// `_remove_cb`): the cache neither gets sessions nor finds them.
    pub session_callbacks: u64,
    /// The program has turned OpenSSL's internal cache on (`SSL_CTX_set_session_cache_mode`): it
    /// keeps sessions a second time, behind a lock.
    pub internal_cache: u64,
    /// Of tickets that were opened: by another ticket key callback
    /// (`SSL_CTX_set_tlsext_ticket_key_evp_cb` and the like). They did not resume.
    pub ticket_key_callback: u64,
    /// Of tickets that were sealed: the program has set a session ticket callback of its own
    /// (`SSL_CTX_set_session_ticket_cb`), so that lifetimes and lineages are not limited.
    pub session_ticket_callback: u64,
    /// Of tickets that were issued: the program has set a callback of its own in place of
    /// `SSL_CTX_set_not_resumable_session_callback`, so that a lineage begins with each ticket.
    pub not_resumable_callback: u64,
    /// The server asks for client certificates (`SSL_VERIFY_PEER`) and has no session id context
    /// (`SSL_CTX_set_session_id_context`). OpenSSL would end the next connection of a client that
    /// shows its ticket: so it gets none. (It need not end it where a servername callback asks for
    /// the certificate: OpenSSL does not tell. Set an id context on the first context as well.)
    pub no_session_id_context: u64,
}

counters!(Conflict of Conflicts {
    SessionCallbacks: session_callbacks,
    InternalCache: internal_cache,
    TicketKeyCallback: ticket_key_callback,
    SessionTicketCallback: session_ticket_callback,
    NotResumableCallback: not_resumable_callback,
    NoSessionIdContext: no_session_id_context,
});

#[derive(Default)]
pub(super) struct ConflictCounters([AtomicU64; Conflict::NUMBER]);

impl ConflictCounters {
    /// Relaxed: the counters order nothing.
    pub(super) fn count(&self, conflict: Conflict) {
        let before = self.0[usize::from(conflict)].fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            warn(conflict);
        }
    }

    pub(super) fn sum(&self) -> Conflicts {
        Conflict::sums(|conflict| self.0[conflict].load(Ordering::Relaxed))
    }
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
fn warn(conflict: Conflict) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        "{}",
        match conflict {
            Conflict::SessionCallbacks =>
                "the program has replaced the session callbacks of a context",
            Conflict::InternalCache => "the program has turned OpenSSL's internal cache on again",
            Conflict::TicketKeyCallback =>
                "the program has replaced the ticket key callback of a context",
            Conflict::SessionTicketCallback =>
                "the program has replaced the session ticket callback of a context",
            Conflict::NotResumableCallback =>
                "the program has replaced the callback of full handshakes of a context",
            Conflict::NoSessionIdContext =>
                "a server that asks for client certificates needs a session id context: \
                 no ticket is issued",
        }
    );
}

/// What the program has set on a context, as far as OpenSSL tells. It tells neither ticket keys nor
/// ticket callbacks.
pub(super) struct Found {
    /// What the first session callback that there is, is for.
    pub(super) session_callback: Option<&'static str>,
    /// Sessions in OpenSSL's internal cache.
    pub(super) cached: u64,
}

impl Found {
    /// # Safety
    ///
    /// `ctx` is a live context.
    pub(super) unsafe fn on(ctx: *mut SSL_CTX) -> Self {
        // SAFETY: by contract.
        let (callbacks, cached) = unsafe {
            let cached = sys::SSL_CTX_ctrl(ctx, ffi::SSL_CTRL_SESS_NUMBER, 0, ptr::null_mut());
            (session_callbacks(ctx), cached)
        };
        let names = ["new sessions", "lookups", "removals"];
        let mut named = callbacks.into_iter().zip(names);
        Self {
            session_callback: named.find_map(|(callback, name)| callback.map(|_| name)),
            cached: cached.try_into().unwrap_or(0),
        }
    }
}

/// The addresses of the callbacks for new sessions, lookups and removals.
pub(super) type SessionCallbacks = [Option<usize>; 3];

/// # Safety
///
/// `ctx` is a live context.
unsafe fn session_callbacks(ctx: *mut SSL_CTX) -> SessionCallbacks {
    // SAFETY: by contract.
    unsafe {
        [
            ffi::SSL_CTX_sess_get_new_cb(ctx).map(|callback| callback as usize),
            ffi::SSL_CTX_sess_get_get_cb(ctx).map(|callback| callback as usize),
            ffi::SSL_CTX_sess_get_remove_cb(ctx).map(|callback| callback as usize),
        ]
    }
}

/// Counts what the program has changed on a context since the installation, which set these session
/// callbacks.
///
/// # Safety
///
/// `ctx` is a live context.
pub(super) unsafe fn count_changes(
    counters: &ConflictCounters,
    ctx: *mut SSL_CTX,
    ours: SessionCallbacks,
) {
    // SAFETY: by contract.
    let (callbacks, mode) = unsafe {
        let mode = ffi::SSL_CTRL_GET_SESS_CACHE_MODE;
        let mode = sys::SSL_CTX_ctrl(ctx, mode, 0, ptr::null_mut());
        (session_callbacks(ctx), mode)
    };
    if callbacks != ours {
        counters.count(Conflict::SessionCallbacks);
    }
    let external = sys::SSL_SESS_CACHE_NO_INTERNAL;
    if mode & sys::SSL_SESS_CACHE_SERVER != 0 && mode & external != external {
        counters.count(Conflict::InternalCache);
    }
}

/// Whether OpenSSL would end the next connection of a client that resumes this one.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn lacks_id_context(ssl: *mut SSL) -> bool {
    // SAFETY: by contract.
    unsafe {
        let session = sys::SSL_get_session(ssl);
        sys::SSL_get_verify_mode(ssl) & sys::SSL_VERIFY_PEER != 0
            && !session.is_null()
            && id_context(session).is_empty()
    }
}
