//! OpenSSL's wall clock: that of the machine whose turn it is.
//!
//! OpenSSL asks the C library for the time of a session, and takes no clock. So this program has
//! its own `time` and `gettimeofday`, which the linker gives to OpenSSL instead of the C library's.
//! They return the time of the machine that the calling thread plays.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rekindle::Clock;

use crate::clock::TwoClocks;

thread_local! {
    static MACHINE: RefCell<Option<Arc<TwoClocks>>> = const { RefCell::new(None) };
}

/// From now on this thread plays that machine.
pub(crate) fn is_by(clock: &Arc<TwoClocks>) {
    MACHINE.set(Some(Arc::clone(clock)));
}

/// The real time.
pub(crate) fn real() -> Duration {
    // Rust asks the system's clock itself.
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

fn now() -> Duration {
    let fake = MACHINE.try_with(|machine| machine.borrow().as_ref().map(|clock| clock.unix_time()));
    fake.ok().flatten().unwrap_or_else(real)
}

// SAFETY: the C library's own function, with its signature and its meaning.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(out: *mut libc::time_t) -> libc::time_t {
    let now = now().as_secs() as libc::time_t;
    if !out.is_null() {
        // SAFETY: by the function's contract.
        unsafe { out.write(now) };
    }
    now
}

// SAFETY: as above.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(out: *mut libc::timeval, _zone: *mut c_void) -> c_int {
    let now = now();
    if !out.is_null() {
        let now = libc::timeval {
            tv_sec: now.as_secs() as libc::time_t,
            tv_usec: now.subsec_micros() as libc::suseconds_t,
        };
        // SAFETY: by the function's contract.
        unsafe { out.write(now) };
    }
    0
}

/// What all other tests rely on.
#[test]
fn openssl_goes_by_the_fake_time_of_day() {
    use crate::common::Mechanism;
    use crate::machine::{Machine, a_clock, own_keys};

    for kind in Mechanism::ALL {
        let clock = a_clock();
        clock.step(-1_000_000);
        let machine = Machine::new(&clock, kind, own_keys(&clock));
        let connection = machine.connect(&crate::common::Client::new(kind));
        let time = connection.server.ssl().session().unwrap().time() as u64;
        assert_eq!(time, clock.unix_time().as_secs(), "{kind:?}");
    }
}
