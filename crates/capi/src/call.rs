//! What every call from C goes through, and each thread's last error.

use std::cell::RefCell;
use std::ffi::c_char;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::Failure;

/// Runs the body of a call. An error or a panic becomes the return value `failed`, and
/// `rekindle_last_error` tells the reason until the thread's next call.
pub(crate) fn call<R>(failed: R, body: impl FnOnce() -> Result<R, Failure>) -> R {
    // A panic leaves no broken state behind: the library's changes are single exchanges.
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => {
            // Afterwards: a session's destructor, which is C, may have made calls in between.
            LAST_ERROR.with_borrow_mut(Message::clear);
            return result;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Panic,
    };
    failure.count();
    tell(&failure);
    failed
}

/// As [`call`], for calls that may succeed with a warning.
pub(crate) fn call_with_warning<R, W: fmt::Display>(
    failed: R,
    body: impl FnOnce() -> Result<(R, Option<W>), Failure>,
) -> R {
    let mut warning = None;
    let result = call(failed, || {
        let (result, told) = body()?;
        warning = told;
        Ok(result)
    });
    if let Some(warning) = warning {
        tell(&format_args!("warning: {warning}"));
    }
    result
}

/// Sets the thread's message about a call that has ended.
fn tell(what: &impl fmt::Display) {
    LAST_ERROR.with_borrow_mut(|message| {
        message.clear();
        // What does not fit is cut off.
        let _ = write!(message, "{what}");
    });
}

/// The thread's last message, which ends in NUL, in memory that lives as long as the thread.
pub(crate) fn last_error() -> *const c_char {
    LAST_ERROR.with_borrow(|message| message.text.as_ptr().cast())
}

thread_local! {
    static LAST_ERROR: RefCell<Message> = const {
        RefCell::new(Message {
            text: [0; Message::ROOM],
            len: 0,
        })
    };
}

/// Text in a fixed buffer: errors on the handshake path allocate nothing.
struct Message {
    text: [u8; Self::ROOM],
    len: usize,
}

impl Message {
    const ROOM: usize = 256;

    #[inline]
    fn clear(&mut self) {
        self.len = 0;
        self.text[0] = 0;
    }
}

impl Write for Message {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // One byte stays for the NUL. Cutting anywhere is safe: messages are ASCII.
        let room = Self::ROOM - 1 - self.len;
        let bytes = &s.as_bytes()[..s.len().min(room)];
        self.text[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        self.text[self.len] = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn message() -> String {
        // SAFETY: the thread's own message, which ends in NUL.
        let text = unsafe { CStr::from_ptr(last_error()) };
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_return_value_and_a_reason() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let result = call(-1, || panic!("in a call"));
        std::panic::set_hook(quiet);
        assert_eq!(result, -1);
        assert!(message().contains("panicked"));
        assert_eq!(call(-1, || Ok(0)), 0);
        assert_eq!(message(), "");
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_off() {
        tell(&"x".repeat(1_000));
        assert_eq!(message(), "x".repeat(255));
        tell(&"short");
        assert_eq!(message(), "short");
    }
}
