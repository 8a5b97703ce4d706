//! What systemd is told, and the sockets that it gives: nothing where there is no systemd.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use crate::handover::{GivenSocket, Purpose};

/// The name of the admin address's socket (`FileDescriptorName=`).
const ADMIN: &str = "admin";

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot notify systemd");
    }
}

/// Connections are served, or a reload is over.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A reload begins. From systemd 253 on (`Type=notify-reload`) the message has the time.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot read the clock"),
    }
}

/// The drain begins.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// A successor is the service from now on.
pub(crate) fn main_process_is(pid: u32) {
    notify(&[NotifyState::MainPid(pid)]);
}

/// The workers go on.
pub(crate) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Within which time systemd wants to hear of this process again and again (`WatchdogSec=`).
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|time| !time.is_zero())
}

/// Whether systemd has opened sockets for this process (`LISTEN_FDS`).
pub(crate) fn gives_sockets() -> bool {
    sd_notify::listen_fds().is_ok_and(|sockets| sockets.len() > 0)
}

/// The sockets that systemd has opened. To be called once, before anything else opens files.
pub(crate) fn sockets() -> std::io::Result<Vec<GivenSocket>> {
    let sockets = sd_notify::listen_fds_with_names()?;
    let sockets = sockets.map(|(socket, name)| GivenSocket {
        purpose: match name == ADMIN {
            true => Purpose::Admin(None),
            false => Purpose::Listen(None),
        },
        socket: owned(socket),
    });
    Ok(sockets.collect())
}

#[allow(unsafe_code)]
fn owned(socket: i32) -> OwnedFd {
    // SAFETY: systemd has opened it for this process (LISTEN_PID is its id), and this is the only
    // place that takes it.
    unsafe { OwnedFd::from_raw_fd(socket) }
}
