//! The machines and their store, and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rekindle::{Clock, SessionId};
use rekindle_fleet::Sharing;
use rekindle_fleet::fuzzing::{Call, values, written};
use rekindle_fleet::store::{Position, Refusal, Write};
use rustls::server::StoresServerSessions;

use crate::answers::Answer;
use crate::clock::WorldClock;
use crate::machine::Machine;
use crate::session::{LIFETIME, Revoked, Session};
use crate::store::{Alteration, At, Said, Store};

const PERIOD: Duration = Duration::from_secs(300);
pub(crate) const MACHINES: usize = 3;
pub(crate) const SCOPES: [&str; 2] = ["a", "b"];
const HIDES_AGE: &[u8; 4] = b"hide";

#[derive(Arbitrary, Debug)]
pub(crate) struct Setup {
    sharing: Shares,
    has_ratchet: bool,
    /// Whether all that was said arrives the last one first.
    is_backwards: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Shares {
    Replicate,
    Fetch,
    Both,
}

/// Numbers are taken modulo what there is.
#[derive(Arbitrary, Debug)]
pub(crate) enum Operation {
    Make {
        by: u8,
        scope: u8,
        content: Vec<u8>,
    },
    /// A client resumes once what only one may.
    Take {
        by: u8,
        session: u8,
    },
    Remove {
        by: u8,
        session: u8,
    },
    Revoke {
        by: u8,
        scope: Option<u8>,
    },
    /// A machine writes, and is answered.
    Publish {
        by: u8,
        answers: Option<Vec<Answer>>,
    },
    /// A machine finds that the store has lost what it was told.
    Lost {
        by: u8,
    },
    /// What was said once is said to a machine, as it was.
    Repeat {
        to: u8,
        said: u8,
        is_old: bool,
    },
    Alter {
        to: u8,
        said: u8,
        alteration: Alteration,
    },
    /// In another stream, or under the name of another session or in another scope.
    Move {
        to: u8,
        said: u8,
        stream: u8,
        session: u8,
        scope: u8,
    },
    /// A machine reads, and is answered.
    Ask {
        by: u8,
        call: Asked,
        session: u8,
        answer: Answer,
    },
    Pass {
        seconds: u16,
    },
    Maintain {
        by: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Asked {
    Follow,
    ReadBack,
    Get,
}

pub(crate) struct World {
    clock: Arc<WorldClock>,
    /// Since the beginning.
    pub(crate) now: Duration,
    pub(crate) is_backwards: bool,
    scopes: Vec<Scope>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) store: Store,
    pub(crate) sessions: Vec<Session>,
    pub(crate) revoked: Vec<Revoked>,
}

fn chosen(number: u8, of: usize) -> Option<usize> {
    usize::from(number).checked_rem(of)
}

/// Each write is carried out.
fn taken(writes: &[Write]) -> Vec<Result<Position, Refusal>> {
    let places = (1..).map(|number| Ok(Position(1_700_000_000_000, number)));
    places.take(writes.len()).collect()
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let clock = Arc::new(WorldClock::new());
        let mut mixed = 1_u64;
        let bytes: [u8; 32] = std::array::from_fn(|_| {
            mixed = mixed.wrapping_mul(6_364_136_223_846_793_005);
            mixed = mixed.wrapping_add(1_442_695_040_888_963_407);
            (mixed >> 56) as u8
        });
        let first = 1_700_000_000 / PERIOD.as_secs();
        let ratchet = setup.has_ratchet.then_some(first);
        let secret = TicketSecret::new(&bytes, PERIOD, ratchet).expect("it looks random");
        let scopes = SCOPES.map(Scope::new).to_vec();
        let sharing = match setup.sharing {
            Shares::Replicate => Sharing::Replicate,
            Shares::Fetch => Sharing::Fetch,
            Shares::Both => Sharing::Both,
        };
        let machine = |_| Machine::new(&clock, &secret, &scopes, sharing);
        Self {
            machines: (0..MACHINES).map(machine).collect(),
            clock,
            now: Duration::ZERO,
            is_backwards: setup.is_backwards,
            scopes,
            store: Store::default(),
            sessions: Vec::new(),
            revoked: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Make { by, scope, content } => self.make(by, scope, content),
            Operation::Take { by, session } => {
                if let Some(number) = chosen(session, self.sessions.len()) {
                    let (machine, session) = (self.machine(by), &self.sessions[number]);
                    let store = &self.machines[machine].stores[session.scope];
                    if store.take(session.id.as_bytes()).is_some() {
                        self.removed(machine, number);
                    }
                }
            }
            Operation::Remove { by, session } => {
                if let Some(number) = chosen(session, self.sessions.len()) {
                    let machine = self.machine(by);
                    let id = self.sessions[number].id;
                    self.machines[machine].node.remove(&id, LIFETIME);
                    self.removed(machine, number);
                }
            }
            Operation::Revoke { by, scope } => self.revoke(by, scope),
            Operation::Publish { by, answers } => {
                let machine = self.machine(by);
                self.publish(machine, answers);
            }
            Operation::Lost { by } => {
                let machine = self.machine(by);
                self.machines[machine].node.lost();
            }
            Operation::Repeat { to, said, is_old } => {
                if let Some(said) = self.store.said(said).cloned() {
                    self.tell(self.machine(to), &said, is_old);
                }
            }
            Operation::Alter {
                to,
                said,
                alteration,
            } => {
                if let Some(said) = self.store.said(said) {
                    let value = self.store.altered(&said.value, &alteration);
                    let said = Said {
                        at: said.at.clone(),
                        value,
                    };
                    self.tell(self.machine(to), &said, false);
                }
            }
            Operation::Move {
                to,
                said,
                stream,
                session,
                scope,
            } => {
                self.moved(self.machine(to), said, stream, (session, scope));
            }
            Operation::Ask {
                by,
                call,
                session,
                answer,
            } => {
                self.ask(self.machine(by), call, session, answer);
            }
            Operation::Pass { seconds } => {
                let seconds = u64::from(seconds % 1000);
                self.pass(Duration::from_secs(seconds));
            }
            Operation::Maintain { by } => {
                let machine = self.machine(by);
                self.machines[machine].node.maintain();
            }
        }
        // The threads of fleets are woken at once.
        self.machines
            .iter_mut()
            .for_each(|machine| machine.node.take_note());
        self.pass(Duration::from_millis(5));
    }

    fn machine(&self, number: u8) -> usize {
        usize::from(number) % MACHINES
    }

    fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.now += time;
    }

    fn make(&mut self, by: u8, scope: u8, mut content: Vec<u8>) {
        let (machine, scope) = (self.machine(by), usize::from(scope) % SCOPES.len());
        // Ids of every length, of which none comes twice.
        let number = self.sessions.len() as u8;
        let mut id = vec![number; 1 + usize::from(number) % 32];
        id[0] = number;
        // rustls's values end so: by when they began, other machines know which are revoked.
        content.extend_from_slice(&self.clock.unix_time().as_secs().to_be_bytes());
        content.extend_from_slice(HIDES_AGE);
        let put = self.machines[machine].stores[scope].put(id.clone(), content.clone());
        assert!(put, "there is room");
        self.sessions.push(Session {
            id: SessionId::new(&id).expect("up to 32 bytes"),
            scope,
            content,
            by: machine,
            made: self.now,
            is_removed: false,
        });
    }

    fn removed(&mut self, machine: usize, number: usize) {
        self.sessions[number].is_removed = true;
        self.machines[machine].ended.insert(number);
    }

    fn revoke(&mut self, by: u8, scope: Option<u8>) {
        let machine = self.machine(by);
        let scope = scope.map(|scope| usize::from(scope) % SCOPES.len());
        let waited = self.machines[machine].node.waiting();
        let (of_machine, said) = (&self.machines[machine].resumption, self.store.all().len());
        match scope {
            Some(scope) => of_machine.revoke(&self.scopes[scope]),
            None => of_machine.revoke_all(),
        }
        self.publish(machine, None);
        let said = match &self.store.all()[said..] {
            [said] if waited == 0 => Some(said.clone()),
            _ => None,
        };
        let at = self.now;
        self.revoked.push(Revoked {
            by: machine,
            scope,
            at,
            said,
        });
        self.learned(machine, self.revoked.len() - 1);
    }

    /// A machine has learned of a revocation: sessions of before end.
    fn learned(&mut self, machine: usize, revoked: usize) {
        let Revoked { scope, at, .. } = self.revoked[revoked];
        let sessions = self.sessions.iter().enumerate();
        let of = sessions.filter(|(_, session)| {
            session.made < at && scope.is_none_or(|scope| scope == session.scope)
        });
        self.machines[machine]
            .ended
            .extend(of.map(|(number, _)| number));
    }

    /// Without answers, the store carries out all of it.
    pub(crate) fn publish(&mut self, machine: usize, answers: Option<Vec<Answer>>) {
        let (store, node) = (&self.store, &mut self.machines[machine].node);
        let streams = node.streams();
        let writes = node.publish(|writes| match answers {
            None => Some(taken(writes)),
            Some(answers) => {
                let values = answers
                    .into_iter()
                    .map(|answer| answer.value(store, &streams));
                let values = values.chain(std::iter::repeat_with(|| Some(redis::Value::Nil)));
                // As from a connection: an answer for each, or an error of all.
                let results = values.take(writes.len()).map(|value| written(value?).ok());
                results.collect()
            }
        });
        self.store.add(writes);
    }

    pub(crate) fn tell(&mut self, machine: usize, said: &Said, is_old: bool) {
        let node = &self.machines[machine].node;
        match &said.at {
            At::Stream(name) => {
                let follows = node.receive(name, &said.value, is_old);
                let mut revoked = self.revoked.iter();
                let revoked = revoked.position(|revoked| revoked.said.as_ref() == Some(said));
                if let Some(number) = revoked.filter(|_| follows)
                    && self.revoked[number].by != machine
                {
                    self.learned(machine, number);
                }
            }
            At::Key(name) => {
                for session in &self.sessions {
                    let scope = &self.scopes[session.scope];
                    node.receive_entry(name, (&session.id, scope), &said.value);
                }
            }
        }
    }

    fn moved(&mut self, machine: usize, said: u8, stream: u8, (session, scope): (u8, u8)) {
        let (Some(said), node) = (self.store.said(said), &self.machines[machine].node) else {
            return;
        };
        let streams = node.streams();
        if let Some(number) = chosen(stream, streams.len())
            && said.at != At::Stream(streams[number].clone())
        {
            node.receive(&streams[number], &said.value, false);
        }
        if let Some(number) = chosen(session, self.sessions.len()) {
            let session = &self.sessions[number];
            let scope = &self.scopes[usize::from(scope) % SCOPES.len()];
            for name in node.entry_names(&session.id) {
                node.receive_entry(&name, (&session.id, scope), &said.value);
            }
        }
    }

    fn ask(&mut self, machine: usize, call: Asked, session: u8, answer: Answer) {
        let node = &self.machines[machine].node;
        let streams = node.streams();
        let Some(answer) = answer.value(&self.store, &streams) else {
            return;
        };
        let names: Vec<_> = (streams.iter())
            .map(|name| (name.clone(), Position::START))
            .collect();
        let call = match call {
            Asked::Follow => Call::Follow,
            Asked::ReadBack => Call::ReadBack,
            Asked::Get => Call::Get,
        };
        for (stream, value) in values(call, answer, &names).unwrap_or_default() {
            let at = match call {
                Call::Follow | Call::ReadBack => At::Stream(streams[stream].clone()),
                Call::Get => {
                    let Some(number) = chosen(session, self.sessions.len()) else {
                        return;
                    };
                    let id = &self.sessions[number].id;
                    let name = self.machines[machine].node.entry_names(id).pop();
                    At::Key(name.unwrap_or_default())
                }
            };
            self.tell(machine, &Said { at, value }, false);
        }
    }
}
