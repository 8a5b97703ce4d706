//! What is installed on a context, and how it is configured.

use std::error::Error;
use std::ffi::{c_long, c_void};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslRef, SslSessionCacheMode};
use openssl_sys as sys;

use super::callbacks;
use super::ffi::{self, INDEXES};
use super::handshake_state as note;
use super::sealer::Tickets;
use super::session::SessionCache;
use super::session_times::Lifetimes;
use crate::hooks::SessionHooks;
use crate::resume::ticket_stats::TicketStats;
use crate::sync::{AtomicBool, Ordering, fence};
use crate::tickets::{TicketKeyError, TicketPolicy, TicketRing};
use crate::{Cache, ConfigError};

/// A session cache and a ring of ticket keys, to be installed on any number of contexts, which
/// share them. Cloning is cheap.
#[derive(Clone)]
pub struct Resumption {
    shared: Arc<Shared>,
}

/// What the callbacks work on.
pub(super) struct Shared {
    pub(super) cache: Arc<SessionCache>,
    pub(super) tickets: Tickets,
    pub(super) hooks: SessionHooks,
    closed: AtomicBool,
    stateless_tickets: Option<bool>,
    session_timeout: Option<c_long>,
}

/// TLS 1.3 allows no ticket to live longer, and ends chains of renewals there by default: seven days.
const SEVEN_DAYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Configures a [`Resumption`].
#[derive(Debug)]
#[must_use]
pub struct ResumptionBuilder {
    sessions: usize,
    cache: Option<Arc<SessionCache>>,
    ring: Option<Arc<TicketRing>>,
    stateless_tickets: Option<bool>,
    session_timeout: Option<Duration>,
    full_handshake_max_age: Duration,
}

impl Resumption {
    /// Starts from the defaults: room for 100,000 sessions, tickets under a random key, session
    /// timeout and kind of tickets as each context has them.
    pub fn builder() -> ResumptionBuilder {
        ResumptionBuilder {
            sessions: 100_000,
            cache: None,
            ring: None,
            stateless_tickets: None,
            session_timeout: None,
            full_handshake_max_age: SEVEN_DAYS,
        }
    }

    /// Installs everything on a context: the callbacks for new sessions, lookups, removals and
    /// ticket keys; external session cache only; session timeout; tickets on or off.
    ///
    /// The session id context stays the caller's
    /// ([`set_session_id_context`](SslContextBuilder::set_session_id_context)): OpenSSL resumes no
    /// session under another one, and without one no session at all where clients must show
    /// certificates. Do not set session or ticket callbacks of your own on the same context, nor ticket
    /// application data on its sessions (`SSL_SESSION_set1_ticket_appdata`), and leave early
    /// data off (`SSL_CTX_set_max_early_data`): OpenSSL's replay guard asks its internal cache, which
    /// is off, so every resumption of TLS 1.3 would become a full handshake.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; the context is as before.
    pub fn install(&self, context: &mut SslContextBuilder) -> Result<(), InstallError> {
        let ctx = context.as_ptr();
        if INDEXES.ctx < 0 || INDEXES.ssl < 0 || INDEXES.found < 0 {
            return Err(InstallError::OpenSsl(ErrorStack::get()));
        }
        // SAFETY: `ctx` is valid, and nobody else uses it while it is being built. The reference
        // that ex_data holds is dropped with the context (`ffi::drop_shared`).
        unsafe {
            if !sys::SSL_CTX_get_ex_data(ctx, INDEXES.ctx).is_null() {
                return Err(InstallError::AlreadyInstalled);
            }
            let raw = Arc::clone(&self.shared).into_raw();
            if sys::SSL_CTX_set_ex_data(ctx, INDEXES.ctx, raw) != 1 {
                drop(Shared::from_raw(raw));
                return Err(InstallError::OpenSsl(ErrorStack::get()));
            }
            sys::SSL_CTX_sess_set_new_cb(ctx, Some(callbacks::new_session));
            sys::SSL_CTX_sess_set_get_cb(ctx, Some(callbacks::get_session));
            sys::SSL_CTX_sess_set_remove_cb(ctx, Some(callbacks::remove_session));
            ffi::SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, Some(callbacks::ticket_key));
            ffi::SSL_CTX_set_session_ticket_cb(
                ctx,
                Some(callbacks::ticket_begins),
                Some(callbacks::ticket_tried),
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
        &self.shared.tickets.ring
    }

    /// The hooks that handshakes run, on every context that this is installed on.
    #[must_use]
    pub fn hooks(&self) -> &SessionHooks {
        &self.shared.hooks
    }

    /// Ends the caching of sessions on every context that this is installed on, for good: handshakes
    /// neither store nor find sessions from now on and run no hooks, and the cache is emptied. Tickets
    /// that carry their session go on as before.
    ///
    /// For a shutdown that does not wait for connections. A handshake at work in this moment may still
    /// run hooks. Memory that somebody may be looking at now is overwritten by a later call of this, or
    /// of [`Cache::maintain`].
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // SeqCst, as the one in `was_closed_meanwhile`: either a handshake that inserts sees that this
        // is closed, or what it has inserted is found here. A store, a fence, a look at the table meet
        // an insert, a fence, a look at the flag: one fence is first in the order of all SeqCst
        // operations, and whoever comes after it sees what came before it. x86: `mfence`; ARM: `dmb
        // ish`. No model runs this, since OpenSSL would come along.
        fence(Ordering::SeqCst);
        self.shared.cache.clear();
    }

    /// Looks after the cache and the ticket keys: for once a second. See
    /// [`Cache::maintain`] and [`TicketRing::maintain`].
    ///
    /// # Errors
    ///
    /// As [`TicketRing::maintain`].
    pub fn maintain(&self) -> Result<(), TicketKeyError> {
        self.cache().maintain();
        self.ticket_ring().maintain()
    }

    /// What has become of tickets so far.
    #[must_use]
    pub fn ticket_stats(&self) -> TicketStats {
        self.shared.tickets.stats()
    }

    /// How a connection's session was resumed; `None` after a full handshake, before the end of
    /// any, and on contexts that nothing is installed on.
    #[must_use]
    pub fn resumed_by(ssl: &SslRef) -> Option<ResumedBy> {
        if !ssl.session_reused() {
            return None;
        }
        // SAFETY: a valid connection.
        unsafe { note::read(ssl.as_ptr()) }.found
    }

    /// Keeps the session of a connection that is about to be freed although its peer never sent
    /// `close_notify`. OpenSSL would remove it from the cache, as TLS 1.0 demanded; since TLS 1.1
    /// sessions survive that (RFC 5246, section 7.2.1), and many clients just hang up.
    ///
    /// Call it when nothing will be read or written any more. A session whose connection failed for
    /// any better reason (a fatal alert) has been removed by then, and stays so.
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
            .field("ticket_ring", &self.shared.tickets.ring)
            .field("hooks", &self.shared.hooks)
            .field("stateless_tickets", &self.shared.stateless_tickets)
            .field("session_timeout", &self.shared.session_timeout)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Relaxed: whoever comes a moment too late is served.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// After an insert, whether [`Resumption::close`] may have emptied the cache before it.
    pub(super) fn was_closed_meanwhile(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_closed()
    }

    /// One reference, as a pointer for ex_data.
    fn into_raw(self: Arc<Self>) -> *mut c_void {
        Arc::into_raw(self).cast_mut().cast()
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw) and was not turned back before.
    pub(super) unsafe fn from_raw(raw: *mut c_void) -> Arc<Self> {
        // SAFETY: by contract.
        unsafe { Arc::from_raw(raw.cast_const().cast()) }
    }
}

/// How a session came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResumedBy {
    /// TLS 1.2, by the session id, from the cache.
    SessionId = 1,
    /// TLS 1.3, by a ticket that is an id in the cache.
    StatefulTicket = 2,
    /// By a ticket that carries the session, sealed with the key in use.
    Ticket = 3,
    /// By a ticket that carries the session, sealed with an older key; the client got a new one.
    RenewedTicket = 4,
}

impl ResumedBy {
    /// A stable name for metrics and logs, such as `session_id`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionId => "session_id",
            Self::StatefulTicket => "stateful_ticket",
            Self::Ticket => "ticket",
            Self::RenewedTicket => "renewed_ticket",
        }
    }

    pub(super) fn from_number(number: usize) -> Option<Self> {
        [
            Self::SessionId,
            Self::StatefulTicket,
            Self::Ticket,
            Self::RenewedTicket,
        ]
        .into_iter()
        .find(|how| *how as usize == number)
    }
}

impl ResumptionBuilder {
    /// Room for so many sessions. Ignored when a [`cache`](Self::cache) is given.
    pub fn sessions(mut self, capacity: usize) -> Self {
        self.sessions = capacity;
        self
    }

    /// Uses a cache that was configured elsewhere.
    pub fn cache(mut self, cache: Arc<SessionCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Uses these ticket keys instead of a random one.
    pub fn ticket_ring(mut self, ring: Arc<TicketRing>) -> Self {
        self.ring = Some(ring);
        self
    }

    /// Whether clients get tickets that carry their session, or sessions stay in the cache: by
    /// session id in TLS 1.2, by stateful tickets in TLS 1.3. Unless told, a context's own option
    /// decides (`SSL_OP_NO_TICKET`; OpenSSL's default are tickets that carry the session).
    pub fn stateless_tickets(mut self, on: bool) -> Self {
        self.stateless_tickets = Some(on);
        self
    }

    /// How long a session may be resumed, in whole seconds, at least one.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = Some(timeout);
        self
    }

    /// How long a client may go on resuming after its last full handshake, however often its ticket was
    /// renewed: OpenSSL's tickets of TLS 1.3 would go on for ever. In whole seconds, one second to seven
    /// days, by default seven days.
    pub fn full_handshake_max_age(mut self, limit: Duration) -> Self {
        self.full_handshake_max_age = limit;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says what cannot be had.
    pub fn build(self) -> Result<Resumption, BuildError> {
        let cache = match self.cache {
            Some(cache) => cache,
            None => Arc::new(Cache::new(self.sessions).map_err(BuildError::Cache)?),
        };
        let session_timeout = match self.session_timeout.map(|t| c_long::try_from(t.as_secs())) {
            None => None,
            Some(Ok(seconds)) if seconds > 0 => Some(seconds),
            Some(_) => return Err(BuildError::SessionTimeout),
        };
        if self.full_handshake_max_age.as_secs() == 0 || self.full_handshake_max_age > SEVEN_DAYS {
            return Err(BuildError::FullHandshakeMaxAge);
        }
        let ring = match self.ring {
            Some(ring) => ring,
            None => Arc::new(own_ring(session_timeout).map_err(BuildError::TicketKey)?),
        };
        let lifetimes = Lifetimes::new(self.full_handshake_max_age, session_timeout);
        Ok(Resumption {
            shared: Arc::new(Shared {
                cache,
                tickets: Tickets::new(ring, lifetimes).map_err(BuildError::OpenSsl)?,
                hooks: SessionHooks::new(),
                closed: AtomicBool::new(false),
                stateless_tickets: self.stateless_tickets,
                session_timeout,
            }),
        })
    }
}

/// A ring of our own keys, which open for as long as sessions live.
fn own_ring(session_timeout: Option<c_long>) -> Result<TicketRing, TicketKeyError> {
    let mut policy = TicketPolicy::default();
    if let Some(seconds) = session_timeout {
        let timeout = Duration::from_secs(seconds.unsigned_abs());
        policy = policy.lifetime(timeout.min(SEVEN_DAYS));
    }
    let ring = TicketRing::builder().policy(policy);
    ring.expect("within its ranges").with_own_keys()
}

/// Why a [`Resumption`] could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The cache's configuration is out of range.
    Cache(ConfigError),
    /// There is no random ticket key to be had.
    TicketKey(TicketKeyError),
    /// The session timeout is below one second, or beyond what OpenSSL can hold.
    SessionTimeout,
    /// The limit of a chain of renewals is below one second, or above seven days.
    FullHandshakeMaxAge,
    /// OpenSSL has no AES-CBC.
    OpenSsl(ErrorStack),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(error) => error.fmt(f),
            Self::TicketKey(error) => error.fmt(f),
            Self::SessionTimeout => f.write_str("the session timeout is out of range"),
            Self::FullHandshakeMaxAge => {
                f.write_str("the limit of a lineage must be 1 second to 7 days")
            }
            Self::OpenSsl(_) => f.write_str("OpenSSL has no AES-CBC"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OpenSsl(stack) => Some(stack),
            Self::Cache(_)
            | Self::TicketKey(_)
            | Self::SessionTimeout
            | Self::FullHandshakeMaxAge => None,
        }
    }
}

/// Why nothing was installed on a context.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// A [`Resumption`] is installed on it already.
    AlreadyInstalled,
    /// OpenSSL ran out of memory.
    OpenSsl(ErrorStack),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInstalled => "a resumption is installed on the context already",
            Self::OpenSsl(_) => "OpenSSL ran out of memory",
        })
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OpenSsl(stack) => Some(stack),
            Self::AlreadyInstalled => None,
        }
    }
}
