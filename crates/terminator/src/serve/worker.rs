//! Threads that serve connections. Each has a runtime and listeners of its own: no connection moves
//! from one to another, and nothing that is done for one takes a lock of another.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::deadlines::Deadlines;
use super::frontend::Frontend;

/// The running workers.
#[derive(Debug)]
pub(super) struct Workers {
    /// Its senders go with the threads.
    running: mpsc::Receiver<Infallible>,
    abort: CancellationToken,
}

impl Workers {
    /// A thread for each runtime, with its group of listeners.
    pub(super) fn spawn(
        mut runtimes: Runtimes,
        groups: Vec<Vec<TcpListener>>,
        frontend: &Arc<Frontend>,
    ) -> io::Result<Self> {
        let (alive, running) = mpsc::channel(1);
        let abort = CancellationToken::new();
        for (number, (runtime, listeners)) in runtimes.0.drain(..).zip(groups).enumerate() {
            let (frontend, abort, alive) = (Arc::clone(frontend), abort.clone(), alive.clone());
            let run = move || {
                let served = runtime.block_on(serve(frontend, listeners, abort));
                if let Err(error) = served {
                    error!(%error, "a worker cannot serve");
                }
                // Drops the connections that are left. A lookup of an upstream's name must not
                // delay the exit.
                runtime.shutdown_background();
                drop(alive);
            };
            let name = format!("worker-{number}");
            thread::Builder::new().name(name).spawn(run)?;
        }
        Ok(Self { running, abort })
    }

    /// Waits until all connections have ended; after the drain has begun, or this never ends.
    pub(super) async fn ended(&mut self) {
        self.running.recv().await;
    }

    /// Cuts the connections that are left.
    pub(super) fn abort(&self) {
        self.abort.cancel();
    }
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
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let deadlines = Deadlines::default();
    tokio::spawn(deadlines.clone().run());
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = Arc::clone(&frontend).accept(listener, connections.clone(), deadlines.clone());
        accepting.push(tokio::spawn(accept));
    }
    for accept in accepting {
        // Once these have ended, no connection can be added.
        let _ = accept.await;
    }
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = abort.cancelled() => {}
    }
    Ok(())
}
