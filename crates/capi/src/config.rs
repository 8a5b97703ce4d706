//! `rekindle_config`: what a C program configures.

use std::sync::Arc;
use std::time::Duration;
use std::{ptr, slice};

use rekindle::Cache;
use rekindle::openssl::{BuildError, Resumption};
use rekindle::tickets::TicketPolicy;

use crate::failure::Failure;
use crate::size;

/// The configuration that rekindle_init() reads. Set every byte to zero, `size` to
/// `sizeof(struct rekindle_config)`, and then each field that should differ from its default.
///
/// The structure grows at its end. A program that was compiled against an older header works with a
/// newer library. A program that was compiled against a newer header works with an older library as
/// long as the fields that the library does not know are zero; otherwise rekindle_init() fails.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct rekindle_config {
    /// `sizeof(struct rekindle_config)`, in bytes.
    pub size: usize,
    /// Capacity in sessions, 1 to 2^32. 0: 100,000. The library reserves 24 bytes of table for each
    /// at once and touches them as needed. A session takes about 130 bytes beside its encoding and
    /// OpenSSL's own object.
    pub sessions: usize,
    /// Limit of all entries together, in bytes, OpenSSL's own objects not included. 0: no limit but
    /// `sessions`.
    pub max_bytes: usize,
    /// Longest encoded session that the cache accepts, in bytes, up to 1 MiB. 0: 16,384, which is
    /// enough for client certificates.
    pub max_session_bytes: usize,
    /// How long a session may be resumed, in seconds, on every attached context. 0: as each context
    /// says (SSL_CTX_set_timeout(); OpenSSL's default is 300, in newer versions 7,200). Tickets
    /// that carry their session live 7 days at most.
    pub session_timeout: u32,
    /// Must be zero.
    pub reserved: u32,
    /// How long each of the library's own ticket keys seals before the next one takes over, in
    /// seconds, up to 30 days. 0: one hour.
    pub ticket_key_period: u32,
    /// Maximum age of the keys of TSSslTicketKeyUpdate(), in seconds, up to 400 days and above the
    /// session timeout. When they reach it without an update, the library's own keys take over
    /// until the next update. 0: 30 days.
    pub ticket_key_max_age: u32,
    /// How long a client may resume by tickets after its last full handshake, however often its
    /// tickets were renewed, in seconds, up to 7 days. 0: 7 days.
    pub full_handshake_max_age: u32,
    /// Must be zero.
    pub reserved_2: u32,
}

/// Bytes of the first version's structure: four sizes and two numbers.
const FIRST_SIZE: usize = 4 * size_of::<usize>() + 8;
const _: () = assert!(size_of::<rekindle_config>() >= FIRST_SIZE);

impl rekindle_config {
    pub(crate) const DEFAULT: Self = Self {
        size: size_of::<Self>(),
        sessions: 0,
        max_bytes: 0,
        max_session_bytes: 0,
        session_timeout: 0,
        reserved: 0,
        ticket_key_period: 0,
        ticket_key_max_age: 0,
        full_handshake_max_age: 0,
        reserved_2: 0,
    };

    /// Copies the fields that both sides know.
    ///
    /// # Safety
    ///
    /// `config` is null or points to as many bytes as its first field says.
    pub(crate) unsafe fn read(config: *const Self) -> Result<Self, Failure> {
        if config.is_null() {
            return Ok(Self::DEFAULT);
        }
        // SAFETY: by contract there is at least the first field.
        let given = unsafe { (&raw const (*config).size).read() };
        let given = size::check(given as u64, FIRST_SIZE as u64)?;
        // SAFETY: by contract there are `given` bytes.
        let bytes = unsafe { slice::from_raw_parts(config.cast::<u8>(), given) };
        let (known, unknown) = bytes.split_at(given.min(size_of::<Self>()));
        let mut ours = Self::DEFAULT;
        // SAFETY: the structure is numbers without padding, so that any bytes are valid; `known` is
        // not longer than it.
        unsafe {
            let start = (&raw mut ours).cast::<u8>();
            ptr::copy_nonoverlapping(known.as_ptr(), start, known.len());
        }
        if ours.reserved != 0 || ours.reserved_2 != 0 || unknown.iter().any(|byte| *byte != 0) {
            return Err(Failure::NewerConfig);
        }
        Ok(ours)
    }

    pub(crate) fn build(&self) -> Result<Resumption, Failure> {
        let sessions = match self.sessions {
            0 => 100_000,
            sessions => sessions,
        };
        let mut cache = Cache::builder().capacity(sessions);
        if self.max_bytes != 0 {
            cache = cache.max_bytes(self.max_bytes);
        }
        if self.max_session_bytes != 0 {
            cache = cache.max_encoded_len(self.max_session_bytes);
        }
        let mut policy = TicketPolicy::default();
        if let Some(period) = seconds(self.ticket_key_period) {
            policy = policy.period(period);
        }
        if let Some(age) = seconds(self.ticket_key_max_age) {
            policy = policy.max_age(age);
        }
        let cache = Arc::new(cache.build().map_err(BuildError::from)?);
        let mut resumption = Resumption::builder().cache(cache).ticket_policy(policy);
        if let Some(timeout) = seconds(self.session_timeout) {
            resumption = resumption.session_timeout(timeout);
        }
        if let Some(limit) = seconds(self.full_handshake_max_age) {
            resumption = resumption.full_handshake_max_age(limit);
        }
        Ok(resumption.build()?)
    }
}

/// A number of seconds. `None`: zero, which stands for the default.
fn seconds(given: u32) -> Option<Duration> {
    (given != 0).then(|| Duration::from_secs(given.into()))
}
