//! Threads that serve connections. Each has a runtime and listeners of its own: no connection moves
//! from one to another, and nothing that is done for one takes a lock of another.

use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deadlines::Deadlines;
use super::frontend::Frontend;
use super::watchdog::Watchdog;
use crate::error::WorkerError;

/// The running workers.
#[derive(Debug)]
pub(super) struct Workers {
    /// Its senders go with the threads.
    reports: mpsc::Receiver<Report>,
    workers: usize,
    abort: CancellationToken,
}

impl Workers {
    /// A thread for each runtime, with its group of listeners.
    pub(super) fn spawn(
        mut runtimes: Runtimes,
        groups: Vec<Vec<TcpListener>>,
        frontend: &Arc<Frontend>,
        watchdog: Option<Watchdog>,
    ) -> io::Result<Self> {
        let workers = runtimes.0.len();
        // A worker has a few to make.
        let (alive, reports) = mpsc::channel(4 * workers.max(1));
        let abort = CancellationToken::new();
        for (number, (runtime, listeners)) in runtimes.0.drain(..).zip(groups).enumerate() {
            let (frontend, abort, alive) = (Arc::clone(frontend), abort.clone(), alive.clone());
            let watchdog = watchdog.clone();
            let run = move || {
                if let Some(watchdog) = watchdog {
                    runtime.spawn(watchdog.beat(number));
                }
                let served = || runtime.block_on(serve(frontend, listeners, abort, &alive));
                if catch_unwind(AssertUnwindSafe(served)).is_err() {
                    let panicked = WorkerError::Accept("it panicked".into());
                    let _ = alive.try_send(Report::Failed(panicked));
                }
                // Drops the connections that are left. A lookup of an upstream's name must not
                // delay the exit.
                runtime.shutdown_background();
                drop(alive);
            };
            let name = format!("worker-{number}");
            thread::Builder::new().name(name).spawn(run)?;
        }
        Ok(Self {
            reports,
            workers,
            abort,
        })
    }

    /// Waits until each worker can accept.
    ///
    /// # Errors
    ///
    /// That of one that cannot.
    pub(super) async fn listening(&mut self) -> Result<(), WorkerError> {
        let mut listening = 0;
        while listening < self.workers {
            match self.reports.recv().await {
                Some(Report::Listening) => listening += 1,
                Some(Report::Failed(error)) => return Err(error),
                None => return Err(WorkerError::Accept("all threads have ended".into())),
            }
        }
        Ok(())
    }

    /// Waits for a worker that accepts no longer, though no drain has begun.
    pub(super) async fn failed(&mut self) -> WorkerError {
        loop {
            match self.reports.recv().await {
                Some(Report::Failed(error)) => return error,
                Some(Report::Listening) => {}
                // All have ended, as they were told to.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until all connections have ended; after the drain has begun, or this never ends.
    pub(super) async fn ended(&mut self) {
        while self.reports.recv().await.is_some() {}
    }

    /// Cuts the connections that are left.
    pub(super) fn abort(&self) {
        self.abort.cancel();
    }
}

/// What a worker has to say.
#[derive(Debug)]
enum Report {
    /// It can accept at all its listeners.
    Listening,
    Failed(WorkerError),
}

/// The runtimes of workers that have not begun.
#[derive(Debug)]
pub(super) struct Runtimes(Vec<Runtime>);

impl Runtimes {
    pub(super) fn new(workers: usize) -> io::Result<Self> {
        let mut runtimes = Self(Vec::with_capacity(workers));
        for _ in 0..workers {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            runtimes.0.push(builder.enable_all().build()?);
        }
        Ok(runtimes)
    }
}

impl Drop for Runtimes {
    fn drop(&mut self) {
        // A runtime must not be dropped by a task of another one, which waits for nothing.
        self.0.drain(..).for_each(Runtime::shutdown_background);
    }
}

async fn serve(
    frontend: Arc<Frontend>,
    listeners: Vec<TcpListener>,
    abort: CancellationToken,
    reports: &mpsc::Sender<Report>,
) {
    let connections = TaskTracker::new();
    let deadlines = Deadlines::default();
    tokio::spawn(deadlines.clone().run());
    let mut accepting = JoinSet::new();
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let (connections, deadlines) = (connections.clone(), deadlines.clone());
                accepting.spawn(Arc::clone(&frontend).accept(listener, connections, deadlines));
            }
            Err(error) => {
                let _ = reports.try_send(Report::Failed(WorkerError::Listener(error)));
                return;
            }
        }
    }
    let _ = reports.try_send(Report::Listening);
    while let Some(ended) = accepting.join_next().await {
        if let Err(error) = ended {
            let failed = WorkerError::Accept(error.to_string());
            let _ = reports.try_send(Report::Failed(failed));
        }
    }
    // No connection can be added any more.
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = abort.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::time::Duration;

    use clap::{Args, Command, FromArgMatches};
    use rekindle::openssl::Resumption;

    use super::*;
    use crate::admin::Metrics;
    use crate::cli::Settings;
    use crate::handover::AcceptingState;
    use crate::serve::parts::Parts;
    use crate::serve::upstream::Upstreams;
    use crate::sizing::ReuseEstimator;

    fn frontend() -> Arc<Frontend> {
        let words = Settings::augment_args(Command::new("demo")).get_matches_from(["", "--demo"]);
        let settings = Settings::from_arg_matches(&words).unwrap();
        let resumption = Resumption::builder().build().unwrap();
        let reuse = ReuseEstimator::watch(&resumption, Duration::from_secs(1));
        let upstreams = Arc::new(Upstreams::new(Vec::new()));
        let parts = Parts::load(&settings, None).unwrap();
        let live = parts.live(
            &settings,
            (&resumption, None),
            &upstreams,
            upstreams.in_use(),
        );
        let metrics = Arc::new(Metrics::new(&resumption, reuse, upstreams, None));
        Frontend::new(live.unwrap(), metrics, 1, AcceptingState::Open)
    }

    /// As tokio wants it.
    const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

    /// The kernel waits for no regular file.
    fn broken() -> TcpListener {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/proc/self/exe");
        OwnedFd::from(file.unwrap()).into()
    }

    #[tokio::test]
    async fn a_worker_that_cannot_accept_says_so() {
        let good = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        };
        let groups = vec![vec![good()], vec![broken(), good(), broken()]];
        let frontend = frontend();
        let mut workers =
            Workers::spawn(Runtimes::new(2).unwrap(), groups, &frontend, None).unwrap();
        let error = workers.listening().await.expect_err("one cannot");
        assert!(matches!(error, WorkerError::Listener(_)), "{error}");
        frontend.accepting.set(AcceptingState::Draining);
        workers.ended().await;
    }
}
