//! Machines, their store, and what is true of their sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rekindle::SessionId;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rustls::server::StoresServerSessions;

use super::clock::{MachineClock, WorldTime, unix_millis};
use super::node::{Fate, Node, Setup};
use super::random::Random;
use super::store::StoreModel;
use super::{LIFETIME, PERIOD};
use crate::machine::{Content, Stream};
use crate::message::Message;
use crate::schedule::{SKEW, Schedule};
use crate::seal::{Kind, Sealer};
use crate::sharing::Sharing;
use crate::store::Write;

/// A machine, and which of its lives.
type Incarnation = (usize, u32);

pub(super) struct World {
    pub(super) random: Random,
    /// Nothing fails, and nothing is short.
    pub(super) is_calm: bool,
    pub(super) time: WorldTime,
    pub(super) setup: Setup,
    pub(super) nodes: Vec<Node>,
    pub(super) store: StoreModel,
    pub(super) lives: Vec<Life>,
    pub(super) revocations: Vec<Revoked>,
    /// All that was ever written, for a store that repeats it: with the streams.
    heard: Vec<(Arc<Stream>, Vec<u8>)>,
    /// What endings say, and which machine says it.
    labels: HashMap<Vec<u8>, (Vec<Message>, Incarnation)>,
    observer: (Schedule, Sealer),
}

/// A session.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: SessionId,
    pub(super) scope: usize,
    /// Where it was made, and in which of its lives.
    pub(super) made_by: Incarnation,
    /// In the world's time.
    pub(super) made_at: u64,
    /// By the maker's clock, since 1970.
    pub(super) began: Duration,
    pub(super) removed_by: Vec<Incarnation>,
}

/// A revocation.
#[derive(Debug)]
pub(super) struct Revoked {
    pub(super) scope: Option<usize>,
    pub(super) at: u64,
    /// By the clock of the machine that revoked.
    pub(super) until: Duration,
    pub(super) by: Incarnation,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_calm = random.one_in(8);
        let time: WorldTime = Arc::new(AtomicU64::new(random.next() % (4 * 86_400_000)));
        let mut bytes = [0; 32];
        (bytes.iter_mut()).for_each(|byte| *byte = random.next() as u8);
        let now = Duration::from_millis(unix_millis(&time)) - 3 * PERIOD;
        let ratchet = random.one_in(2).then(|| now.as_secs() / PERIOD.as_secs());
        let secret = TicketSecret::new(&bytes, PERIOD, ratchet).expect("random");
        let mut less = |most: usize, fewest: usize| match is_calm {
            true => most,
            false => fewest + random.below(8),
        };
        let setup = Setup {
            secret: secret.clone(),
            scopes: ["a", "b"].map(Scope::new).to_vec(),
            tombstones: less(1000, 1),
            own_removals: less(1000, 1),
            queue: less(1000, 2),
            queued_endings: less(1000, 1),
            sharing: [Sharing::Replicate, Sharing::Fetch, Sharing::Both][random.below(3)],
        };
        let schedule = Schedule::new(secret, LIFETIME).expect("long periods");
        let observer = (schedule, Sealer::new().expect("random bytes"));
        let mut world = Self {
            random,
            is_calm,
            time,
            setup,
            nodes: Vec::new(),
            store: StoreModel::default(),
            lives: Vec::new(),
            revocations: Vec::new(),
            heard: Vec::new(),
            labels: HashMap::new(),
            observer,
        };
        (0..2 + world.random.below(2)).for_each(|_| world.join());
        world
    }

    pub(super) fn unix(&self) -> u64 {
        unix_millis(&self.time)
    }

    pub(super) fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    /// Time passes. The threads of fleets are woken at once, so they have taken note by then.
    pub(super) fn pass(&mut self, millis: u64) {
        self.nodes.iter_mut().for_each(Node::take_note);
        self.pass_unnoted(millis);
    }

    pub(super) fn pass_unnoted(&mut self, millis: u64) {
        self.time.fetch_add(millis, Ordering::Relaxed);
        self.store.expire(self.unix());
    }

    /// Of two clocks, none is more than [`SKEW`] ahead.
    pub(super) fn skew(&mut self) -> i64 {
        let most = SKEW.as_millis() as usize;
        self.random.below(most + 1) as i64 - most as i64 / 2
    }

    pub(super) fn join(&mut self) {
        let clock = MachineClock {
            world: Arc::clone(&self.time),
            ahead: AtomicI64::new(self.skew()),
        };
        self.nodes.push(Node::new(&self.setup, Arc::new(clock), 0));
    }

    /// A machine comes back, and has forgotten all.
    pub(super) fn restart(&mut self, node: usize) {
        let before = &self.nodes[node];
        let (clock, incarnation) = (Arc::clone(&before.clock), before.incarnation + 1);
        self.nodes[node] = Node::new(&self.setup, clock, incarnation);
    }

    pub(super) fn make_session(&mut self, node: usize) {
        let scope = self.random.below(self.setup.scopes.len());
        let key = self.random.next().to_be_bytes();
        let made = &self.nodes[node];
        // As rustls ends its values: with when they were made, and four bytes.
        let created_at = made.machine.unix_time().as_secs().to_be_bytes();
        let value = [&key[..], &created_at, &key[..4]].concat();
        if !made.stores[scope].put(key.to_vec(), value) {
            return;
        }
        self.lives.push(Life {
            id: SessionId::new(&key).expect("8 bytes"),
            scope,
            made_by: (node, made.incarnation),
            made_at: self.now(),
            began: made.machine.unix_time(),
            removed_by: Vec::new(),
        });
    }

    /// A client resumes once what only one may, or a connection fails, or the program removes it.
    pub(super) fn remove(&mut self, node: usize, life: usize) {
        let by_program = self.random.one_in(4);
        let (life, made) = (&mut self.lives[life], &mut self.nodes[node]);
        if by_program {
            made.remove(life.id, LIFETIME);
        } else if made.stores[life.scope].take(life.id.as_bytes()).is_none() {
            return;
        }
        made.unnoted.push(life.id);
        life.removed_by.push((node, made.incarnation));
    }

    pub(super) fn revoke(&mut self, node: usize) {
        let scope = self.random.below(self.setup.scopes.len() + 1);
        let scope = (scope < self.setup.scopes.len()).then_some(scope);
        let made = &self.nodes[node];
        match scope {
            Some(scope) => made.resumption.revoke(&self.setup.scopes[scope]),
            None => made.resumption.revoke_all(),
        }
        self.revocations.push(Revoked {
            scope,
            at: self.now(),
            until: made.machine.unix_time() + SKEW,
            by: (node, made.incarnation),
        });
    }

    pub(super) fn publish(&mut self, node: usize, fate: Fate) {
        let written = self.nodes[node].publish(&mut self.store, fate);
        for write in &written {
            if let Write::Append { stream, value, .. } = write
                && stream.contains(":e:")
            {
                self.label(value, (node, self.nodes[node].incarnation));
            }
        }
    }

    /// Reads an ending as a machine would that has the secret.
    fn label(&mut self, value: &[u8], by: Incarnation) {
        let unix = Duration::from_millis(self.unix());
        let (schedule, sealer) = &mut self.observer;
        for period in schedule.open_periods(unix) {
            let Ok(keys) = schedule.keys(period) else {
                continue;
            };
            let opened = sealer.open((period, &keys), Kind::Ending, &[], value);
            if let Ok(body) = opened {
                let messages =
                    Message::read_all(&body, None).map(|message| message.expect("whole"));
                (self.labels).insert(value.to_vec(), (messages.collect(), by));
            }
        }
    }

    pub(super) fn follow(&mut self, node: usize, most: usize) -> bool {
        let seen = self.nodes[node].follow(&self.store, most);
        let any = !seen.is_empty();
        for (stream, value) in seen {
            self.has_learned(node, &value);
            if self.heard.len() < 64 {
                self.heard.push((stream, value));
            }
        }
        any
    }

    fn has_learned(&mut self, node: usize, value: &[u8]) {
        for message in self
            .labels
            .get(value)
            .iter()
            .flat_map(|(messages, _)| messages)
        {
            if let Message::Removal(removal) = message {
                self.nodes[node].learned.insert(removal.id);
            }
        }
    }

    pub(super) fn fetch(&mut self, node: usize, life: usize) {
        let Life { id, scope, .. } = self.lives[life];
        let scope = self.setup.scopes[scope];
        self.nodes[node].fetch(&self.store, &id, &scope);
    }

    /// The store repeats what it has heard, in the right place or in another one.
    pub(super) fn replay(&mut self, node: usize) {
        if self.heard.is_empty() {
            return;
        }
        let (at, other) = (
            self.random.below(self.heard.len()),
            self.random.below(self.heard.len()),
        );
        let is_moved = self.random.one_in(3);
        let (stream, value) = self.heard[at].clone();
        if is_moved && self.heard[other].0 != stream {
            let stream = self.heard[other].0.clone();
            let sessions = self.nodes[node].resumption.cache().len();
            self.nodes[node].machine.receive(&stream, &value, false);
            let after = self.nodes[node].resumption.cache().len();
            assert_eq!(sessions, after, "taken in another place");
        } else {
            self.nodes[node].machine.receive(&stream, &value, false);
            if stream.content == Content::Endings {
                self.has_learned(node, &value);
            }
        }
    }

    /// What holds at every moment: see the head of the module.
    pub(super) fn check(&self, node: usize) {
        let at = &self.nodes[node];
        for life in &self.lives {
            let is_gone = at.learned.contains(&life.id);
            assert!(
                !is_gone || !at.resumes(life.scope, &life.id),
                "machine {node} resumes {life:?} and knows of its removal"
            );
        }
        let tombstones = at.machine.state().removed.len();
        assert!(tombstones <= self.setup.tombstones);
        assert!(at.outbox.own_removals() <= self.setup.own_removals);
    }

    /// What holds when all that was said has arrived.
    pub(super) fn check_all(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            assert!(node.outbox.is_empty(), "machine {number} has more to say");
            for life in &self.lives {
                self.check_life(number, node, life);
            }
        }
    }

    fn check_life(&self, number: usize, node: &Node, life: &Life) {
        let resumes = node.resumes(life.scope, &life.id);
        let is_removed = !life.removed_by.is_empty() && self.can_know_removal(life);
        assert!(
            !(resumes && is_removed),
            "machine {number} resumes {life:?}"
        );
        let revoked = |revoked: &&Revoked| self.covers(revoked, life) && self.can_know(revoked);
        let is_revoked = self.revocations.iter().find(revoked);
        assert!(
            !(resumes && is_revoked.is_some()),
            "machine {number} resumes {life:?}; it was revoked: {is_revoked:?}"
        );
        let age = self.now() - life.made_at;
        let (lifetime, skew) = (LIFETIME.as_millis() as u64, SKEW.as_millis() as u64);
        assert!(!resumes || age <= lifetime + skew, "it has ended");
        if self.is_calm && age + 3 * skew < lifetime {
            self.check_kept(number, resumes, life);
        }
    }

    /// Nothing was short and nothing failed.
    fn check_kept(&self, number: usize, resumes: bool, life: &Life) {
        let is_own = life.made_by == (number, self.nodes[number].incarnation);
        let touches = |revoked: &Revoked| {
            revoked.scope.is_none_or(|scope| scope == life.scope)
                && self.now() >= revoked.at
                && match (is_own, number == revoked.by.0) {
                    (true, true) => life.made_at <= revoked.at,
                    (true, false) => life.began <= revoked.until,
                    // Values say when they were made in whole seconds.
                    _ => Duration::from_secs(life.began.as_secs()) <= revoked.until,
                }
        };
        let replicates = self.setup.sharing.replicates();
        let may_miss = !life.removed_by.is_empty() || self.revocations.iter().any(touches);
        assert!(
            resumes || may_miss || !(is_own || replicates),
            "machine {number} lacks {life:?}, to which nothing has happened"
        );
    }

    fn covers(&self, revoked: &Revoked, life: &Life) -> bool {
        revoked.scope.is_none_or(|scope| scope == life.scope) && life.made_at <= revoked.at
    }

    fn lives_on(&self, (node, incarnation): Incarnation) -> bool {
        self.nodes[node].incarnation == incarnation
    }

    /// Not if the only machines that would have told of it are gone, and the store has lost it.
    fn can_know_removal(&self, life: &Life) -> bool {
        let is_it = |message: &Message| match message {
            Message::Removal(removal) => removal.id == life.id,
            _ => false,
        };
        let has_it =
            |value: &[u8]| (self.labels.get(value)).is_some_and(|(said, _)| said.iter().any(is_it));
        life.removed_by.iter().any(|by| self.lives_on(*by)) || self.store.has(has_it)
    }

    fn can_know(&self, revoked: &Revoked) -> bool {
        let scope = revoked
            .scope
            .map(|scope| *self.setup.scopes[scope].as_bytes());
        let covers = |message: &Message| match message {
            Message::Revocation { scope: of, until } => {
                (of.is_none() || *of == scope) && *until >= revoked.until
            }
            _ => false,
        };
        let is_it = |value: &[u8]| match self.labels.get(value) {
            Some((said, by)) => *by == revoked.by && said.iter().any(covers),
            None => false,
        };
        self.lives_on(revoked.by) || self.store.has(is_it)
    }
}
