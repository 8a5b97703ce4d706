//! A machine, and what it has learned.

use std::collections::HashSet;
use std::sync::Arc;

use rekindle::Cache;
use rekindle::resume::Scope;
use rekindle::rustls::{Resumption, SessionStore};
use rekindle::tickets::{TicketRing, TicketSecret};
use rekindle_fleet::Sharing;
use rekindle_fleet::fuzzing::Node;
use rustls::server::StoresServerSessions;

use crate::clock::WorldClock;
use crate::session::{LIFETIME, Session};

pub(crate) struct Machine {
    pub(crate) node: Node,
    pub(crate) resumption: Resumption,
    pub(crate) stores: Vec<Arc<SessionStore>>,
    /// Numbers of the sessions that it must not resume any more.
    pub(crate) ended: HashSet<usize>,
}

impl Machine {
    pub(crate) fn new(
        clock: &Arc<WorldClock>,
        secret: &TicketSecret,
        scopes: &[Scope],
        sharing: Sharing,
    ) -> Self {
        let cache = Cache::builder().capacity(512).clock(clock.clone());
        let ring = TicketRing::builder().clock(clock.clone()).build();
        let resumption = Resumption::builder()
            .cache(Arc::new(cache.build().expect("it fits")))
            .ticket_ring(Arc::new(ring.expect("random bytes")))
            .session_timeout(LIFETIME)
            .build()
            .expect("nothing is wrong with that");
        let stores = scopes.iter().map(|scope| resumption.store(scope)).collect();
        let settings = (secret.clone(), LIFETIME);
        Self {
            node: Node::new(resumption.clone(), settings, scopes, sharing),
            resumption,
            stores,
            ended: HashSet::new(),
        }
    }

    /// What a client resumes with under some scope, if it does.
    pub(crate) fn resumes(&self, scope: usize, session: &Session) -> Option<Vec<u8>> {
        self.stores[scope].get(session.id.as_bytes())
    }
}
