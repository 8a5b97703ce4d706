//! `rekindle_config`: what a C program configures.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{mem, ptr, slice};

use foreign_types_shared::ForeignTypeRef;
use openssl::lib_ctx::LibCtxRef;
use openssl_sys::OSSL_LIB_CTX;

use rekindle::Cache;
use rekindle::openssl::{BuildError, EarlyData, Resumption, SessionCache, SessionStorage};
use rekindle::tickets::TicketPolicy;
use rekindle_key_files::{Notice, read_secret};

use crate::failure::Failure;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct rekindle_config {
    pub size: usize,
    pub sessions: usize,
    pub max_bytes: usize,
    pub max_session_bytes: usize,
    pub session_timeout: u32,
    pub reserved: u32,
    pub ticket_key_period: u32,
    pub ticket_key_max_age: u32,
    pub full_handshake_max_age: u32,
    pub keep_sessions: u32,
    pub ticket_secret: *const c_char,
    pub library_context: *mut OSSL_LIB_CTX,
    pub early_data: u32,
    pub early_data_flights: u32,
    pub single_use: u32,
    pub all_names_as_one: u32,
}

impl Default for rekindle_config {
    fn default() -> Self {
        // SAFETY: numbers and pointers.
        unsafe { mem::zeroed() }
    }
}

/// Bytes of the first version's structure: four sizes and two numbers.
const FIRST_SIZE: usize = 4 * size_of::<usize>() + 8;
const _: () = assert!(size_of::<rekindle_config>() >= FIRST_SIZE);

impl rekindle_config {
    /// Copies the fields that both sides know.
    ///
    /// # Safety
    ///
    /// `config` is null or points to as many bytes as its first field says.
    pub(crate) unsafe fn read(config: *const Self) -> Result<Self, Failure> {
        if config.is_null() {
            return Ok(Self::default());
        }
        // SAFETY: by contract there is at least the first field.
        let given = unsafe { (&raw const (*config).size).read() };
        let given = check_size(given as u64, FIRST_SIZE as u64)?;
        // SAFETY: by contract there are `given` bytes.
        let bytes = unsafe { slice::from_raw_parts(config.cast::<u8>(), given) };
        let (known, unknown) = bytes.split_at(given.min(size_of::<Self>()));
        let mut ours = Self::default();
        // SAFETY: the structure is numbers and pointers without padding, so that any bytes are
        // valid; `known` is not longer than it.
        unsafe {
            let start = (&raw mut ours).cast::<u8>();
            ptr::copy_nonoverlapping(known.as_ptr(), start, known.len());
        }
        let switches = [ours.keep_sessions, ours.single_use, ours.all_names_as_one];
        let is_unknown = |switch: &u32| *switch > 1;
        if ours.reserved != 0
            || switches.iter().any(is_unknown)
            || unknown.iter().any(|byte| *byte != 0)
        {
            return Err(Failure::NewerConfig);
        }
        Ok(ours)
    }

    /// The resumption, and a warning about the ticket secret, if there is one.
    ///
    /// # Safety
    ///
    /// `ticket_secret` is null or a text that ends in zero, `library_context` null or a library
    /// context that is never freed.
    pub(crate) unsafe fn build(&self) -> Result<(Resumption, Option<Notice>), Failure> {
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
        // TSSslSessionGet() neither parses nor allocates.
        let cache = SessionCache::new(cache, SessionStorage::Live).map_err(BuildError::from)?;
        let mut resumption = Resumption::builder()
            .cache(Arc::new(cache))
            .ticket_policy(policy)
            .keep_sessions(self.keep_sessions == 1)
            .single_use(self.single_use == 1);
        let mut early_data = EarlyData::up_to(self.early_data);
        if self.early_data_flights != 0 {
            early_data = early_data.flights_per_second(self.early_data_flights as usize);
        }
        resumption = resumption.early_data(early_data);
        if self.all_names_as_one == 1 {
            resumption = resumption.all_names_as_one();
        }
        let (mut timeout, mut warning) = (seconds(self.session_timeout), None);
        if !self.ticket_secret.is_null() {
            // SAFETY: by contract.
            let path = as_path(unsafe { text(self.ticket_secret, "the ticket secret") }?);
            let (file, notices) = read_secret(path)?;
            timeout = timeout.or(file.session_timeout);
            let differs = timeout.and_then(|timeout| file.disagreement(path, timeout));
            let mut notices = differs.into_iter().chain(notices);
            warning = notices.find(Notice::is_warning);
            resumption = resumption.ticket_secret(file.secret);
        }
        if let Some(timeout) = timeout {
            resumption = resumption.session_timeout(timeout);
        }
        if let Some(limit) = seconds(self.full_handshake_max_age) {
            resumption = resumption.full_handshake_max_age(limit);
        }
        if !self.library_context.is_null() {
            // SAFETY: by contract.
            let library = unsafe { LibCtxRef::from_ptr(self.library_context) };
            resumption = resumption.library_context(library);
        }
        Ok((resumption.build()?, warning))
    }
}

/// A text of the caller's.
///
/// # Safety
///
/// `text` is null, or ends in zero and lives for `'a`.
pub(crate) unsafe fn text<'a>(
    text: *const c_char,
    what: &'static str,
) -> Result<&'a CStr, Failure> {
    if text.is_null() {
        return Err(Failure::Null(what));
    }
    // SAFETY: by contract.
    Ok(unsafe { CStr::from_ptr(text) })
}

pub(crate) fn as_path(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

/// A number of seconds. `None`: zero, which stands for the default.
fn seconds(given: u32) -> Option<Duration> {
    (given != 0).then(|| Duration::from_secs(given.into()))
}

/// No later version's structure is longer, in bytes. A size field that was never set may be.
const MOST: u64 = 4096;

/// Accepts the size in bytes that C gives, unless it is below the first version's or above
/// [`MOST`].
pub(crate) fn check_size(given: u64, first: u64) -> Result<usize, Failure> {
    if (first..=MOST).contains(&given) {
        Ok(given as usize)
    } else {
        Err(Failure::Size {
            given,
            least: first,
        })
    }
}
