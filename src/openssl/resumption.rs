//! What an embedder holds: installs the cache and the ticket ring on contexts.

use std::fmt;
use std::sync::Arc;

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslRef, SslSessionCacheMode};
use openssl_sys as sys;

use super::conflicts::{Conflicts, Found};
use super::early_data::EarlyDataStatus;
use super::errors::InstallError;
use super::handshake_state::HandshakeState;
use super::session::SessionCache;
use super::shared::{Shared, context_index};
use super::{callbacks, context_scope, early_data, ffi, trampolines};
use crate::hooks::SessionHooks;
use crate::resume::{EarlyDataStats, ResumedBy, Scope, SessionStats, TicketStats};
use crate::tickets::{TicketKeyError, TicketRing};

/// A session cache and a ring of ticket keys, to be installed on any number of contexts, which
/// share them. Cloning is cheap.
#[derive(Clone)]
pub struct Resumption {
    pub(super) shared: Arc<Shared>,
}

/// What sessions of a context belong to, and whether OpenSSL is to be told.
struct ContextScope {
    scope: Scope,
    becomes_id_context: bool,
    /// OpenSSL does not tell what the context has.
    is_quic: bool,
}

impl ContextScope {
    /// For a context whose program has set that session id context, as OpenSSL tells.
    fn new(scope: Scope, own: Option<&[u8]>) -> Self {
        Self {
            scope,
            becomes_id_context: own.is_some_and(<[u8]>::is_empty),
            is_quic: own.is_none(),
        }
    }
}

impl Resumption {
    /// Installs everything on a context: the callbacks for new sessions, lookups, removals, tickets
    /// and their keys, and for sessions that are not to be resumed
    /// (`SSL_CTX_set_not_resumable_session_callback`); external session cache only; session
    /// timeout; tickets on or off.
    ///
    /// Returns the [`Scope`] of its sessions, which [`revoke`](Self::revoke) takes. It is made of
    /// the context itself: the server's certificates, whether clients are asked for theirs, and
    /// then whom those are verified with and the revocation lists; so call this when all of that is
    /// set. It becomes the session id context, unless the program has set one
    /// ([`set_session_id_context`](SslContextBuilder::set_session_id_context)): OpenSSL resumes no
    /// session under another one. Machines that are to resume each other's sessions, and contexts
    /// whose sessions are to outlive the renewal of a certificate, want a scope of their own:
    /// [`install_scoped`](Self::install_scoped). (Over QUIC, OpenSSL does not tell whether the
    /// program has set a session id context, and it stays as it is.)
    ///
    /// A session that was made under one server name is not resumed under another, on any
    /// context: see [`names_as_one`](super::ResumptionBuilder::names_as_one).
    ///
    /// On the same context, do not
    ///
    /// - set session or ticket callbacks, nor ticket application data on its sessions
    ///   (`SSL_SESSION_set1_ticket_appdata`): they are taken;
    /// - turn early data on (`SSL_CTX_set_max_early_data`) but by the builder: OpenSSL's replay
    ///   guard asks its internal cache, which is off, so every TLS 1.3 resumption would become a
    ///   full handshake.
    ///
    /// Ticket keys and ticket callbacks that the program has set before are replaced: OpenSSL does
    /// not tell whether there are any.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install(&self, context: &mut SslContextBuilder) -> Result<Scope, InstallError> {
        let scope = self.scope_for(context)?;
        self.install_on_untouched(context, scope)
    }

    /// As [`install`](Self::install), with a scope that the program has made. It becomes the
    /// session id context, unless the program has set one.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install_scoped(
        &self,
        context: &mut SslContextBuilder,
        scope: &Scope,
    ) -> Result<(), InstallError> {
        // SAFETY: `context` is valid, and no other thread uses it while it is being built.
        let own = unsafe { context_scope::id_context_of(context.as_ptr()) };
        let scope = ContextScope::new(*scope, own.as_deref());
        self.install_on_untouched(context, scope).map(|_| ())
    }

    fn install_on_untouched(
        &self,
        context: &mut SslContextBuilder,
        scope: ContextScope,
    ) -> Result<Scope, InstallError> {
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
            Found { .. } => self.install_all(context, scope),
        }
    }

    /// As [`install`](Self::install), on a context that the program has set session callbacks on,
    /// which are replaced, or that has sessions in OpenSSL's internal cache, which are removed
    /// (OpenSSL tells the program's callback so).
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install_replacing(
        &self,
        context: &mut SslContextBuilder,
    ) -> Result<Scope, InstallError> {
        let scope = self.scope_for(context)?;
        self.install_all(context, scope)
    }

    /// What sessions of a context belong to, by what is on it.
    fn scope_for(&self, context: &mut SslContextBuilder) -> Result<ContextScope, InstallError> {
        let ctx = context.as_ptr();
        // SAFETY: `ctx` is valid, and no other thread uses it while it is being built.
        let (own, made) = unsafe {
            let own = context_scope::id_context_of(ctx);
            (own, context_scope::scope_of(ctx))
        };
        let scope = match (made, own.as_deref()) {
            (made, Some(own @ [_, ..])) => {
                (made.unwrap_or_default()).label("session id context", own)
            }
            (Some(made), _) => made,
            (None, _) => return Err(InstallError::NoScope),
        };
        Ok(ContextScope::new(scope.build(), own.as_deref()))
    }

    fn install_all(
        &self,
        context: &mut SslContextBuilder,
        scope: ContextScope,
    ) -> Result<Scope, InstallError> {
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
            if !context_scope::keep(ctx, scope.scope) {
                return Err(ErrorStack::get().into());
            }
            let raw = Arc::clone(&self.shared).into_raw();
            if sys::SSL_CTX_set_ex_data(ctx, index, raw) != 1 {
                drop(Shared::from_raw(raw));
                context_scope::forget(ctx);
                return Err(ErrorStack::get().into());
            }
            if scope.becomes_id_context {
                context_scope::set_id_context(ctx, scope.scope.as_bytes());
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
            // QUIC has rules of its own (RFC 9001, section 4.6.1), and OpenSSL's server none.
            let gate = self.shared.sealer.early_data.as_ref();
            if let Some(gate) = gate.filter(|_| !scope.is_quic) {
                sys::SSL_CTX_set_max_early_data(ctx, gate.bytes);
                ffi::SSL_CTX_set_recv_max_early_data(ctx, gate.bytes);
                sys::SSL_CTX_set_options(ctx, ffi::SSL_OP_NO_ANTI_REPLAY);
                ffi::SSL_CTX_set_allow_early_data_cb(
                    ctx,
                    Some(callbacks::allow_early_data),
                    ctx.cast(),
                );
            }
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
        Ok(scope.scope)
    }

    /// Revokes the sessions of a scope: from when this returns on, no handshake resumes a session
    /// that goes back to a full handshake of before, in the cache or in a ticket. Handshakes that
    /// have found theirs by then go on, but what they are given ends with it. It takes the same
    /// time however many sessions there are, and reading it keeps no handshake waiting.
    ///
    /// For sessions of other machines, and of this one before its start, the time of day decides.
    /// Other machines have to revoke theirs themselves, and so has this process after a restart.
    /// Of contexts that a servername callback swaps in, the scope counts if this is installed on
    /// them.
    pub fn revoke(&self, scope: &Scope) {
        let revocations = &self.shared.sealer.bindings.revocations;
        let watchers = &self.shared.watchers;
        watchers.revoke(revocations, self.ticket_ring(), Some(scope));
    }

    /// Revokes the sessions of all scopes, as [`revoke`](Self::revoke) does those of one.
    pub fn revoke_all(&self) {
        let revocations = &self.shared.sealer.bindings.revocations;
        let watchers = &self.shared.watchers;
        watchers.revoke(revocations, self.ticket_ring(), None);
    }

    /// What became of early data so far; all zero where it is off.
    #[must_use]
    pub fn early_data_stats(&self) -> EarlyDataStats {
        let gate = self.shared.sealer.early_data.as_ref();
        gate.map_or_else(EarlyDataStats::default, |gate| gate.counters.sum())
    }

    /// What OpenSSL says of a connection's early data.
    #[must_use]
    pub fn early_data_status(ssl: &SslRef) -> EarlyDataStatus {
        // SAFETY: a valid connection.
        unsafe { early_data::status(ssl.as_ptr()) }
    }

    /// Why sessions of the cache were not resumed so far although they were found.
    #[must_use]
    pub fn session_stats(&self) -> SessionStats {
        self.shared.refusals.sum()
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
