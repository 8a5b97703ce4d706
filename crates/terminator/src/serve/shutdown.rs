//! How a process that ends tells its connections.

use tokio_util::sync::CancellationToken;

/// The two stages of a shutdown: first the drain, then the abort.
#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown {
    /// The listener closes; open connections finish what they do.
    pub(super) drain: CancellationToken,
    /// Open connections are cut.
    pub(super) abort: CancellationToken,
}
