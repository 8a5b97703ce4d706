//! `rekindle_config`: what C may choose.

use std::sync::Arc;
use std::time::Duration;
use std::{ptr, slice};

use rekindle::CacheBuilder;
use rekindle::openssl::Resumption;

use crate::failure::Failure;
use crate::size;

/// What rekindle_init() is told. Set every byte to zero and `size` to
/// `sizeof(struct rekindle_config)`, then what should not be as by default.
///
/// The structure grows at its end. A program that was compiled against an older header works with a
/// newer library; one that was compiled against a newer header works with an older library as long as it
/// leaves the fields that the library does not know zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct rekindle_config {
    /// `sizeof(struct rekindle_config)`, in bytes.
    pub size: usize,
    /// Sessions that fit, 1 to 2^32. 0: 100,000. Memory for the table is set aside at once, 24
    /// bytes for each, and touched as it is needed; a session takes some 130 bytes beside its
    /// encoding and OpenSSL's own object.
    pub sessions: usize,
    /// Bytes that the cache's entries may take, OpenSSL's own objects not included. 0: no limit
    /// but `sessions`.
    pub max_bytes: usize,
    /// The longest encoded session that is accepted, in bytes, up to 1 MiB. 0: 16,384, which is
    /// room for client certificates.
    pub max_session_bytes: usize,
    /// How long a session may be resumed, in seconds, on every context that is attached. 0: as each
    /// context says (SSL_CTX_set_timeout(); OpenSSL's default is 300, in newer versions 7,200).
    pub session_timeout: u32,
    /// Must be zero.
    pub reserved: u32,
}

/// What the structure of version 0.1 has: four sizes and two numbers.
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
    };

    /// Copies what C points to, as much of it as both sides know.
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
        // SAFETY: the structure is numbers without padding: any bytes will do, and as many fit.
        unsafe {
            let start = (&raw mut ours).cast::<u8>();
            ptr::copy_nonoverlapping(known.as_ptr(), start, known.len());
        }
        if ours.reserved != 0 || unknown.iter().any(|byte| *byte != 0) {
            return Err(Failure::NewerConfig);
        }
        Ok(ours)
    }

    pub(crate) fn build(&self) -> Result<Resumption, Failure> {
        let sessions = match self.sessions {
            0 => 100_000,
            sessions => sessions,
        };
        let mut cache = CacheBuilder::new(sessions);
        if self.max_bytes != 0 {
            cache = cache.max_bytes(self.max_bytes);
        }
        if self.max_session_bytes != 0 {
            cache = cache.max_encoded_len(self.max_session_bytes);
        }
        let mut resumption = Resumption::builder().cache(Arc::new(cache.build()?));
        if self.session_timeout != 0 {
            let timeout = Duration::from_secs(self.session_timeout.into());
            resumption = resumption.session_timeout(timeout);
        }
        Ok(resumption.build()?)
    }
}
