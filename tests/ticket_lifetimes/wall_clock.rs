//! OpenSSL's time of day: that of the machine whose turn it is.
//!
//! OpenSSL asks the C library for the time when it makes sessions and when it judges them, and takes no
//! clock. So this program has a `time` and a `gettimeofday` of its own, which the linker gives to OpenSSL
//! in place of the C library's: they tell the time of the machine that the thread is playing.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rekindle::Clock;

use crate::clock::TwoClocks;

thread_local! {
    static MACHINE: RefCell<Option<Arc<TwoClocks>>> = const { RefCell::new(None) };
}

/// From now on it is that machine's turn, on this thread.
pub(crate) fn is_by(clock: &Arc<TwoClocks>) {
    MACHINE.set(Some(Arc::clone(clock)));
}

/// The time of day that is real.
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
            tv_usec: now.subsec_micros().into(),
        };
        // SAFETY: by the function's contract.
        unsafe { out.write(now) };
    }
    0
}

/// What all the rest relies on.
#[test]
fn openssl_goes_by_the_fake_time_of_day() {
    use crate::common::Way;
    use crate::machine::{Machine, a_clock, own_keys};

    for way in Way::ALL {
        let clock = a_clock();
        clock.step(-1_000_000);
        let machine = Machine::new(&clock, way, own_keys(&clock));
        let connection = machine.connect(&crate::common::Client::new(way));
        let time = connection.server.ssl().session().unwrap().time() as u64;
        assert_eq!(time, clock.unix_time().as_secs(), "{way:?}");
    }
}
