//! The fleet that runs.

use std::sync::Arc;
use std::time::Duration;

use rekindle::openssl::Resumption;
use rekindle::resume::Scope;
use rekindle_fleet::{Fleet, FleetStats, Sharing};
use rekindle_prometheus::FleetCollector;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::open::OpenedFleet;
use crate::cli::Settings;
use crate::error::FleetError;
use crate::serve::tls::SessionFetch;

/// How long the end of the process waits for the store to take what waits for it.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The fleet that runs.
#[derive(Debug, Clone)]
pub(crate) struct SharedFleet {
    fleet: Arc<Fleet>,
    sharing: Sharing,
    /// The store's, without user and password.
    address: Arc<str>,
}

/// How it stands.
#[derive(Debug)]
pub(crate) struct FleetStatus {
    pub(crate) address: Arc<str>,
    pub(crate) fetches: bool,
    pub(crate) stats: FleetStats,
}

impl SharedFleet {
    /// Starts one, if the settings say so. It follows no scope until it is told of some.
    pub(in crate::serve) fn start(
        settings: &Settings,
        resumption: &Resumption,
    ) -> Result<Option<Self>, FleetError> {
        let Some(of_fleet) = settings.fleet() else {
            return Ok(None);
        };
        let opened = OpenedFleet::open(&of_fleet)?;
        let flag = "fleet";
        let fleet = opened.builder.start(resumption.clone());
        let fleet = fleet.map_err(|source| FleetError::Start { flag, source })?;
        info!(store = opened.address, sharing = ?opened.sharing, "shares sessions with a fleet");
        if settings.stateless_tickets {
            warn!(
                "the fleet has only sessions of clients without tickets, removals and revocations \
                 to share while --tickets is on"
            );
        }
        Ok(Some(Self {
            fleet: Arc::new(fleet),
            sharing: opened.sharing,
            address: opened.address.into(),
        }))
    }

    /// The scopes whose sessions this machine resumes from now on.
    pub(in crate::serve) fn set_scopes(&self, scopes: &[Scope]) {
        self.fleet.set_scopes(scopes.iter().copied());
    }

    /// What looks in the store for sessions that clients name, if that is how they are shared.
    pub(in crate::serve) fn session_fetch(&self) -> Option<SessionFetch> {
        self.fetches()
            .then(|| SessionFetch::new(Arc::clone(&self.fleet)))
    }

    fn fetches(&self) -> bool {
        self.sharing != Sharing::Replicate
    }

    /// Ends the sharing once the store has what waits, within a few seconds.
    pub(in crate::serve) async fn close(self) {
        let fleet = Arc::clone(&self.fleet);
        // An error says that it has panicked.
        let _ = spawn_blocking(move || fleet.close(LAST_WORDS)).await;
        let waiting = self.fleet.stats().waiting;
        if waiting > 0 {
            warn!(
                waiting,
                "the fleet's store has not taken all changes: they are lost"
            );
        }
    }

    pub(crate) fn status(&self) -> FleetStatus {
        FleetStatus {
            address: Arc::clone(&self.address),
            fetches: self.fetches(),
            stats: self.fleet.stats(),
        }
    }

    pub(crate) fn collector(&self) -> FleetCollector {
        FleetCollector::new(Arc::clone(&self.fleet))
    }
}
