//! What is true of sessions.

use std::time::Duration;

use rekindle::tickets::TicketSecret;

use crate::session::{LIFETIME, Session};
use crate::world::{MACHINES, SCOPES, World};

const SKEW: Duration = TicketSecret::SKEW;

impl World {
    /// What holds at every moment.
    pub(crate) fn check(&mut self) {
        let removed = self.sessions.iter().filter(|session| session.is_removed);
        let removed = removed.count() as u64;
        for (of, machine) in self.machines.iter_mut().enumerate() {
            let mut tombstones = 0;
            for (number, session) in self.sessions.iter().enumerate() {
                if machine.node.knows_removal_of(&session.id) {
                    assert!(session.is_removed, "it was not removed");
                    machine.ended.insert(number);
                    tombstones += 1;
                }
                for scope in 0..SCOPES.len() {
                    let Some(content) = machine.resumes(scope, session) else {
                        continue;
                    };
                    assert_eq!(content, session.content_at(of), "another content");
                    assert_eq!(scope, session.scope, "another scope");
                    assert!(self.now - session.made <= LIFETIME, "it has ended");
                    assert!(!machine.ended.contains(&number), "it comes back");
                }
            }
            assert!(machine.node.stats().tombstones <= removed.max(tombstones));
        }
    }

    /// What holds when all that was said has arrived.
    pub(crate) fn end(&mut self) {
        for machine in 0..MACHINES {
            let mut turns = 0;
            while self.machines[machine].node.waiting() > 0 {
                self.publish(machine, None);
                turns += 1;
                assert!(turns < 10, "it does not get to the end");
            }
        }
        let mut all = self.store.all().to_vec();
        if self.is_backwards {
            all.reverse();
        }
        for machine in 0..MACHINES {
            all.iter().for_each(|said| self.tell(machine, said, true));
        }
        self.check();
        for (number, session) in self.sessions.iter().enumerate() {
            for machine in &self.machines {
                let resumes = machine.resumes(session.scope, session).is_some();
                assert!(!resumes || !session.is_removed, "a removed one resumes");
                assert!(
                    !resumes || !self.is_revoked(session, Duration::ZERO),
                    "it is revoked"
                );
                let has_time = self.now - session.made + SKEW < LIFETIME;
                let may_be_gone = session.is_removed || self.is_revoked(session, 3 * SKEW);
                assert!(
                    resumes || may_be_gone || !has_time,
                    "session {number} is lost"
                );
            }
        }
    }

    /// Whether it was made before a revocation, or up to that much later.
    fn is_revoked(&self, session: &Session, later: Duration) -> bool {
        self.revoked.iter().any(|revoked| {
            revoked.scope.is_none_or(|scope| scope == session.scope)
                && session.made < revoked.at + later
        })
    }
}
