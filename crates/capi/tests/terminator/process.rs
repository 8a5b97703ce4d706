//! A program that runs beside a test, and the lines that it prints.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::common::run;

/// Far longer than any step takes, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Lines still to come, of both output streams.
    lines: Receiver<String>,
    seen: RefCell<Vec<String>>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command, stdin: Stdio) -> Self {
        let (output, input) = pipe().expect("a pipe");
        command
            .stdin(stdin)
            .stdout(input.try_clone().expect("a pipe's end"))
            .stderr(input);
        let child = command.spawn().expect("the program starts");
        // The pipe ends with the program: no other process may hold it open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            child,
            lines: lines(output),
            seen: RefCell::default(),
        }
    }

    /// The next line that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            match self.next_line() {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(why) => panic!("waited in vain for `{text}`: {why}"),
            }
        }
    }

    /// Waits until it ends by itself. Returns the status and the whole output.
    #[track_caller]
    pub(crate) fn wait_for_end(mut self) -> (ExitStatus, String) {
        loop {
            match self.next_line() {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        let status = self.child.wait().expect("it has ended");
        (status, self.seen.take().join("\n"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        run(Command::new("sh").args(["-c", &kill]));
    }

    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is piped")
    }

    fn next_line(&self) -> Result<String, RecvTimeoutError> {
        let line = self.lines.recv_timeout(DEADLINE)?;
        self.seen.borrow_mut().push(line.clone());
        Ok(line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may fail, if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            while self.next_line().is_ok() {}
            let pid = self.child.id();
            eprintln!("process {pid} wrote:\n{}", self.seen.borrow().join("\n"));
        }
    }
}

fn lines(output: PipeReader) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
