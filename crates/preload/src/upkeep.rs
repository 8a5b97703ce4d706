//! A thread in each process that serves: maintenance, statistics.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, process, thread};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use rekindle_prometheus::ResumptionCollector;

use crate::take::{Taker, inside};

/// The process that has such a thread: a process that forks off it has none yet.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Starts the thread, unless this process has it.
pub(crate) fn start(taker: &'static Taker) {
    let this = process::id();
    if PROCESS.load(Ordering::Relaxed) == this || PROCESS.swap(this, Ordering::Relaxed) == this {
        return;
    }
    // The server's signals are for its own threads.
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: sets of signals of this thread's stack.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = thread::Builder::new().name("rekindle".to_owned());
    if let Err(error) = thread.spawn(move || inside(|| work(taker))) {
        eprintln!("rekindle-preload: no thread for maintenance: {error}");
    }
    // SAFETY: filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
}

fn work(taker: &Taker) {
    let mut registry = Registry::with_prefix("rekindle");
    registry.register_collector(Box::new(ResumptionCollector::new(taker.resumption.clone())));
    let stats = taker.stats.as_deref().map(of_this_process);
    loop {
        // Without randomness for a key the keys in use stay, and the next turn tries again.
        let _ = taker.resumption.maintain();
        if let Some(file) = &stats {
            // Where the server's user may not write there is nothing to read.
            let _ = write(file, &registry);
        }
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// Each process counts by itself: its number is the last part of the file's name.
fn of_this_process(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", process::id()));
    name.into()
}

/// A reader sees the whole of it, or of the one before.
fn write(file: &Path, registry: &Registry) -> std::io::Result<()> {
    let mut content = String::new();
    text::encode(&mut content, registry).map_err(std::io::Error::other)?;
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, content)?;
    fs::rename(&new, file)
}
