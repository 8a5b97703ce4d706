//! Revocations that other machines tell.

use std::time::Duration;

use openssl::ssl::SslSession;
use rekindle::openssl::Scope;

use crate::common::{self, Client, Mechanism};
use crate::machine::{HOUR, Machine, Stored, scope, unix};

const TICK: Duration = Duration::from_millis(1);

/// Of one scope, or of all.
fn targets() -> [Option<Scope>; 2] {
    [Some(scope()), None]
}

impl Machine {
    /// A client with a session that this machine has just made.
    fn newcomer(&self, kind: Mechanism) -> (Client, SslSession) {
        let (client, _) = self.visited(kind);
        let session = client.session();
        (client, session)
    }

    fn resumes(&self, (client, session): &(Client, SslSession)) -> bool {
        client.offer(&self.server(), session).resumed()
    }

    /// A session of another machine that has begun now.
    fn guest(&self, kind: Mechanism) -> (Client, SslSession) {
        let (client, stored): (Client, Stored) = Machine::new(kind).visited(kind);
        assert!(self.insert(&stored).unwrap());
        let session = client.session();
        (client, session)
    }

    fn unix(&self) -> Duration {
        rekindle::Clock::unix_time(&*self.clock)
    }
}

#[test]
fn what_began_before_is_revoked_and_what_begins_after_is_not() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            let machine = Machine::new(kind);
            let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
            assert!(machine.resumes(&own) && machine.resumes(&guest));
            let resumption = &machine.resumption;
            let until = machine.unix() + HOUR;
            resumption.revoke_from_elsewhere(target.as_ref(), until);
            assert!(!machine.resumes(&own), "{kind:?}");
            assert!(!machine.resumes(&guest), "{kind:?}");
            assert_eq!(resumption.session_stats().revoked, 2, "{kind:?}");
            // One that comes only now, of a machine whose clock is behind or not.
            assert!(!machine.resumes(&machine.guest(kind)), "{kind:?}");
            // Of this machine's own, those that have begun by then: before `until` has passed.
            machine.clock.pass(TICK);
            let own = machine.newcomer(kind);
            assert!(machine.resumes(&own), "{kind:?}");
            // The same one again.
            resumption.revoke_from_elsewhere(target.as_ref(), until);
            assert!(machine.resumes(&own), "{kind:?}");
        }
    }
}

#[test]
fn other_scopes_are_left_alone() {
    for kind in Mechanism::STATEFUL {
        let machine = Machine::new(kind);
        let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
        let other = Scope::new("admin.example");
        let until = machine.unix() + HOUR;
        machine
            .resumption
            .revoke_from_elsewhere(Some(&other), until);
        machine.resumption.extend_revocation(Some(&other), until);
        assert!(machine.resumes(&own) && machine.resumes(&guest), "{kind:?}");
    }
}

/// Told by a machine whose clock is behind, or by one that was cut off.
#[test]
fn one_of_before_spares_what_has_begun_since() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            let machine = Machine::new(kind);
            let old = machine.newcomer(kind);
            // OpenSSL writes the time of now into sessions: the hour has passed before.
            machine.clock.pass(HOUR);
            machine.clock.step(-3_600);
            let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
            let until = machine.unix() - HOUR / 2;
            machine
                .resumption
                .revoke_from_elsewhere(target.as_ref(), until);
            assert!(!machine.resumes(&old), "{kind:?}");
            assert!(machine.resumes(&own) && machine.resumes(&guest), "{kind:?}");
        }
    }
}

#[test]
fn another_one_is_not_taken_for_known() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            let machine = Machine::new(kind);
            let revoke = |until| {
                (machine.resumption).revoke_from_elsewhere(target.as_ref(), until);
                machine.clock.pass(TICK);
            };
            let first = machine.unix() + HOUR;
            revoke(first);
            let own = machine.newcomer(kind);
            // A later one, by a machine whose clock is behind.
            let second = machine.unix() + HOUR / 2;
            revoke(second);
            assert!(!machine.resumes(&own), "{kind:?}");
            // A store that has lost them is told them again, and so are all that read it.
            let own = machine.newcomer(kind);
            for until in [first, second, second, first, second] {
                revoke(until);
                assert!(machine.resumes(&own), "{kind:?}");
            }
            // One that is known for a scope may be new for all, and the other way round.
            let other = match target {
                Some(_) => None,
                None => Some(scope()),
            };
            (machine.resumption).revoke_from_elsewhere(other.as_ref(), first);
            assert!(!machine.resumes(&own), "{kind:?}");
        }
    }
}

/// Of two revocations, its own and another machine's, each holds for what it covers.
#[test]
fn neither_takes_back_what_the_other_has_revoked() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            for own_first in [false, true] {
                let machine = Machine::new(kind);
                // Ahead: what is made meanwhile has begun before, by any clock.
                machine.clock.step(1_800);
                let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
                let resumption = &machine.resumption;
                let revoke_here = || match &target {
                    Some(scope) => resumption.revoke(scope),
                    None => resumption.revoke_all(),
                };
                let revoke_there = |until| resumption.revoke_from_elsewhere(target.as_ref(), until);
                let long_ago = machine.unix() - HOUR;
                if own_first {
                    revoke_here();
                    revoke_there(long_ago);
                } else {
                    revoke_there(long_ago);
                    assert!(machine.resumes(&own) && machine.resumes(&guest));
                    revoke_here();
                }
                machine.clock.pass(TICK);
                assert!(!machine.resumes(&own), "{kind:?}, {own_first}");
                assert!(!machine.resumes(&guest), "{kind:?}, {own_first}");
                assert!(machine.resumes(&machine.newcomer(kind)), "{kind:?}");
            }
        }
    }
}

/// Those of machines whose clocks are ahead; this machine's own are as old as they are.
#[test]
fn an_extension_reaches_sessions_of_other_machines_alone() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            let machine = Machine::new(kind);
            // The clocks of the other machines are ahead.
            machine.clock.step(-1_800);
            let resumption = &machine.resumption;
            let first = machine.newcomer(kind);
            match &target {
                Some(scope) => resumption.revoke(scope),
                None => resumption.revoke_all(),
            }
            machine.clock.pass(TICK);
            let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
            assert!(!machine.resumes(&first), "{kind:?}");
            assert!(machine.resumes(&own) && machine.resumes(&guest), "{kind:?}");
            let until = machine.unix() + HOUR;
            resumption.extend_revocation(target.as_ref(), until);
            assert!(machine.resumes(&own), "{kind:?}");
            assert!(!machine.resumes(&guest), "{kind:?}");
            // Its end is the time that was said.
            machine.clock.step(-3_600);
            assert!(!machine.resumes(&guest), "{kind:?}");
        }
    }
}

/// A machine that came up weeks ago drops revocations that no session can have outlived.
#[test]
fn an_extension_outlives_the_next_revocation() {
    for kind in Mechanism::STATEFUL {
        let weeks = Duration::from_secs(60 * 86_400);
        let machine = Machine::that_came_up(kind, weeks, |builder| builder);
        let guest = machine.guest(kind);
        let until = machine.unix() + HOUR;
        let resumption = &machine.resumption;
        resumption.extend_revocation(Some(&scope()), until);
        assert!(!machine.resumes(&guest), "{kind:?}");
        resumption.revoke(&Scope::new("another"));
        assert!(!machine.resumes(&guest), "{kind:?}");
    }
}

#[test]
fn times_that_cannot_be_do_no_harm() {
    for kind in Mechanism::STATEFUL {
        for target in targets() {
            let machine = Machine::new(kind);
            let (own, guest) = (machine.newcomer(kind), machine.guest(kind));
            let resumption = &machine.resumption;
            for until in [Duration::ZERO, Duration::from_nanos(1)] {
                resumption.revoke_from_elsewhere(target.as_ref(), until);
                resumption.extend_revocation(target.as_ref(), until);
                assert!(machine.resumes(&own) && machine.resumes(&guest), "{kind:?}");
            }
            for until in [Duration::from_secs(1 << 40), Duration::MAX] {
                machine.clock.pass(TICK);
                let own = machine.newcomer(kind);
                resumption.extend_revocation(target.as_ref(), until);
                assert!(machine.resumes(&own), "{kind:?}");
                resumption.revoke_from_elsewhere(target.as_ref(), until);
                assert!(!machine.resumes(&own), "{kind:?}");
                assert!(!machine.resumes(&guest), "{kind:?}");
            }
            // Sessions of other machines are refused from now on; its own resume.
            machine.clock.pass(TICK);
            assert!(machine.resumes(&machine.newcomer(kind)), "{kind:?}");
            assert!(!machine.resumes(&machine.guest(kind)), "{kind:?}");
        }
    }
}

/// By tickets, of machines that share their keys: what a session of elsewhere is for a ticket.
#[test]
fn tickets_of_other_machines_are_revoked_as_well() {
    let keys = rekindle::tickets::TicketKeys::random().unwrap();
    for kind in Mechanism::TICKETS {
        for target in targets() {
            let [here, there] = [(); 2].map(|()| {
                Machine::configured(kind, |builder| {
                    let ring = rekindle::tickets::TicketRing::builder().keys(&keys);
                    builder.ticket_ring(ring.build().unwrap().into())
                })
            });
            let client = Client::new(kind);
            client.connect(&here.server());
            let session = client.session();
            assert!(client.offer(&there.server(), &session).resumed());
            let until = unix() + HOUR;
            (there.resumption).revoke_from_elsewhere(target.as_ref(), until);
            assert!(
                !client.offer(&there.server(), &session).resumed(),
                "{kind:?}"
            );
            assert_eq!(there.resumption.ticket_stats().revoked, 1, "{kind:?}");
            assert!(client.offer(&here.server(), &session).resumed());
        }
    }
}

#[test]
fn revocations_of_elsewhere_hold_however_sessions_are_stored() {
    common::with_other_storages(&[
        what_began_before_is_revoked_and_what_begins_after_is_not,
        one_of_before_spares_what_has_begun_since,
        another_one_is_not_taken_for_known,
        neither_takes_back_what_the_other_has_revoked,
        an_extension_reaches_sessions_of_other_machines_alone,
        times_that_cannot_be_do_no_harm,
    ]);
}
