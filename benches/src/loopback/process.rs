//! A server's processes: started on its processors, asked for their CPU time, ended for certain.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Units of time in `/proc/PID/stat`: hundredths of a second, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A child and whatever it started. All are killed when this is dropped, and asked to end when the
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
    fn tree(&self) -> Vec<u32> {
        let all = parents();
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            let children = all.iter().filter(|(_, of)| *of == parent);
            tree.extend(children.map(|(pid, _)| *pid));
            next += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            // Its number may be somebody else's by now.
            return;
        }
        let tree = self.tree();
        // The first one first, lest it start others in the place of those that end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in tree.into_iter().skip(1) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Every process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let with_parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = field(&stat, 4)?;
        Some((pid, u32::try_from(parent).ok()?))
    };
    pids.filter_map(with_parent).collect()
}

/// Nanoseconds from the scheduler, thread by thread, where the kernel keeps them; else ticks.
fn cpu_time(pid: u32) -> Duration {
    scheduled(pid).unwrap_or_else(|| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let ticks = field(&stat, 14).unwrap_or(0) + field(&stat, 15).unwrap_or(0);
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    })
}

fn scheduled(pid: u32) -> Option<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    (sum > 0).then(|| Duration::from_nanos(sum))
}

/// A number from `/proc/PID/stat`, counted from 1 as in proc(5). The second field, the name, may
/// have anything in it.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let value = behind_name.split_whitespace().nth(number - 3)?;
    value.parse().ok()
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
        let running = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // A process that nobody waits for yet stays as a zombie.
            stat.rsplit_once(')')
                .is_some_and(|(_, s)| !s.trim_start().starts_with('Z'))
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

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "12 (a) b (c)) S 7 12 12 0 -1 4194304 1 2 3 4 55 66 0";
        assert_eq!(field(stat, 4), Some(7));
        assert_eq!(field(stat, 14), Some(55));
        assert_eq!(field(stat, 15), Some(66));
        assert_eq!(field("", 4), None);
    }
}
