//! Whether new connections are accepted.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptingState {
    Open,
    /// For as long as a handover takes: clients wait in the kernel's queues.
    Paused,
    /// The process ends: what the kernel has queued is accepted, and then the listeners are closed.
    Draining,
    /// A successor has the listeners, and what the kernel has queued.
    HandedOver,
}

/// Tells the tasks that accept.
#[derive(Debug)]
pub(crate) struct Accepting {
    state: watch::Sender<AcceptingState>,
    /// There is one handover at a time, and no change of what it hands over.
    held: Mutex<()>,
}

impl Accepting {
    pub(crate) fn new(state: AcceptingState) -> Self {
        Self {
            state: watch::Sender::new(state),
            held: Mutex::new(()),
        }
    }

    pub(crate) fn set(&self, state: AcceptingState) {
        self.state.send_replace(state);
    }

    /// The process ends. Whether it still had the listeners.
    pub(crate) fn drain(&self) -> bool {
        self.state.send_if_modified(|state| {
            let is_ours = *state != AcceptingState::HandedOver;
            if is_ours {
                *state = AcceptingState::Draining;
            }
            is_ours
        })
    }

    /// Changes from one state to another. Whether it was in the first one.
    pub(crate) fn change(&self, from: AcceptingState, to: AcceptingState) -> bool {
        self.state.send_if_modified(|state| {
            let is_from = *state == from;
            if is_from {
                *state = to;
            }
            is_from
        })
    }

    /// For a handover, or a change that a successor has to know of. None while there is another,
    /// and when the successor serves.
    pub(crate) fn hold(&self) -> Option<MutexGuard<'_, ()>> {
        let held = self.held.try_lock().ok()?;
        (*self.state.borrow() != AcceptingState::HandedOver).then_some(held)
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch(self.state.subscribe())
    }
}

/// What a task that accepts goes by.
#[derive(Debug)]
pub(crate) struct Watch(watch::Receiver<AcceptingState>);

impl Watch {
    /// The state, once it is not [`Paused`](AcceptingState::Paused).
    pub(crate) async fn unpaused(&mut self) -> AcceptingState {
        let state = self.0.wait_for(|state| *state != AcceptingState::Paused);
        // Without its other end there is nothing left to accept for.
        state
            .await
            .map_or(AcceptingState::HandedOver, |state| *state)
    }

    /// Waits for another state than [`unpaused`](Self::unpaused) has returned.
    pub(crate) async fn changed(&mut self) {
        // As above: the next call of `unpaused` says so.
        let _ = self.0.changed().await;
    }
}
