//! What an embedder holds: installs the cache and the ticket ring on contexts.

use std::fmt;
use std::sync::Arc;

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslRef, SslSessionCacheMode};
use openssl_sys as sys;

use super::conflicts::{Conflicts, Found};
use super::errors::InstallError;
use super::handshake_state::HandshakeState;
use super::session::SessionCache;
use super::shared::{Shared, context_index};
use super::{callbacks, ffi, trampolines};
use crate::hooks::SessionHooks;
use crate::resume::{ResumedBy, TicketStats};
use crate::tickets::{TicketKeyError, TicketRing};

/// A session cache and a ring of ticket keys, to be installed on any number of contexts, which
/// share them. Cloning is cheap.
#[derive(Clone)]
pub struct Resumption {
    pub(super) shared: Arc<Shared>,
}

impl Resumption {
    /// Installs everything on a context: the callbacks for new sessions, lookups, removals, tickets
    /// and their keys, and for sessions that are not to be resumed
    /// (`SSL_CTX_set_not_resumable_session_callback`); external session cache only; session
    /// timeout; tickets on or off.
    ///
    /// The session id context stays the caller's
    /// ([`set_session_id_context`](SslContextBuilder::set_session_id_context)): OpenSSL resumes no
    /// session under another one, and without one no session at all where clients must show
    /// certificates. On the same context, do not
    ///
    /// - set session or ticket callbacks, nor ticket application data on its sessions
    ///   (`SSL_SESSION_set1_ticket_appdata`): they are taken;
    /// - turn early data on (`SSL_CTX_set_max_early_data`): OpenSSL's replay guard asks its
    ///   internal cache, which is off, so every TLS 1.3 resumption would become a full handshake.
    ///
    /// Ticket keys and ticket callbacks that the program has set before are replaced: OpenSSL does
    /// not tell whether there are any.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install(&self, context: &mut SslContextBuilder) -> Result<(), InstallError> {
        let ctx = context.as_ptr();
        // SAFETY: `ctx` is valid, and no other thread uses it while it is being built.
        let (found, installed) = unsafe { (Found::on(ctx), Shared::of_context(ctx).is_some()) };
        match found {
            // Its callbacks are Rekindle's.
            _ if installed => Err(InstallError::AlreadyInstalled),
            Found {
                session_callback: Some(what),
                ..
            } => Err(InstallError::SessionCallback(what)),
            Found { cached: 1.., .. } => Err(InstallError::InternalCache(found.cached)),
            Found { .. } => self.install_replacing(context),
        }
    }

    /// As [`install`](Self::install), on a context that the program has set session callbacks on,
    /// which are replaced, or that has sessions in OpenSSL's internal cache, which are removed
    /// (OpenSSL tells the program's callback so).
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install_replacing(&self, context: &mut SslContextBuilder) -> Result<(), InstallError> {
        let ctx = context.as_ptr();
        let index = context_index().ok_or_else(ErrorStack::get)?;
        // SAFETY: `ctx` is valid, and no other thread uses it while it is being built. The
        // reference that ex_data holds is dropped with the context (`shared::drop_shared`).
        unsafe {
            if Shared::of_context(ctx).is_some() {
                return Err(InstallError::AlreadyInstalled);
            }
            let slot = self.shared.slot();
            let own = trampolines::of_slot(slot.ok_or(InstallError::TooManyResumptions)?);
            let raw = Arc::clone(&self.shared).into_raw();
            if sys::SSL_CTX_set_ex_data(ctx, index, raw) != 1 {
                drop(Shared::from_raw(raw));
                return Err(ErrorStack::get().into());
            }
            // All of them.
            ffi::SSL_CTX_flush_sessions(ctx, 0);
            sys::SSL_CTX_sess_set_new_cb(ctx, Some(own.new_session));
            sys::SSL_CTX_sess_set_get_cb(ctx, Some(own.get_session));
            sys::SSL_CTX_sess_set_remove_cb(ctx, Some(callbacks::remove_session));
            ffi::SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, Some(own.ticket_key));
            ffi::SSL_CTX_set_not_resumable_session_callback(ctx, Some(own.not_resumable));
            ffi::SSL_CTX_set_session_ticket_cb(
                ctx,
                Some(callbacks::on_issue),
                Some(callbacks::on_decrypted),
                ctx.cast(),
            );
            if let Some(seconds) = self.shared.session_timeout {
                ffi::SSL_CTX_set_timeout(ctx, seconds);
            }
        }
        context
            .set_session_cache_mode(SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL);
        match self.shared.stateless_tickets {
            Some(true) => {
                context.clear_options(SslOptions::NO_TICKET);
            }
            Some(false) => {
                context.set_options(SslOptions::NO_TICKET);
            }
            None => {}
        }
        Ok(())
    }

    /// The cache of sessions.
    #[must_use]
    pub fn cache(&self) -> &Arc<SessionCache> {
        &self.shared.cache
    }

    /// The ring of ticket keys.
    #[must_use]
    pub fn ticket_ring(&self) -> &Arc<TicketRing> {
        &self.shared.sealer.ring
    }

    /// The hooks that handshakes run, on every context that this is installed on.
    #[must_use]
    pub fn hooks(&self) -> &SessionHooks {
        &self.shared.hooks
    }

    /// Ends the caching of sessions on every context that this is installed on, for good:
    /// handshakes neither store nor find sessions from now on and run no hooks, and the cache is
    /// emptied. Tickets that carry their session go on as before.
    ///
    /// For a shutdown that does not wait for connections. A handshake that is at work in this
    /// moment may still run hooks. Memory that a reader thread may still use is overwritten by a
    /// later call of this, or of [`Cache::maintain`](crate::Cache::maintain).
    pub fn close(&self) {
        self.shared.close();
    }

    /// Maintains the cache and the ticket ring: to be called once a second, by a thread that may
    /// work for a moment. [`spawn_maintenance`](Self::spawn_maintenance) starts one. See
    /// [`Cache::maintain`](crate::Cache::maintain) and [`TicketRing::maintain`].
    ///
    /// # Errors
    ///
    /// As [`TicketRing::maintain`].
    pub fn maintain(&self) -> Result<(), TicketKeyError> {
        self.shared.maintain()
    }

    /// What became of tickets so far.
    #[must_use]
    pub fn ticket_stats(&self) -> TicketStats {
        self.shared.sealer.counters.sum()
    }

    /// What programs have set on contexts that this is installed on, as handshakes have found it.
    #[must_use]
    pub fn conflicts(&self) -> Conflicts {
        self.shared.sealer.conflicts.sum()
    }

    /// How a connection's session was resumed; `None` after a full handshake, before the end of
    /// any, and on contexts that nothing is installed on.
    #[must_use]
    pub fn resumed_by(ssl: &SslRef) -> Option<ResumedBy> {
        if !ssl.session_reused() {
            return None;
        }
        // SAFETY: a valid connection.
        unsafe { HandshakeState::read(ssl.as_ptr()) }.found
    }

    /// Keeps the session of a connection that is about to be freed although its peer never sent
    /// `close_notify`. OpenSSL would remove it from the cache, as TLS 1.0 demanded; since TLS 1.1
    /// sessions survive that (RFC 5246, section 7.2.1), and many clients just hang up.
    ///
    /// Call it when nothing will be read or written any more, or let
    /// [`KeepSession`](super::KeepSession) call it. A session whose connection failed (a fatal
    /// alert) has been removed by then, and stays so.
    pub fn keep_session(ssl: &SslRef) {
        // SAFETY: a valid connection.
        unsafe {
            sys::SSL_set_shutdown(
                ssl.as_ptr(),
                sys::SSL_SENT_SHUTDOWN | sys::SSL_RECEIVED_SHUTDOWN,
            );
        }
    }
}

/// Shows no keys.
impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption")
            .field("cache", &self.shared.cache)
            .field("ticket_ring", &self.shared.sealer.ring)
            .field("hooks", &self.shared.hooks)
            .field("stateless_tickets", &self.shared.stateless_tickets)
            .field("session_timeout", &self.shared.session_timeout)
            .finish_non_exhaustive()
    }
}
