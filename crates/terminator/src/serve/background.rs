//! Work once a second on a thread of its own.
//!
//! A disk may hang. On a worker of the runtime it would hold up the connections of that worker.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::error;

/// The time from the end of one tick to the next one.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a turn is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The thread was asked to.
    Asked,
    /// The thread has started, or a second has passed since the last tick.
    Tick,
}

/// Asks a thread for a turn. The thread ends when this is dropped.
pub(super) struct Asker(SyncSender<()>);

impl Asker {
    /// Asks for a turn that begins after this call. Several calls may share one. Whether the thread
    /// is there still.
    pub(super) fn ask(&self) -> bool {
        // A full channel holds a turn that has not begun.
        !matches!(self.0.try_send(()), Err(TrySendError::Disconnected(())))
    }
}

/// Takes a turn at once, then once a second, and when it is asked for one, until the [`Asker`] is
/// dropped. Turns that are asked for do not put off the others, nor the other way round.
///
/// A turn that panics is logged, and the next one is taken all the same.
pub(super) fn spawn(
    name: &'static str,
    mut turn: impl FnMut(Turn) + Send + 'static,
) -> io::Result<Asker> {
    let (asker, asked) = sync_channel(1);
    let run = move || {
        let mut next_tick = Instant::now();
        while let Some(why) = next_turn(&asked, next_tick) {
            if catch_unwind(AssertUnwindSafe(|| turn(why))).is_err() {
                error!("{name}: a turn panicked; the next one is taken all the same");
            }
            if why == Turn::Tick {
                next_tick = Instant::now() + PAUSE;
            }
        }
    };
    thread::Builder::new().name(name.into()).spawn(run)?;
    Ok(Asker(asker))
}

/// Waits for the next turn. `None` when the asker is gone.
fn next_turn(asked: &Receiver<()>, next_tick: Instant) -> Option<Turn> {
    let left = next_tick.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Some(Turn::Tick);
    }
    match asked.recv_timeout(left) {
        Ok(()) => Some(Turn::Asked),
        Err(RecvTimeoutError::Timeout) => Some(Turn::Tick),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_turn_that_panics_is_not_the_last() {
        let (done, turns) = channel();
        let mut first = true;
        let turn = move |why| {
            assert!(!std::mem::take(&mut first), "the first turn fails");
            done.send((why, thread::current().name().map(str::to_owned)))
                .unwrap();
        };
        let asker = spawn("background", turn).unwrap();
        assert!(asker.ask());
        let name = Some("background".to_owned());
        assert_eq!(turns.recv().unwrap(), (Turn::Asked, name.clone()));
        assert_eq!(turns.recv().unwrap(), (Turn::Tick, name));
        drop(asker);
        assert!(turns.recv().is_err(), "the thread has ended");
    }

    /// Each SIGHUP during a reload that hung once became a reload of its own.
    #[test]
    fn turns_that_are_asked_for_during_a_turn_become_one() {
        let (done, turns) = channel();
        let (go_on, gate) = channel::<()>();
        let turn = move |why| {
            done.send(why).unwrap();
            let _ = gate.recv();
        };
        let asker = spawn("background", turn).unwrap();
        assert_eq!(
            turns.recv().unwrap(),
            Turn::Tick,
            "the first one comes at once"
        );
        assert!((0..20).all(|_| asker.ask()));
        drop(go_on);
        assert_eq!(
            [(); 2].map(|()| turns.recv().unwrap()),
            [Turn::Asked, Turn::Tick]
        );
    }

    /// SIGHUPs more often than once a second once kept the ticket keys from being looked at.
    #[test]
    fn turns_that_are_asked_for_put_off_no_tick() {
        let (done, turns) = channel();
        let asker = spawn("background", move |why| done.send(why).unwrap()).unwrap();
        let start = Instant::now();
        let mut ticks = 0;
        while ticks < 2 {
            assert!(start.elapsed() < 20 * PAUSE, "ticks are put off");
            assert!(asker.ask());
            let why = turns.recv_timeout(PAUSE / 10);
            ticks += usize::from(why == Ok(Turn::Tick));
        }
    }
}
