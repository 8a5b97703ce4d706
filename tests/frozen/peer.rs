//! Another thread, which makes one whole call whenever it is told to.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::history::{Op, Ret};
use crate::subject::{Subject, make};

pub(crate) struct Peer {
    ask: Option<mpsc::Sender<Op>>,
    answers: mpsc::Receiver<Ret>,
    handle: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn spawn(subject: &Arc<Subject>) -> Self {
        let (ask, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let subject = Arc::clone(subject);
        let handle = thread::spawn(move || {
            for op in asked {
                answer.send(make(&subject, op)).expect("the test waits");
            }
        });
        Self {
            ask: Some(ask),
            answers,
            handle: Some(handle),
        }
    }

    pub(crate) fn make(&self, op: Op) -> Ret {
        let ask = self.ask.as_ref().expect("not ended yet");
        ask.send(op).expect("the thread listens");
        self.answers.recv().expect("the thread answers")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ask = None;
        let ended = self.handle.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking());
    }
}
