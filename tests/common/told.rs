//! Sessions, as another machine is told of them.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::panic;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle::resume::{Scope, SessionChange, TlsLibrary};
use rekindle::{Clock, SessionId};

#[derive(Clone, Debug)]
pub struct Stored {
    pub id: SessionId,
    pub scope: Scope,
    pub encoded: Vec<u8>,
    /// How long it still lives: the clocks of two machines have nothing in common.
    pub left: Duration,
}

/// Those that one machine has stored.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<Stored>>>);

impl Told {
    /// A watcher for a machine whose cache has this clock.
    pub fn watcher(
        &self,
        of: TlsLibrary,
        clock: Arc<impl Clock + 'static>,
    ) -> impl Fn(&SessionChange<'_>) + Send + Sync + 'static {
        let stored = Arc::clone(&self.0);
        move |change| {
            if let SessionChange::Stored {
                id,
                scope,
                encoded,
                library,
                expires_at,
                ..
            } = change
            {
                assert_eq!(*library, of);
                stored.lock().unwrap().push(Stored {
                    id: **id,
                    scope: **scope,
                    encoded: encoded.to_vec(),
                    left: expires_at.duration_since(clock.now()),
                });
            }
        }
    }

    /// What was stored since this was asked last.
    pub fn take(&self) -> Vec<Stored> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// From now on watchers panic without their messages. Other tests may panic: theirs are told.
pub fn quiet_watchers() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&"a watcher") {
            before(info);
        }
    }));
}
