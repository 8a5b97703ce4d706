//! Why a connection got no upstream.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::peer::Upstream;

/// What became of each upstream, in the order in which they were tried.
#[derive(Debug, Default)]
pub(crate) struct ConnectError(Vec<(Arc<Upstream>, io::Error)>);

impl ConnectError {
    pub(super) fn push(&mut self, upstream: &Arc<Upstream>, error: io::Error) {
        self.0.push((Arc::clone(upstream), error));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn names(&self, upstream: &Arc<Upstream>) -> bool {
        self.0
            .iter()
            .any(|(failed, _)| Arc::ptr_eq(failed, upstream))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there is no upstream");
        }
        f.write_str("cannot connect to upstream ")?;
        for (n, (upstream, error)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {error}", upstream.name())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}
