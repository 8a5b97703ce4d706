//! A child process beside a test: its output, its signals, its CPU time, its certain end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::wait::eventually;

/// A child and what it started. All are killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Both streams, in the order of writing.
    output: File,
    /// Bytes of the output in which [`Self::wait_for`] has searched.
    searched: AtomicUsize,
}

impl Process {
    /// Starts it.
    #[track_caller]
    pub fn spawn(command: &mut Command, stdin: Stdio) -> Self {
        Self::try_spawn(command, stdin).expect("the program starts")
    }

    /// Starts it, or returns why the system refuses.
    pub fn try_spawn(command: &mut Command, stdin: Stdio) -> io::Result<Self> {
        let output = tempfile::tempfile()?;
        command
            .stdin(stdin)
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        Ok(Self {
            child: command.spawn()?,
            output,
            searched: AtomicUsize::new(0),
        })
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        let length = self.output.metadata().map_or(0, |file| file.len());
        let mut bytes = vec![0; length as usize];
        // At an offset of its own: the child writes at the offset that it shares with this file.
        let read = self.output.read_at(&mut bytes, 0).expect("a file");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    /// The last lines that it printed.
    pub fn last_words(&self) -> String {
        let text = self.output();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" / ")
    }

    /// The next line that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let mut found = None;
        eventually(&format!("a line with `{text}`"), || {
            let has_ended = self.has_ended();
            let output = self.output();
            let searched = self.searched.load(Ordering::Relaxed);
            for line in output[searched..].split_inclusive('\n') {
                if !line.ends_with('\n') {
                    break;
                }
                self.searched.fetch_add(line.len(), Ordering::Relaxed);
                if line.contains(text) {
                    found = Some(line.trim_end().to_owned());
                    break;
                }
            }
            let may_come = found.is_some() || !has_ended;
            assert!(may_come, "it ended without a line with `{text}`");
            found.is_some()
        });
        found.expect("a line")
    }

    /// As [`Self::ended`], but leaves the status where it is.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let process = WaitId::Pid(Pid::from_child(&self.child));
        waitid(process, options).is_ok_and(|status| status.is_some())
    }

    /// Waits until it ends by itself. Returns the status and the whole output.
    #[track_caller]
    pub fn wait_for_end(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the process's end", || {
            status = self.ended();
            status.is_some()
        });
        (status.expect("it has ended"), self.output())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is alive");
    }

    /// Its standard input, which must be piped.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is piped")
    }

    /// The system's number for it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of all its processes so far, in user mode and in the kernel.
    pub fn cpu_time(&self) -> Duration {
        self.tree().into_iter().map(cpu_time).sum()
    }

    /// Bytes of memory that all its processes hold; pages that several share are divided among
    /// them.
    pub fn memory(&self) -> u64 {
        self.tree().into_iter().filter_map(proportional).sum()
    }

    /// Descriptors that all its processes have open.
    pub fn descriptors(&self) -> usize {
        let count = |pid| {
            procfs::process::Process::new(pid)
                .and_then(|process| process.fd_count())
                .ok()
        };
        self.tree().into_iter().filter_map(count).sum()
    }

    /// The child, its children, theirs, ..
    fn tree(&self) -> Vec<i32> {
        let all = procfs::process::all_processes()
            .into_iter()
            .flatten()
            .flatten();
        let all: Vec<_> = all.filter_map(|process| process.stat().ok()).collect();
        let mut tree = vec![self.child.id().cast_signed()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(
                all.iter()
                    .filter(|stat| stat.ppid == parent)
                    .map(|stat| stat.pid),
            );
            next += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("process {} printed:\n{}", self.id(), self.output());
        }
        if self.ended().is_some() {
            // Its number may be that of another process by now.
            return;
        }
        let tree = self.tree();
        // The first one first, lest it start others in the place of those that end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in tree.into_iter().skip(1) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// As the scheduler counts it, thread by thread.
fn cpu_time(pid: i32) -> Duration {
    let tasks = procfs::process::Process::new(pid).and_then(|process| process.tasks());
    let times = tasks.into_iter().flatten().flatten();
    let nanos = times.filter_map(|task| Some(task.schedstat().ok()?.sum_exec_runtime));
    Duration::from_nanos(nanos.sum())
}

/// `Pss` of a process, what is swapped out included; none if it has ended.
fn proportional(pid: i32) -> Option<u64> {
    let process = procfs::process::Process::new(pid).ok()?;
    let maps = process.smaps_rollup().ok()?.memory_map_rollup.0;
    let sums = maps.iter().map(|map| {
        let of = |name| map.extension.map.get(name).copied().unwrap_or(0);
        of("Pss") + of("SwapPss")
    });
    Some(sums.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::spawn(Command::new("sh").args(["-c", script]), Stdio::null())
    }

    #[test]
    fn children_of_children_are_counted_and_killed() {
        let process = shell("sh -c 'while :; do :; done' & wait");
        eventually("a child", || process.tree().len() == 2);
        eventually("CPU time", || {
            process.cpu_time() > Duration::from_millis(50)
        });
        let tree = process.tree();
        drop(process);
        let running = |pid: &i32| {
            let stat = procfs::process::Process::new(*pid).and_then(|process| process.stat());
            // A process whose parent has not waited for it yet stays as a zombie.
            stat.is_ok_and(|stat| stat.state != 'Z')
        };
        eventually("the end", || !tree.iter().any(running));
    }

    #[test]
    fn memory_and_descriptors_of_children_are_counted() {
        let process = shell("sleep 60 & exec sleep 60");
        eventually("a child", || process.tree().len() == 2);
        let pid = process.id().cast_signed();
        let first = procfs::process::Process::new(pid).unwrap();
        // The standard streams of the other one at least: both may have inherited more.
        assert!(process.descriptors() >= first.fd_count().unwrap() + 3);
        let (two, one) = (process.memory(), proportional(pid));
        assert!(two > one.unwrap() && two < 64 << 20, "{two} {one:?}");
    }

    #[test]
    #[should_panic(expected = "it ended without a line with `ready`")]
    fn no_line_is_awaited_from_a_process_that_has_ended() {
        shell("echo cannot").wait_for("ready");
    }

    #[test]
    fn its_end_and_last_words_are_known() {
        let mut process = shell("echo cannot; exit 3");
        eventually("the end", || process.ended().is_some());
        assert_eq!(process.ended().unwrap().code(), Some(3));
        assert_eq!(process.last_words(), "cannot");
    }
}
