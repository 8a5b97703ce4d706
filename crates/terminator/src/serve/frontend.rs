//! What the workers share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use crate::admin::Metrics;
use crate::handover::{Accepting, AcceptingState};
use crate::log_limit::LogLimit;

/// Everything that the workers share.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) live: ArcSwap<Live>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) max_connections: usize,
    pub(super) accepting: Arc<Accepting>,
    /// Connections are to end.
    pub(super) drain: CancellationToken,
    pub(super) log_limits: LogLimits,
}

impl Frontend {
    pub(super) fn new(
        live: Live,
        metrics: Arc<Metrics>,
        max_connections: usize,
        accepting: AcceptingState,
    ) -> Arc<Self> {
        Arc::new(Self {
            live: ArcSwap::from_pointee(live),
            metrics,
            max_connections,
            accepting: Arc::new(Accepting::new(accepting)),
            drain: CancellationToken::new(),
            log_limits: LogLimits::default(),
        })
    }
}

/// For events that an operator has to know of, and that may come with every connection.
#[derive(Debug, Default)]
pub(super) struct LogLimits {
    pub(super) refused: LogLimit,
    pub(super) accept_errors: LogLimit,
    pub(super) setup_failures: LogLimit,
}
