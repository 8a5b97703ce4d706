//! TLS sessions in a cache: the DER encoding of each, and the live `SSL_SESSION` if asked for.

use std::ffi::c_int;
use std::fmt;
use std::ops::Deref;
use std::ptr;
use std::sync::LazyLock;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::pkey::Id;
use openssl::ssl::{SslRef, SslSession, SslSessionRef};
use openssl::x509::X509Ref;
use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::encoding::Encoding;
use super::errors::StoreError;
use super::ffi;
use crate::state::StateError;
use crate::{Cache, CacheBuilder, ConfigError, Inserted, SessionId, Time};

/// What a [`SessionCache`] keeps of each session beside its DER encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionStorage {
    /// The live session, so that no lookup parses or allocates.
    #[default]
    Live,
    /// Nothing: each lookup parses the encoding, as OpenSSL does with each stateless ticket. A
    /// session that comes back lacks what its encoding lacks: ex_data, and the intermediate
    /// certificates that the client sent.
    Encoded,
    /// The live session where there is a client certificate, which makes parsing dear.
    LiveWithClientCertificate,
}

impl SessionStorage {
    /// Whether the live session is kept.
    fn keeps(self, session: &SslSessionRef) -> bool {
        match self {
            Self::Live => true,
            Self::Encoded => false,
            Self::LiveWithClientCertificate => client_certificate(session).is_some(),
        }
    }
}

/// A session as a [`SessionCache`] keeps it beside its encoding: live, or not at all.
#[derive(Clone)]
pub struct CachedSession {
    live: Option<SslSession>,
    /// When the full handshake was that it goes back to, by the clock of the ticket ring;
    /// [`Time::NEVER`] for a session that came from elsewhere.
    began: Time,
}

impl CachedSession {
    /// What OpenSSL holds for a live session without certificates, in bytes, beyond as many as its
    /// encoding has: an estimate, measured in `docs/design.md`.
    pub const OBJECT_BYTES: usize = 890;

    /// The live session, if it is kept.
    #[must_use]
    pub fn live(&self) -> Option<&SslSessionRef> {
        self.live.as_deref()
    }

    fn new(session: SslSession, storage: SessionStorage, began: Time) -> Self {
        let live = storage.keeps(&session).then_some(session);
        Self { live, began }
    }

    /// Whether it is one of OpenSSL, or of rustls beside it, which has nothing but an encoding.
    fn is_of_openssl(&self, encoded: &[u8]) -> bool {
        let is_known = self.live.is_some() || self.began != Time::NEVER;
        is_known || SslSession::from_der(encoded).is_ok()
    }

    /// An estimate of what OpenSSL holds for it, in bytes; `docs/design.md` has the measurements.
    fn heap_bytes(&self, encoded_len: usize) -> usize {
        let Some(session) = self.live() else {
            return 0;
        };
        match client_certificate(session) {
            None => Self::OBJECT_BYTES + encoded_len,
            // Most of the encoding is the certificate's.
            Some(certificate) => {
                900 + certificate_bytes(certificate, encoded_len) + intermediate_bytes(session)
            }
        }
    }
}

impl From<SslSession> for CachedSession {
    fn from(session: SslSession) -> Self {
        Self {
            live: Some(session),
            ..Self::default()
        }
    }
}

/// Not live.
impl Default for CachedSession {
    fn default() -> Self {
        Self {
            live: None,
            began: Time::NEVER,
        }
    }
}

/// Shows no secrets.
impl fmt::Debug for CachedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.live().map_or("Encoded", |_| "Live");
        write!(f, "CachedSession({kept})")
    }
}

/// A cache of TLS sessions. Its encoded bytes are what `i2d_SSL_SESSION` writes (DER), so
/// [`Guard::get_buffer`](crate::Guard::get_buffer) neither parses nor encodes.
///
/// A session in the cache is shared: treat it as read-only.
#[derive(Debug)]
pub struct SessionCache {
    cache: Cache<CachedSession>,
    storage: SessionStorage,
}

/// A session that a lookup has found.
pub(super) struct Found {
    pub(super) session: SslSession,
    /// Whether it was parsed, so that no other thread has it.
    pub(super) is_parsed: bool,
    /// When the full handshake was that it goes back to; [`Time::NEVER`] if that was elsewhere.
    pub(super) began: Time,
}

impl SessionCache {
    /// Makes the cache. Its byte counts include an estimate of what OpenSSL holds, in place of the
    /// builder's [`value_bytes`](CacheBuilder::value_bytes).
    ///
    /// # Errors
    ///
    /// As [`CacheBuilder::build`].
    pub fn new(
        builder: CacheBuilder<CachedSession>,
        storage: SessionStorage,
    ) -> Result<Self, ConfigError> {
        // Now, rather than in the first handshake that stores a session.
        LazyLock::force(&INTERMEDIATES);
        let cache = builder.value_bytes(CachedSession::heap_bytes).build()?;
        Ok(Self { cache, storage })
    }

    /// Inserts a session under an id until the end of its life: session time + session timeout,
    /// the whole of that second included (RFC 5246 leaves the length to the server; the rule is
    /// OpenSSL's own).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the cache is unchanged.
    pub fn insert_session(
        &self,
        id: &SessionId,
        session: SslSession,
    ) -> Result<Inserted, StoreError> {
        let (inserted, ..) = self.insert_that_began(id, session, Time::NEVER)?;
        Ok(inserted)
    }

    /// As [`insert_session`](Self::insert_session), of a session that goes back to a full handshake
    /// here. Returns its encoding and its end as well.
    pub(super) fn insert_that_began(
        &self,
        id: &SessionId,
        session: SslSession,
        began: Time,
    ) -> Result<(Inserted, Encoding, Time), StoreError> {
        let encoded = Encoding::of(&session)?;
        let expires_at = end_of_life(&session, self.now(), self.unix_time());
        let session = CachedSession::new(session, self.storage, began);
        let inserted = self.insert(id, session, &encoded, expires_at)?;
        Ok((inserted, encoded, expires_at))
    }

    /// Looks a session up. Where it is live this is wait-free like
    /// [`Guard::get`](crate::Guard::get); else it parses, and one that cannot be parsed counts as
    /// expired.
    pub fn get_session(&self, id: &SessionId) -> Option<SslSession> {
        self.get_session_if(id, |_, _| true)
            .map(|found| found.session)
    }

    /// As [`get_session`](Self::get_session), but a session that `accept` refuses, who also learns
    /// when it began, counts as expired.
    pub(super) fn get_session_if(
        &self,
        id: &SessionId,
        accept: impl FnOnce(&SslSessionRef, Time) -> bool,
    ) -> Option<Found> {
        let guard = self.pin();
        let mut parsed = None;
        let found = guard.get_if(id, |session, encoded| match session.live() {
            Some(live) => accept(live, session.began),
            None => {
                parsed = SslSession::from_der(encoded).ok();
                let parsed = parsed.as_deref();
                parsed.is_some_and(|parsed| accept(parsed, session.began))
            }
        })?;
        Some(Found {
            is_parsed: parsed.is_some(),
            session: parsed.or_else(|| found.live.clone())?,
            began: found.began,
        })
    }

    /// Has a session outlive its object, which OpenSSL has marked as not resumable: from now on it
    /// is kept as its encoding only. Whether it is still in the cache and has not expired.
    pub(super) fn keep_encoding(&self, id: &SessionId, spoilt: &SslSessionRef) -> bool {
        let expires_at = end_of_life(spoilt, self.now(), self.unix_time());
        let Some(began) = self.peek(id, |session, _, _| session.began) else {
            return false;
        };
        if expires_at <= self.now() {
            return false;
        }
        if !self.storage.keeps(spoilt) {
            return true;
        }
        let kept = CachedSession { live: None, began };
        let insert = |encoded: Encoding| self.insert(id, kept, &encoded, expires_at);
        Encoding::of(spoilt).is_ok_and(|encoded| insert(encoded).is_ok())
    }

    /// Calls `read` with a live session of OpenSSL: encoding, last moment, and when it began.
    /// Leaves no trace.
    pub(super) fn peek_session(&self, id: &SessionId, read: impl FnOnce(&[u8], Time, Time)) {
        self.peek(id, |session, encoded, expires_at| {
            if session.is_of_openssl(encoded) {
                read(encoded, expires_at, session.began);
            }
        });
    }

    /// Inserts a session of another process of this machine, with the same clock.
    ///
    /// # Errors
    ///
    /// [`StateError::Invalid`]: the bytes are no session. That the cache refuses one is none.
    pub(super) fn insert_inherited(
        &self,
        id: &SessionId,
        encoded: &[u8],
        expires_at: Time,
        began: Time,
    ) -> Result<(), StateError> {
        let live = self.live_part_of(encoded);
        let live = live.map_err(|_| StateError::Invalid("session"))?;
        let _ = self.insert(id, CachedSession { live, began }, encoded, expires_at);
        Ok(())
    }

    /// Inserts a session of another machine, unless one is there under its id or it has ended.
    /// Whether it did.
    pub(super) fn insert_from_elsewhere(
        &self,
        id: &SessionId,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, StoreError> {
        if self.contains(id) {
            return Ok(false);
        }
        let session = SslSession::from_der(encoded).map_err(StoreError::Decode)?;
        if session.id() != id.as_bytes() {
            return Err(StoreError::IdDiffers);
        }
        let now = self.now();
        let expires_at = expires_at.min(end_of_life(&session, now, self.unix_time()));
        if expires_at < now {
            return Ok(false);
        }
        let session = CachedSession::new(session, self.storage, Time::NEVER);
        Ok(self.insert_if_absent(id, session, encoded, expires_at)?)
    }

    /// What is kept live of a session that comes as its encoding.
    fn live_part_of(&self, encoded: &[u8]) -> Result<Option<SslSession>, ErrorStack> {
        if self.storage == SessionStorage::Encoded {
            return Ok(None);
        }
        let session = SslSession::from_der(encoded)?;
        Ok(self.storage.keeps(&session).then_some(session))
    }

    /// Removes a session and hands it out, in one step: of any number of callers exactly one
    /// receives it.
    pub fn take_session(&self, id: &SessionId) -> Option<SslSession> {
        let guard = self.pin();
        let taken = guard.take(id)?;
        let live = taken.value().live.clone();
        live.or_else(|| SslSession::from_der(taken.encoded()).ok())
    }
}

impl Deref for SessionCache {
    type Target = Cache<CachedSession>;

    fn deref(&self) -> &Self::Target {
        &self.cache
    }
}

/// The certificate of a session's client, if it showed one.
pub(super) fn client_certificate(session: &SslSessionRef) -> Option<&X509Ref> {
    // SAFETY: a live session; the certificate lives as long as the session.
    unsafe {
        let certificate = ffi::SSL_SESSION_get0_peer(session.as_ptr());
        (!certificate.is_null()).then(|| X509Ref::from_ptr(certificate))
    }
}

/// An estimate of what OpenSSL holds for a certificate that was verified, in bytes.
fn certificate_bytes(certificate: &X509Ref, encoded_len: usize) -> usize {
    let key = certificate.public_key();
    // Each key has a copy of its curve's parameters.
    let curve = match key.is_ok_and(|key| key.id() == Id::EC) {
        true => 1_500,
        false => 0,
    };
    1_300 + curve + encoded_len * 24 / 5
}

/// Where a session has a number: what OpenSSL holds for intermediate certificates, in bytes.
static INTERMEDIATES: LazyLock<c_int> = LazyLock::new(|| {
    let (class, no_number) = (ffi::CRYPTO_EX_INDEX_SSL_SESSION, ptr::null_mut());
    // SAFETY: no callbacks; OpenSSL never looks at the number.
    unsafe { sys::CRYPTO_get_ex_new_index(class, 0, no_number, None, None, None) }
});

/// Has the cache count the intermediate certificates that a session's client sent: OpenSSL shows
/// them through a connection only.
///
/// # Safety
///
/// - `ssl` is a live connection, and `session` its session.
/// - No other thread can reach the session.
pub(super) unsafe fn count_intermediates(ssl: *mut SSL, session: *mut SSL_SESSION) {
    // SAFETY: by contract; the chain lives as long as the session.
    unsafe {
        let Some(chain) = SslRef::from_ptr(ssl).peer_cert_chain() else {
            return;
        };
        let encoded_len = |one: &X509Ref| sys::i2d_X509(one.as_ptr(), ptr::null_mut());
        let bytes = chain.iter().map(|one| {
            let len = usize::try_from(encoded_len(one)).unwrap_or(0);
            certificate_bytes(one, len)
        });
        let bytes: usize = bytes.sum();
        if bytes > 0 {
            // Without memory for the number, the intermediates are not counted.
            let number = ptr::without_provenance_mut(bytes);
            ffi::SSL_SESSION_set_ex_data(session, *INTERMEDIATES, number);
        }
    }
}

fn intermediate_bytes(session: &SslSessionRef) -> usize {
    // SAFETY: a live session; the index holds a number, never a pointer.
    unsafe { ffi::SSL_SESSION_get_ex_data(session.as_ptr(), *INTERMEDIATES) }.addr()
}

/// The last moment, in the cache's time, at which a session is `timeout` seconds old or younger.
fn end_of_life(session: &SslSessionRef, now: Time, unix_now: Duration) -> Time {
    // Ages are whole seconds: a session ends one millisecond before it gets a second too old.
    #[allow(clippy::unnecessary_cast)] // c_long or u64, by version of OpenSSL
    let ends = (session.time() as i128 + i128::from(session.timeout()) + 1) * 1_000 - 1;
    let left = ends - unix_now.as_millis() as i128;
    let end = i128::from(now.as_millis()) + left;
    // A session without an end exceeds the scale; one that has ended is in the past.
    Time::from_millis(end.clamp(0, i128::from(u64::MAX)) as u64)
}
