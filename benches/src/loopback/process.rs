//! A server's processes: started on its processors, asked for their CPU time, ended for certain.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// A child and what it started. All are killed when this is dropped, and asked to end when the
/// thread that started it does (so that nothing outlives a harness that was killed).
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it on `cpus`; what it prints goes to the file `log`.
    pub(super) fn start(mut command: Command, cpus: &CpuSet, log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let cpus = *cpus;
        let prepare = move || {
            sched_setaffinity(None, &cpus)?;
            set_parent_process_death_signal(Some(Signal::TERM))?;
            Ok(())
        };
        // SAFETY: between fork and exec it makes two system calls, and neither allocates nor locks.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(prepare);
        }
        Ok(Self {
            child: command.spawn()?,
            log: log.to_owned(),
        })
    }

    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines that it printed.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" / ")
    }

    /// CPU time of all its processes so far, in user mode and in the kernel.
    pub(super) fn cpu_time(&self) -> Duration {
        self.tree().into_iter().map(cpu_time).sum()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> (Process, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let cpus = rustix::thread::sched_getaffinity(None).unwrap();
        let log = directory.path().join("log");
        (Process::start(command, &cpus, &log).unwrap(), directory)
    }

    fn eventually(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn children_of_children_are_counted_and_killed() {
        let (process, _directory) = shell("sh -c 'while :; do :; done' & wait");
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
    fn its_end_and_last_words_are_known() {
        let (mut process, _directory) = shell("echo cannot; exit 3");
        eventually("the end", || process.ended().is_some());
        assert_eq!(process.ended().unwrap().code(), Some(3));
        assert_eq!(process.last_words(), "cannot");
    }
}
