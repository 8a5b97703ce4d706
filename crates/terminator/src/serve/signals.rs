//! The signals that the terminator handles.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signal handlers. From their installation on, no signal takes its default action.
#[derive(Debug)]
pub(crate) struct Signals {
    /// SIGHUP: reload.
    pub(crate) reload: Signal,
    /// SIGUSR2: start a successor.
    pub(crate) successor: Signal,
    /// SIGTERM and SIGINT: drain.
    pub(crate) stop: StopSignals,
}

#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            successor: signal(SignalKind::user_defined2())?,
            stop: StopSignals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
        })
    }
}

impl StopSignals {
    /// Waits for the signal that begins the drain, and names it.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for the signal that ends a drain early.
    pub(crate) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}
