//! A machine of a fleet, with the real code for all but its tasks.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rekindle::resume::Scope;
use rekindle::rustls::{Resumption, SessionStore};
use rekindle::tickets::{TicketRing, TicketSecret};
use rekindle::{Cache, SessionId};
use rustls::server::StoresServerSessions;

use super::LIFETIME;
use super::clock::{MachineClock, unix_millis};
use super::store::StoreModel;
use crate::batch::Batch;
use crate::machine::{Content, Machine, Stream};
use crate::outbox::{Ending, Outbox};
use crate::queue::Queue;
use crate::schedule::Schedule;
use crate::seal::Sealer;
use crate::sharing::Sharing;
use crate::store::{Position, Refusal, Write};
use crate::tasks::{Backlog, Place, begin, take_note};

/// How a fleet is set up.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) secret: TicketSecret,
    pub(super) scopes: Vec<Scope>,
    pub(super) sharing: Sharing,
    pub(super) tombstones: usize,
    pub(super) own_removals: usize,
    pub(super) queue: usize,
    pub(super) queued_endings: usize,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Taken,
    /// It is carried out, and the answer is lost.
    Unanswered,
    /// It is carried out later, after others perhaps, and the answer is lost.
    Late,
    /// It is carried out now and once more later, and the answer is lost.
    Twice,
    /// It is lost.
    Lost,
}

pub(super) struct Node {
    pub(super) clock: Arc<MachineClock>,
    pub(super) resumption: Resumption,
    pub(super) stores: Vec<Arc<SessionStore>>,
    pub(super) machine: Machine,
    pub(super) queue: Arc<Queue>,
    pub(super) outbox: Outbox,
    setup: Setup,
    places: HashMap<String, Place>,
    backlog: Backlog,
    following: Vec<Arc<Stream>>,
    /// What `following` was made for.
    known: Option<RangeInclusive<u64>>,
    pub(super) is_connected: bool,
    has_read_endings: bool,
    publishes: bool,
    looked_at: u64,
    /// How often it was started.
    pub(super) incarnation: u32,
    /// What it has removed, or has been told to be removed, since it was started.
    pub(super) learned: HashSet<SessionId>,
    /// What it has removed and not taken note of.
    pub(super) unnoted: Vec<SessionId>,
}

impl Node {
    pub(super) fn new(setup: &Setup, clock: Arc<MachineClock>, incarnation: u32) -> Self {
        let cache = Cache::builder().capacity(512).clock(clock.clone());
        let cache = Arc::new(cache.build().expect("it fits"));
        let ring = TicketRing::builder().clock(clock.clone()).build();
        let resumption = Resumption::builder()
            .cache(cache)
            .ticket_ring(Arc::new(ring.expect("random bytes")))
            .session_timeout(LIFETIME)
            .build()
            .expect("nothing is wrong with that");
        let schedule = Schedule::new(setup.secret.clone(), LIFETIME).expect("long periods");
        let sealer = Sealer::new().expect("random bytes");
        let sessions = Box::new(resumption.clone());
        let machine = Machine::new(sessions, schedule, sealer, setup.tombstones);
        let queue = Arc::new(Queue::with_endings(setup.queue, setup.queued_endings));
        let (of_watcher, counters) = (Arc::clone(&queue), Arc::clone(&machine.counters));
        resumption.watch(move |change| of_watcher.push(change, &counters));
        let stores = setup.scopes.iter().map(|scope| resumption.store(scope));
        Self {
            stores: stores.collect(),
            outbox: Outbox::new(setup.sharing, setup.queue, setup.own_removals),
            setup: setup.clone(),
            clock,
            resumption,
            machine,
            queue,
            places: HashMap::new(),
            backlog: Backlog::default(),
            following: Vec::new(),
            known: None,
            is_connected: false,
            has_read_endings: false,
            publishes: false,
            looked_at: 0,
            incarnation,
            learned: HashSet::new(),
            unnoted: Vec::new(),
        }
    }

    /// Whether a client can resume it here.
    pub(super) fn resumes(&self, scope: usize, id: &SessionId) -> bool {
        self.stores[scope].get(id.as_bytes()).is_some()
    }

    /// As `Fleet::remove`.
    pub(super) fn remove(&mut self, id: SessionId, left: Duration) {
        self.queue.remove(&*self.machine.sessions, &id, left);
    }

    fn unix(&self) -> u64 {
        unix_millis(&self.clock.world)
    }

    /// Connections break.
    pub(super) fn disconnect(&mut self) {
        (self.is_connected, self.has_read_endings) = (false, false);
        self.publishes = false;
        self.following.clear();
        self.known = None;
    }

    /// Takes note of what has happened here.
    pub(super) fn take_note(&mut self) {
        take_note(&self.machine, &self.queue, &mut self.outbox);
        self.learned.extend(self.unnoted.drain(..));
    }

    /// One turn of `publish_on`. What was written.
    pub(super) fn publish(&mut self, store: &mut StoreModel, fate: Fate) -> Vec<Write> {
        self.take_note();
        self.machine.maintain();
        if store.is_down || fate == Fate::Lost {
            self.publishes = false;
            if fate == Fate::Lost {
                let batch = self.outbox.batch(&self.machine);
                self.outbox.told(&self.machine, batch, None);
            }
            return Vec::new();
        }
        let now = self.unix();
        let is_due = !self.publishes || now >= self.looked_at + 10_000;
        if is_due || self.outbox.has_endings() {
            self.look_for_loss(store);
            self.looked_at = now;
        }
        self.publishes = true;
        let batch: Batch = self.outbox.batch(&self.machine);
        if batch.writes.is_empty() {
            return Vec::new();
        }
        let results: Option<Vec<Result<Position, Refusal>>> = match fate {
            Fate::Taken => Some(store.write(&batch.writes, now)),
            Fate::Unanswered | Fate::Twice => {
                store.write(&batch.writes, now);
                None
            }
            Fate::Late | Fate::Lost => None,
        };
        if matches!(fate, Fate::Late | Fate::Twice) {
            store.late.push(batch.writes.clone());
        }
        self.publishes = results.is_some();
        let writes = batch.writes.clone();
        self.outbox.told(&self.machine, batch, results);
        writes
    }

    fn look_for_loss(&mut self, store: &StoreModel) {
        let has_lost = |(stream, ending): &(String, Ending)| {
            let found = store.read_back(stream, ending.0, 1);
            found.first() != Some(ending)
        };
        let now = self.machine.unix_time();
        if self.outbox.newest_endings(now).iter().any(has_lost) {
            self.outbox.lost();
        }
    }

    /// One turn of `Follower::run`: up to `most` values of each stream. What they were.
    pub(super) fn follow(
        &mut self,
        store: &StoreModel,
        most: usize,
    ) -> Vec<(Arc<Stream>, Vec<u8>)> {
        if store.is_down {
            self.disconnect();
            return Vec::new();
        }
        self.is_connected = true;
        self.choose(store);
        let mut seen = Vec::new();
        if !self.has_read_endings {
            let is_ending = |stream: &&Arc<Stream>| stream.content == Content::Endings;
            let endings = self.following.iter().take_while(is_ending).count();
            while self.read(store, endings, 1000, &mut seen) {}
            self.has_read_endings = true;
        }
        self.read(store, self.following.len(), most, &mut seen);
        seen
    }

    fn choose(&mut self, store: &StoreModel) {
        let periods = self.machine.open_periods();
        if self.known.replace(periods.clone()) == Some(periods) {
            return;
        }
        let mut streams = self.machine.streams(&self.setup.scopes).unwrap_or_default();
        let replicates = self.setup.sharing.replicates();
        streams.retain(|stream| replicates || stream.content == Content::Endings);
        for stream in &streams {
            if !self.following.contains(stream) {
                self.begin(store, stream);
            }
        }
        self.places
            .retain(|name, _| streams.iter().any(|stream| stream.name == *name));
        self.following = streams;
    }

    fn begin(&mut self, store: &StoreModel, stream: &Arc<Stream>) {
        let place = |up_to| Place::of(store.read_back(&stream.name, up_to, 1).into_iter().next());
        let end = place(Position::END);
        let read = self.places.get(&stream.name).cloned();
        let there = read.as_ref().map(|read| place(read.at)).unwrap_or_default();
        let (begin, gap) = begin(stream, read, &there, end);
        gap.into_iter().for_each(|gap| self.backlog.add(gap));
        self.places.insert(stream.name.clone(), begin);
    }

    fn read(
        &mut self,
        store: &StoreModel,
        number: usize,
        most: usize,
        seen: &mut Vec<(Arc<Stream>, Vec<u8>)>,
    ) -> bool {
        let mut any = false;
        for stream in &self.following[..number] {
            let from = self.places.get(&stream.name).map(|place| place.at);
            for (at, value) in store.read(&stream.name, from.unwrap_or_default(), most) {
                self.machine.receive(stream, &value, false);
                let place = Place::of(Some((at, value.clone())));
                self.places.insert(stream.name.clone(), place);
                seen.push((stream.clone(), value));
                any = true;
            }
        }
        any
    }

    /// One page of a gap, as `backfill` reads it. Whether there is more.
    pub(super) fn backfill(&mut self, store: &StoreModel, page: usize) -> bool {
        if store.is_down || !self.has_read_endings {
            return false;
        }
        let Some(mut gap) = self.backlog.newest() else {
            return false;
        };
        let values = store.read_back(&gap.stream.name, gap.up_to, page);
        let (values, has_more) = gap.take(&values, page);
        for (_, value) in values {
            self.machine.receive(&gap.stream, value, true);
        }
        if has_more {
            self.backlog.add(gap);
        }
        true
    }

    /// As `fetch` asks for one session.
    pub(super) fn fetch(&mut self, store: &StoreModel, id: &SessionId, scope: &Scope) {
        if store.is_down || !self.setup.sharing.fetches() || self.machine.sessions.contains(id) {
            return;
        }
        for (period, name) in self.machine.entry_names(id).unwrap_or_default() {
            if let Some(value) = store.get(&name) {
                self.machine.receive_entry(period, (id, scope), &value);
            }
        }
    }
}
