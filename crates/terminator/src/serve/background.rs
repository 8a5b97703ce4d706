//! Work once a second on threads of its own.
//!
//! A sweep of the cache takes milliseconds and a disk may hang. On a worker of the runtime either
//! would hold up the connections of that worker.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tracing::error;

/// The time between two turns.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a turn is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A message came.
    Asked,
    /// A second has passed without one.
    Tick,
}

/// Takes a turn at each message and after each second without one, until the sender is dropped.
///
/// A turn that panics is logged, and the next one is taken all the same.
pub(super) fn spawn(
    name: &'static str,
    asked: Receiver<()>,
    mut turn: impl FnMut(Turn) + Send + 'static,
) -> io::Result<()> {
    let run = move || loop {
        let why = match asked.recv_timeout(PAUSE) {
            Ok(()) => Turn::Asked,
            Err(RecvTimeoutError::Timeout) => Turn::Tick,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if catch_unwind(AssertUnwindSafe(|| turn(why))).is_err() {
            error!("{name}: a turn panicked; the next one is taken all the same");
        }
    };
    thread::Builder::new().name(name.into()).spawn(run)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_turn_that_panics_is_not_the_last() {
        let (ask, asked) = channel();
        let (done, turns) = channel();
        let mut first = true;
        let turn = move |why| {
            assert!(!std::mem::take(&mut first), "the first turn fails");
            done.send((why, thread::current().name().map(str::to_owned)))
                .unwrap();
        };
        spawn("background", asked, turn).unwrap();
        ask.send(()).unwrap();
        ask.send(()).unwrap();
        let name = Some("background".to_owned());
        assert_eq!(turns.recv().unwrap(), (Turn::Asked, name.clone()));
        assert_eq!(turns.recv().unwrap(), (Turn::Tick, name));
        drop(ask);
        assert!(turns.recv().is_err(), "the thread has ended");
    }
}
