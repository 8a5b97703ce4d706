//! A thread that halts just before a step, and goes on when it is told to.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rekindle::steps::{Step, watch};

/// Whether a thread halts before a step.
type Halt = Box<dyn FnMut(&Step) -> bool + Send>;

/// A thread that has not completed its work by then, a fraction of a second's, is taken to wait for
/// a halted one.
pub(crate) const FOR_GOOD: Duration = Duration::from_secs(30);

pub(crate) struct Halted<R> {
    go_on: mpsc::Sender<Halt>,
    halts: mpsc::Receiver<()>,
    thread: JoinHandle<R>,
}

impl<R: Send + 'static> Halted<R> {
    /// Runs `warm_up`, and then `act` up to the first step at which it halts. Without one, what
    /// `act` has returned.
    pub(crate) fn start(
        warm_up: impl FnOnce() + Send + 'static,
        act: impl FnOnce() -> R + Send + 'static,
        halt: impl FnMut(&Step) -> bool + Send + 'static,
    ) -> Result<Self, R> {
        let (say, halts) = mpsc::channel();
        let (go_on, told) = mpsc::channel::<Halt>();
        let mut halt: Halt = Box::new(halt);
        let on_step = move |step: Step| {
            if halt(&step) {
                say.send(()).expect("the test waits");
                halt = told.recv().unwrap_or_else(|_| Box::new(|_| false));
            }
        };
        let thread = thread::spawn(move || {
            warm_up();
            watch(on_step, act)
        });
        let this = Self {
            go_on,
            halts,
            thread,
        };
        match this.halts.recv_timeout(FOR_GOOD) {
            Ok(()) => Ok(this),
            Err(RecvTimeoutError::Disconnected) => Err(this.finish()),
            Err(RecvTimeoutError::Timeout) => panic!("it waits for a thread that is frozen"),
        }
    }

    /// Goes on to another step.
    pub(crate) fn go_to(&self, halt: impl FnMut(&Step) -> bool + Send + 'static) {
        self.go_on.send(Box::new(halt)).expect("the thread waits");
        self.halts.recv().expect("the thread comes to this step");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.go_on
            .send(Box::new(|_| false))
            .expect("it has not ended");
    }

    /// Goes on to the end.
    pub(crate) fn finish(self) -> R {
        drop(self.go_on);
        self.thread.join().expect("no panic")
    }
}
