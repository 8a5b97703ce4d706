//! What this process holds of the machine's memory and has used of its processors.

use std::io;
use std::time::Duration;

use procfs::process::Process;
use procfs::{Current, Meminfo};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of anonymous memory that this process has touched and not given back, whether they are in
/// memory or swapped out. The counters of `/proc/self/status` are off by up to some hundred
/// kilobytes; these are summed up page by page.
pub(crate) fn anonymous() -> io::Result<u64> {
    let rollup = Process::myself().and_then(|this| this.smaps_rollup());
    let maps = rollup.map_err(io::Error::other)?.memory_map_rollup.0;
    let sum = |map: &procfs::process::MemoryMap| {
        let of = |name| map.extension.map.get(name);
        Some(of("Anonymous")? + of("Swap")?)
    };
    let sums: Option<u64> = maps.iter().map(sum).sum();
    sums.ok_or_else(|| io::Error::other("the kernel does not say what this process holds"))
}

/// Bytes that the machine has left for programs.
pub(crate) fn available() -> io::Result<u64> {
    let available = Meminfo::current().map_err(io::Error::other)?.mem_available;
    available.ok_or_else(|| io::Error::other("the kernel does not say what is available"))
}

/// CPU time of the calling thread so far, in user mode and in the kernel.
pub(crate) fn cpu_time_of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// The same of this process, threads that have ended included.
pub(crate) fn cpu_time_of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// A thread of this process, whose CPU time others may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task(i32);

impl Task {
    /// All that there are.
    pub(crate) fn all() -> Vec<Self> {
        let tasks = Process::myself().and_then(|this| this.tasks());
        let tasks = tasks.expect("the kernel lists them");
        tasks.flatten().map(|task| Self(task.tid)).collect()
    }

    /// Its CPU time so far; zero when it has ended.
    pub(crate) fn cpu_time(self) -> Duration {
        // How the kernel names the clock of a thread (CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED).
        let clock = (!self.0 << 3) | 6;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` can be written to.
        #[allow(unsafe_code)]
        unsafe {
            libc::clock_gettime(clock, &raw mut time);
        }
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    time.try_into().expect("no time before the start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_is_that_which_it_reads_itself() {
        const BUSY: Duration = Duration::from_millis(30);
        let others = Task::all();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            while cpu_time_of_thread() < BUSY {}
            let task = Task(rustix::thread::gettid().as_raw_nonzero().get());
            tell.send((task, cpu_time_of_thread())).unwrap();
            let _ = ends.recv();
            cpu_time_of_thread()
        });
        let (task, before) = told.recv().unwrap();
        assert!(Task::all().contains(&task) && !others.contains(&task));
        let seen = task.cpu_time();
        drop(end);
        let after = thread.join().unwrap();
        assert!(BUSY <= before && before <= seen && seen <= after);
        // Its last steps in the kernel come after it is joined.
        let mut moments = (0..1_000).map(|_| std::thread::sleep(Duration::from_millis(1)));
        assert!(moments.any(|()| task.cpu_time().is_zero()), "it has ended");
    }

    #[test]
    fn what_is_touched_counts_and_what_is_given_back_does_not() {
        const MIB: i64 = 1 << 20;
        let before = anonymous().unwrap();
        // Other tests run meanwhile, and take and give back some.
        let grown = || anonymous().unwrap().cast_signed() - before.cast_signed();
        let mut block = vec![0u8; 256 << 20];
        assert!(grown() < 32 * MIB, "{} before it was touched", grown());
        block.iter_mut().step_by(4_096).for_each(|byte| *byte = 1);
        assert!((224 * MIB..288 * MIB).contains(&grown()), "{}", grown());
        drop(block);
        assert!(grown() < 32 * MIB, "{} after it was given back", grown());
    }
}
