//! The one `Resumption` of the process, and the contexts that have it.

use std::cell::Cell;
use std::ffi::{c_int, c_ulong};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{Ordering, fence};
#[allow(clippy::disallowed_types, reason = "see `Taker::taking`")]
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{fmt, io, ptr};

use openssl::ssl::{SslContext, SslContextBuilder, SslMethod};
use openssl_sys::{self as sys, SSL, SSL_CTX};
use rekindle::openssl::{InstallError, Resumption, Scope};

use crate::real::real;
use crate::settings::Settings;
use crate::upkeep::Upkeep;

pub(crate) type NotResumable = Option<unsafe extern "C" fn(*mut SSL, c_int) -> c_int>;

pub(crate) struct Taker {
    resumption: Resumption,
    stateless_tickets: Option<bool>,
    upkeep: Upkeep,
    /// The index of what became of a context.
    index: c_int,
    /// Held while a context is being taken: no thread begins to serve on it meanwhile.
    #[allow(clippy::disallowed_types, reason = "once for each context")]
    taking: Mutex<()>,
}

/// What became of a context: null for one that has not served yet, or the address of one of these.
static TAKEN: u8 = 1;
static LEFT_ALONE: u8 = 2;

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

/// Runs `f` on what takes contexts, unless there is a doubt. Nothing unwinds into C: a panic has
/// printed its message, and leaves the server's own work to be done.
pub(crate) fn with_taker(f: impl FnOnce(&Taker)) {
    let _ = catch_unwind(AssertUnwindSafe(|| taker().map(f)));
}

/// What takes contexts. Made when the server makes its first context:
/// before it forks, so that all its processes have the same keys.
fn taker() -> Option<&'static Taker> {
    static TAKER: OnceLock<Option<Taker>> = OnceLock::new();
    if INSIDE.get() {
        return None;
    }
    let make = || match catch_unwind(|| inside(make)) {
        Ok(Ok(taker)) => Some(taker),
        Ok(Err(why)) => {
            say(format_args!("{why}; nothing is changed"));
            None
        }
        // Its message has been printed.
        Err(_) => None,
    };
    TAKER.get_or_init(make).as_ref()
}

/// A line on standard error, if that can be written to.
fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "rekindle-preload: {what}");
}

/// Marks what `f` calls as this library's own.
fn inside<R>(f: impl FnOnce() -> R) -> R {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    INSIDE.set(true);
    let _inside = Inside;
    f()
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
    let version = openssl::version::version();
    say(format_args!("{version}, {}", settings.summary()));
    let (stateless_tickets, upkeep) = (settings.stateless_tickets, Upkeep::new(&settings));
    let resumption = settings.build()?;
    // The library takes its indexes of contexts now, below the one that comes next.
    let method = SslMethod::tls_server();
    let mut first = SslContext::builder(method).map_err(|error| error.to_string())?;
    resumption
        .install_scoped(&mut first, &Scope::new("first"))
        .map_err(|error| error.to_string())?;
    // SAFETY: an index without callbacks.
    let index = unsafe { sys::SSL_CTX_get_ex_new_index(0, ptr::null_mut(), None, None, None) };
    if index < 0 {
        return Err("OpenSSL lacks memory".to_owned());
    }
    Ok(Taker {
        resumption,
        stateless_tickets,
        upkeep,
        index,
        taking: Default::default(),
    })
}

impl Taker {
    /// A context of the server's is new. Makes room for the mark now: later other threads may read
    /// it.
    pub(crate) fn welcome(&self, ctx: *mut SSL_CTX) {
        if !ctx.is_null() {
            // SAFETY: a live context.
            unsafe { sys::SSL_CTX_set_ex_data(ctx, self.index, ptr::null_mut()) };
        }
    }

    /// Whether a context was taken.
    pub(crate) fn has(&self, ctx: *mut SSL_CTX) -> bool {
        self.mark(ctx) == &raw const TAKEN
    }

    fn mark(&self, ctx: *mut SSL_CTX) -> *const u8 {
        if ctx.is_null() {
            return ptr::null();
        }
        // SAFETY: a live context, as the server calls us.
        let mark = unsafe { sys::SSL_CTX_get_ex_data(ctx, self.index) };
        // With the fence in `take`: who sees the mark sees what was set before.
        fence(Ordering::Acquire);
        mark.cast()
    }

    /// A server's connection is about to begin its handshake.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection that no other thread uses.
    pub(crate) unsafe fn serve(&self, ssl: *mut SSL) {
        // SAFETY: by contract.
        let ctx = unsafe { sys::SSL_get_SSL_CTX(ssl) };
        if self.mark(ctx).is_null() {
            let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.mark(ctx).is_null() {
                // SAFETY: as above; other threads that serve on it wait for the lock.
                unsafe { self.take(ctx) };
            }
        }
        if !self.has(ctx) {
            return;
        }
        self.upkeep.turn(&self.resumption);
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
        // SAFETY: by contract.
        let why = match unsafe { early_data(ctx) } {
            true => Some("it takes early data, guarded by OpenSSL's own cache".to_owned()),
            false => {
                // SAFETY: by contract. It stays the server's: the builder is never dropped.
                let context = unsafe { SslContextBuilder::from_ptr(ctx) };
                let mut context = ManuallyDrop::new(context);
                let installed = inside(|| match self.resumption.install_replacing(&mut context) {
                    // Its certificates come by a callback.
                    Err(InstallError::NoScope) => {
                        context.set_session_id_context(b"rekindle-preload")?;
                        self.resumption.install_replacing(&mut context)
                    }
                    installed => installed,
                });
                installed.err().map(|error| error.to_string())
            }
        };
        let mark = match why {
            Some(why) => {
                say(format_args!("a context stays as it is: {why}"));
                &raw const LEFT_ALONE
            }
            None => &raw const TAKEN,
        };
        fence(Ordering::Release);
        // SAFETY: by contract.
        unsafe { sys::SSL_CTX_set_ex_data(ctx, self.index, mark.cast_mut().cast()) };
    }
}

const SSL_OP_NO_ANTI_REPLAY: u64 = 1 << 24;

/// Whether a context takes early data and leaves replays to OpenSSL, which then needs its internal
/// cache.
///
/// # Safety
///
/// `ctx` is a live context.
unsafe fn early_data(ctx: *mut SSL_CTX) -> bool {
    // SAFETY: by contract.
    unsafe {
        SSL_CTX_get_max_early_data(ctx) > 0
            && sys::SSL_CTX_get_options(ctx) & SSL_OP_NO_ANTI_REPLAY == 0
    }
}

unsafe extern "C" {
    fn SSL_CTX_get_max_early_data(ctx: *const SSL_CTX) -> u32;
    fn SSL_set_not_resumable_session_callback(ssl: *mut SSL, callback: NotResumable);
    fn SSL_set_options(ssl: *mut SSL, options: u64) -> u64;
    fn SSL_clear_options(ssl: *mut SSL, options: u64) -> u64;
}
