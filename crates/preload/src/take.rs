//! The one `Resumption` of the process, and the contexts that have it.

use std::cell::Cell;
use std::ffi::{c_int, c_ulong};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
#[allow(clippy::disallowed_types, reason = "see `Taker::taking`")]
use std::sync::{Mutex, OnceLock, PoisonError};

use openssl::ssl::SslContextBuilder;
use openssl_sys::{self as sys, SSL, SSL_CTX};
use rekindle::openssl::Resumption;

use crate::real::real;
use crate::settings::Settings;

pub(crate) type NotResumable = Option<unsafe extern "C" fn(*mut SSL, c_int) -> c_int>;

pub(crate) struct Taker {
    pub(crate) resumption: Resumption,
    pub(crate) stateless_tickets: Option<bool>,
    pub(crate) stats: Option<std::path::PathBuf>,
    /// The index of a context that has been taken: it holds something else than null there.
    index: c_int,
    /// Held while a context is being taken: no thread serves a handshake on it meanwhile.
    #[allow(clippy::disallowed_types, reason = "once for each context")]
    taking: Mutex<()>,
}

/// The callback of full handshakes that the installation gives to contexts.
static NOT_RESUMABLE: OnceLock<NotResumable> = OnceLock::new();

/// Whether it is the installation that sets this callback of full handshakes.
pub(crate) fn installs(callback: NotResumable) -> bool {
    let installs = INSIDE.get();
    if installs {
        let _ = NOT_RESUMABLE.set(callback);
    }
    installs
}

thread_local! {
    /// Whether this library is at work, whose calls are not the server's.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What takes contexts, unless there is a doubt. Made when the server makes its first context:
/// before it forks, so that all its processes have the same keys.
pub(crate) fn taker() -> Option<&'static Taker> {
    static TAKER: OnceLock<Option<Taker>> = OnceLock::new();
    if INSIDE.get() {
        return None;
    }
    TAKER
        .get_or_init(|| match inside(make) {
            Ok(taker) => Some(taker),
            Err(why) => {
                eprintln!("rekindle-preload: {why}; nothing is changed");
                None
            }
        })
        .as_ref()
}

/// Marks what `f` calls as this library's own.
pub(crate) fn inside<R>(f: impl FnOnce() -> R) -> R {
    INSIDE.set(true);
    let result = f();
    INSIDE.set(false);
    result
}

fn make() -> Result<Taker, String> {
    // The server's OpenSSL, and the one that this library was linked with.
    // SAFETY: no preconditions.
    let theirs = unsafe { real!(OpenSSL_version_num: unsafe extern "C" fn() -> c_ulong)() };
    let ours = openssl::version::number();
    if i64::try_from(theirs) != Ok(ours) || ours < 0x3000_0000 {
        return Err(format!(
            "the server has OpenSSL {theirs:#x}, this library {ours:#x}, and 3.0 is the oldest"
        ));
    }
    let settings = Settings::read()?;
    // SAFETY: an index without callbacks.
    let index = unsafe { sys::SSL_CTX_get_ex_new_index(0, ptr::null_mut(), None, None, None) };
    if index < 0 {
        return Err("OpenSSL lacks memory".to_owned());
    }
    let version = openssl::version::version();
    eprintln!("rekindle-preload: {version}, {}", settings.summary());
    Ok(Taker {
        stateless_tickets: settings.stateless_tickets,
        stats: settings.stats.clone(),
        resumption: settings.build()?,
        index,
        taking: Default::default(),
    })
}

impl Taker {
    /// Whether a context was taken.
    pub(crate) fn has(&self, ctx: *mut SSL_CTX) -> bool {
        // SAFETY: a live context, as the server calls us.
        !ctx.is_null() && !unsafe { sys::SSL_CTX_get_ex_data(ctx, self.index) }.is_null()
    }

    /// A server's connection is about to shake hands.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection that no other thread uses.
    pub(crate) unsafe fn serve(&self, ssl: *mut SSL) {
        // SAFETY: by contract.
        let ctx = unsafe { sys::SSL_get_SSL_CTX(ssl) };
        if !self.has(ctx) {
            let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.has(ctx) {
                // SAFETY: as above; other threads that serve on it wait for the lock.
                unsafe { self.take(ctx) };
            }
        }
        if let Some(callback) = NOT_RESUMABLE.get() {
            // Made before its context was taken, it lacks the callback.
            // SAFETY: by contract.
            unsafe { SSL_set_not_resumable_session_callback(ssl, *callback) };
        }
        let set = match self.stateless_tickets {
            Some(true) => SSL_clear_options,
            Some(false) => SSL_set_options,
            None => return,
        };
        // SAFETY: by contract.
        unsafe { set(ssl, sys::SSL_OP_NO_TICKET) };
    }

    /// # Safety
    ///
    /// `ctx` is a live context that no other thread uses.
    unsafe fn take(&self, ctx: *mut SSL_CTX) {
        let installed = inside(|| {
            // SAFETY: by contract. It stays the server's: the builder is never dropped.
            let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(ctx) });
            self.resumption.install_replacing(&mut context)
        });
        if let Err(error) = installed {
            eprintln!("rekindle-preload: a context stays as it is: {error}");
        }
        // Also one that stays as it is, so as not to try again.
        let mark: *const Self = self;
        // SAFETY: by contract.
        unsafe { sys::SSL_CTX_set_ex_data(ctx, self.index, mark.cast_mut().cast()) };
    }
}

/// Runs what must not unwind into C.
pub(crate) fn guarded(f: impl FnOnce()) {
    let inside = INSIDE.get();
    // A panic has printed its message, and leaves the server's own work to be done.
    if catch_unwind(AssertUnwindSafe(f)).is_err() {
        INSIDE.set(inside);
    }
}

unsafe extern "C" {
    fn SSL_set_not_resumable_session_callback(ssl: *mut SSL, callback: NotResumable);
    fn SSL_set_options(ssl: *mut SSL, options: u64) -> u64;
    fn SSL_clear_options(ssl: *mut SSL, options: u64) -> u64;
}
