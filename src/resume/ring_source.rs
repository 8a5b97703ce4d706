//! Where an adapter's ring of ticket keys comes from.

use std::sync::Arc;
use std::time::Duration;

use crate::tickets::{TicketPolicy, TicketRing, TicketRingError, TicketSecret};

/// A ring that was configured elsewhere, or what one is made of.
#[derive(Debug, Default)]
pub(crate) struct RingSource {
    pub(crate) ring: Option<Arc<TicketRing>>,
    pub(crate) policy: Option<TicketPolicy>,
    pub(crate) secret: Option<TicketSecret>,
}

impl RingSource {
    /// The ring; `None` if one was given beside a policy or a secret. `lifetime`: that of tickets,
    /// if it is not the policy's. A ring that was given keeps its own.
    pub(crate) fn ring(
        &self,
        lifetime: Option<Duration>,
    ) -> Option<Result<Arc<TicketRing>, TicketRingError>> {
        if let Some(ring) = &self.ring {
            let is_alone = self.policy.is_none() && self.secret.is_none();
            return is_alone.then(|| Ok(Arc::clone(ring)));
        }
        let mut policy = self.policy.unwrap_or_default();
        if let Some(lifetime) = lifetime {
            policy = policy.lifetime(lifetime);
        }
        let mut builder = TicketRing::builder().policy(policy);
        if let Some(secret) = &self.secret {
            builder = builder.secret(secret);
        }
        Some(builder.build().map(Arc::new))
    }
}
