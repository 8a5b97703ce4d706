//! The contract told again: what each call must return, store and count.

use std::cell::Cell;
use std::collections::BTreeMap;

use foreign_types_shared::ForeignType;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslSession};
use rekindle_capi::config::rekindle_config;

use crate::calls::{self, Canaries};
use crate::input::{Call, Config, Context, Id, Keys, Room, Session, Size};
use crate::rules;
use crate::sessions::{Made, Sessions};

thread_local! {
    /// Failures that are counted for the whole process: invalid, disabled, not encodable.
    static OF_PROCESS: Cell<[u64; 3]> = const { Cell::new([0; 3]) };
}

/// What is in the structure of statistics behind its size, by place.
mod field {
    use rekindle_capi::stats::rekindle_stats;

    pub(super) const HITS: usize = 1;
    pub(super) const MISSES: usize = 2;
    pub(super) const EXPIRED: usize = 3;
    pub(super) const INSERTS: usize = 4;
    pub(super) const REPLACED: usize = 5;
    pub(super) const REMOVED: usize = 6;
    pub(super) const TAKEN: usize = 7;
    pub(super) const EVICTED_EXPIRED: usize = 8;
    pub(super) const EVICTED_LINE_FULL: usize = 11;
    pub(super) const TOO_LARGE: usize = 12;
    pub(super) const OVER_BUDGET: usize = 13;
    pub(super) const NOT_ENCODABLE: usize = 15;
    pub(super) const CAPACITY: usize = 18;
    pub(super) const ENTRIES: usize = 19;
    pub(super) const BYTES: usize = 20;
    pub(super) const RETIRED: usize = 21;
    pub(super) const RETIRED_BYTES: usize = 22;
    /// What the target counts itself.
    pub(super) const ALL: usize = 27;
    pub(super) const TICKET_KEYS: usize = 55;
    pub(super) const FALLBACK: usize = 59;
    pub(super) const ROTATIONS: usize = 61;
    pub(super) const KNOWN: usize = size_of::<rekindle_stats>() / 8;
}

/// Why a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    /// Counted with the first three of [`OF_PROCESS`].
    Invalid,
    Disabled,
    NotEncodable,
    /// Counted by the cache, or not at all.
    Otherwise,
}

#[derive(Default)]
pub(crate) struct Model {
    service: Option<Service>,
    sessions: Sessions,
    contexts: Vec<SslContextBuilder>,
}

/// What must be there between init and shutdown.
struct Service {
    max_bytes: usize,
    max_session_bytes: usize,
    /// Places among the sessions that are made, by id.
    entries: BTreeMap<(usize, u8), usize>,
    counts: [u64; field::ALL],
    /// How many ticket keys were given last.
    keys: Option<u64>,
}

impl Model {
    pub(crate) fn call(&mut self, call: Call) {
        match call {
            Call::Init(config) => self.init(config.as_ref()),
            Call::Shutdown => {
                calls::shutdown();
                self.told(Ok(()));
                self.service = None;
            }
            Call::Get(id) => self.get(id),
            Call::GetBuffer(id, room) => self.get_buffer(id, room),
            Call::Insert(id, session) => self.insert(id, session),
            Call::Remove(id) => self.remove(id),
            Call::Take(id) => self.take(id),
            Call::TicketKeys(keys) => self.ticket_keys(&keys),
            Call::Stats(size) => self.stats(size),
            Call::HookAdd(there) => {
                let expected = if there {
                    self.enabled()
                } else {
                    Err(Fails::Invalid)
                };
                assert_eq!(calls::hook_add(there), code(expected));
                self.told(expected);
            }
            Call::Attach(context) => self.attach(context),
        }
        self.check_stats();
    }

    /// Contexts may outlive the cache, or not.
    pub(crate) fn end(mut self, contexts_first: bool) {
        if contexts_first {
            self.contexts.clear();
        }
        calls::shutdown();
        // All that was in the cache has been freed: what is still referenced now is leaked.
    }

    fn enabled(&self) -> Result<(), Fails> {
        self.service.as_ref().map(|_| ()).ok_or(Fails::Disabled)
    }

    /// What a call that takes an id says before it looks anything up.
    fn valid(&self, id: Id) -> Result<(usize, u8), Fails> {
        match id {
            Id::Null | Id::Invalid(_) => Err(Fails::Invalid),
            Id::Valid(len, last) => Ok((len, last)),
        }
    }

    /// Compares the error of the thread with what must be said, and counts.
    fn told(&self, expected: Result<(), Fails>) {
        let said = calls::last_error();
        assert_eq!(said.is_empty(), expected.is_ok(), "{said}");
        if let Err(why) = expected {
            let mut counts = OF_PROCESS.get();
            if let Some(count) = counts.get_mut(why as usize) {
                *count += 1;
            }
            OF_PROCESS.set(counts);
        }
    }

    fn init(&mut self, config: Option<&Config>) {
        let fits = config.is_none_or(|c| {
            (40..=4_096).contains(&c.size)
                && (c.size <= size_of::<rekindle_config>() || c.tail == 0)
                && c.reserved == 0
                && c.sessions <= 1 << 32
                && c.max_session_bytes <= 1 << 20
                && (c.max_bytes == 0 || c.max_bytes >= 64)
        });
        let expected = if fits && self.service.is_none() {
            Ok(())
        } else {
            Err(Fails::Otherwise)
        };
        assert_eq!(calls::init(config), code(expected), "{config:?}");
        self.told(expected);
        if expected.is_err() {
            return;
        }
        let (sessions, max_bytes, max_session_bytes) = match config {
            None => (0, 0, 0),
            Some(c) => (c.sessions, c.max_bytes, c.max_session_bytes),
        };
        let or = |n: usize, default| if n == 0 { default } else { n };
        let max_bytes = or(max_bytes, usize::MAX);
        let mut counts = [0; field::ALL];
        counts[field::CAPACITY] = or(sessions, 100_000).min(max_bytes / 64) as u64;
        self.service = Some(Service {
            max_bytes,
            max_session_bytes: or(max_session_bytes, 16_384),
            entries: BTreeMap::new(),
            counts,
            keys: None,
        });
    }

    /// Looks an id up as the cache must: what is there, counted.
    fn lookup(&mut self, id: Id) -> Result<Option<usize>, Fails> {
        let id = self.valid(id)?;
        let service = self.service.as_mut().ok_or(Fails::Disabled)?;
        let place = service.entries.get(&id).copied();
        let (count, live) = match place {
            None => (field::MISSES, None),
            Some(place) if self.sessions.at(place).expired => (field::EXPIRED, None),
            Some(place) => (field::HITS, Some(place)),
        };
        service.counts[count] += 1;
        Ok(live)
    }

    fn get(&mut self, id: Id) {
        let expected = self.lookup(id);
        let found = calls::get(id);
        self.told(expected.map(|_| ()));
        self.is_the_one(found, expected.ok().flatten());
    }

    fn is_the_one(&self, found: Option<SslSession>, expected: Option<usize>) {
        let expected = expected.map(|place| self.sessions.at(place).session.as_ptr());
        assert_eq!(found.map(|session| session.as_ptr()), expected);
    }

    fn get_buffer(&mut self, id: Id, room: Room) {
        let null_length = matches!(room, Room::NullLength);
        let expected = match self.valid(id) {
            Ok(_) if null_length => Err(Fails::Invalid),
            _ => self.lookup(id),
        };
        let live = expected.ok().flatten().map(|place| self.sessions.at(place));
        let der: &[u8] = live.map_or(&[], |made| &made.der);
        let (buffer, len) = match room {
            Room::NullLength => (Some(0), 0),
            Room::Around(more) => {
                let len = (der.len() as i32 + more).max(0);
                (Some(len as usize), len)
            }
            Room::Bytes(len) => (Some(len), len as i32),
            Room::NullBuffer(len) => (None, len),
            Room::Negative(len) => (Some(0), len),
            Room::Huge(len) => (Some(der.len()), len),
        };
        let mut buffer = buffer.map(Canaries::around);
        let mut told = len;
        let length = if null_length { None } else { Some(&mut told) };
        let returned = calls::get_buffer(id, buffer.as_mut(), length);

        assert_eq!(returned as usize, der.len());
        let stored = match &buffer {
            None => 0,
            Some(_) => der.len().min(usize::try_from(len).unwrap_or(0)),
        };
        assert_eq!(told, if live.is_some() { stored as i32 } else { len });
        if let Some(buffer) = &buffer {
            assert!(buffer.bytes()[..stored] == der[..stored]);
            assert!(buffer.are_whole_but_for(stored), "wrote beyond");
        }
        self.told(expected.map(|_| ()));
    }

    fn insert(&mut self, id: Id, session: Session) {
        let place = self.sessions.make(session);
        let expected = self.expect_insert(id, session, place);
        let bare;
        let session = match session {
            Session::Null => None,
            Session::NotEncodable => {
                bare = Sessions::not_encodable();
                Some(&bare)
            }
            Session::Number(_) => place.map(|place| &self.sessions.at(place).session),
        };
        assert_eq!(calls::insert(id, session), expected.is_ok());
        self.told(expected);
        if expected.is_ok() {
            self.find_evicted();
        }
    }

    fn expect_insert(
        &mut self,
        id: Id,
        session: Session,
        place: Option<usize>,
    ) -> Result<(), Fails> {
        let id = self.valid(id)?;
        if matches!(session, Session::Null) {
            return Err(Fails::Invalid);
        }
        let service = self.service.as_mut().ok_or(Fails::Disabled)?;
        let Some(place) = place else {
            return Err(Fails::NotEncodable);
        };
        let len = self.sessions.at(place).der.len();
        if len > service.max_session_bytes {
            service.counts[field::TOO_LARGE] += 1;
            return Err(Fails::Otherwise);
        }
        if charge(len) > service.max_bytes {
            service.counts[field::OVER_BUDGET] += 1;
            return Err(Fails::Otherwise);
        }
        let old = service.entries.insert(id, place);
        match old.map(|old| self.sessions.at(old).expired) {
            Some(false) => service.counts[field::REPLACED] += 1,
            Some(true) => {
                service.counts[field::EVICTED_EXPIRED] += 1;
                service.counts[field::INSERTS] += 1;
            }
            None => service.counts[field::INSERTS] += 1,
        }
        Ok(())
    }

    /// Which entry is evicted nobody can know, for ids are hashed with a random key. How many are,
    /// is counted: as many must be missing.
    fn find_evicted(&mut self) {
        let evicted = field::EVICTED_EXPIRED..=field::EVICTED_LINE_FULL;
        let sum = |counts: &[u64]| counts[evicted.clone()].iter().sum::<u64>();
        let now = self.read_stats();
        let service = self.service.as_mut().expect("something was inserted");
        let gone = sum(&now) - sum(&service.counts);
        service.counts[evicted.clone()].copy_from_slice(&now[evicted.clone()]);
        if gone == 0 {
            return;
        }
        let before = service.entries.len();
        let mut misses = now[field::MISSES];
        let ids: Vec<_> = service.entries.keys().copied().collect();
        for id in ids {
            let there = calls::get(Id::Valid(id.0, id.1)).is_some();
            let now = self.read_stats();
            let service = self.service.as_mut().expect("as above");
            let expired = self.sessions.at(service.entries[&id]).expired;
            if now[field::MISSES] > misses {
                misses = now[field::MISSES];
                service.counts[field::MISSES] += 1;
                service.entries.remove(&id);
            } else if expired {
                service.counts[field::EXPIRED] += 1;
            } else {
                assert!(there);
                service.counts[field::HITS] += 1;
            }
        }
        let service = self.service.as_ref().expect("as above");
        assert_eq!((before - service.entries.len()) as u64, gone, "evicted");
    }

    /// The entry leaves; the live one is returned.
    fn leave(&mut self, id: Id, count: usize) -> Result<Option<usize>, Fails> {
        let id = self.valid(id)?;
        let service = self.service.as_mut().ok_or(Fails::Disabled)?;
        let Some(place) = service.entries.remove(&id) else {
            return Ok(None);
        };
        let live = !self.sessions.at(place).expired;
        service.counts[if live { count } else { field::EVICTED_EXPIRED }] += 1;
        Ok(live.then_some(place))
    }

    fn remove(&mut self, id: Id) {
        let expected = self.leave(id, field::REMOVED);
        assert_eq!(calls::remove(id), expected.is_ok());
        self.told(expected.map(|_| ()));
    }

    fn take(&mut self, id: Id) {
        let expected = self.leave(id, field::TAKEN);
        let found = calls::take(id);
        self.told(expected.map(|_| ()));
        self.is_the_one(found, expected.ok().flatten());
    }

    fn ticket_keys(&mut self, keys: &Keys) {
        let mut given = None;
        let expected = match keys {
            Keys::Null(_) | Keys::Negative(_) => Err(Fails::Invalid),
            Keys::Bytes(bytes) => self.enabled().and_then(|()| {
                let records: Vec<_> = bytes.chunks_exact(48).collect();
                let bad = records.is_empty()
                    || records.iter().any(|record| rules::fault(record).is_some())
                    || !rules::twins(&records, rules::name).is_empty()
                    || !rules::twins(&records, rules::secrets).is_empty();
                if bad {
                    Err(Fails::Invalid)
                } else {
                    given = Some(records.len() as u64);
                    Ok(bytes.len() % 48)
                }
            }),
        };
        assert_eq!(calls::ticket_keys(keys), expected.is_ok());
        if let Some(service) = &mut self.service {
            service.keys = given.or(service.keys);
        }
        match expected {
            // A warning.
            Ok(1..) => assert!(calls::last_error().starts_with("warning")),
            other => self.told(other.map(|_| ())),
        }
    }

    fn stats(&mut self, size: Size) {
        let expected = match size {
            Size::NullStructure => Err(Fails::Invalid),
            Size::Of(216..=4_096) => self.enabled(),
            Size::Of(_) => Err(Fails::Otherwise),
        };
        let (result, words) = calls::stats(size);
        assert_eq!(result, code(expected));
        self.told(expected);
        let keys = words.get(field::TICKET_KEYS).copied();
        if let (Some(keys), Some(service)) = (keys, &self.service) {
            // Those of its own, before any were given.
            assert!(service.keys.map_or(keys > 0, |given| keys == given));
        }
        let within = |from: usize, to: usize| {
            let there = words.iter().take(to).skip(from);
            there.copied().sum::<u64>()
        };
        assert_eq!(within(field::ALL, field::TICKET_KEYS), 0, "no handshakes");
        assert_eq!(within(field::FALLBACK, field::ROTATIONS), 0, "no fallback");
        assert_eq!(within(field::KNOWN, words.len()), 0, "what nobody knows");
    }

    fn attach(&mut self, context: Context) {
        let (place, expected) = match context {
            Context::Null => (None, Err(Fails::Invalid)),
            Context::Fresh => {
                let fresh = SslContext::builder(SslMethod::tls_server()).expect("a context");
                self.contexts.push(fresh);
                (Some(self.contexts.len() - 1), self.enabled())
            }
            Context::Again => match self.contexts.len() {
                0 => return,
                // Attached when it was made, unless there was no cache: then it is gone by now.
                n => (Some(n - 1), self.enabled().and(Err(Fails::Otherwise))),
            },
        };
        let context = place.map(|place| &self.contexts[place]);
        assert_eq!(calls::attach(context), code(expected));
        self.told(expected);
        if context.is_some() && expected == Err(Fails::Disabled) {
            self.contexts.pop();
        }
    }

    fn read_stats(&self) -> Vec<u64> {
        let (result, words) = calls::stats(Size::Of(field::ALL * 8));
        assert_eq!(result, 0);
        words
    }

    fn check_stats(&mut self) {
        let Some(service) = &self.service else {
            return;
        };
        let now = self.read_stats();
        let mut expected = service.counts;
        let made = service
            .entries
            .values()
            .map(|place| self.sessions.at(*place));
        let bytes = |made: &Made| charge(made.der.len()) as u64;
        expected[0] = now[0];
        expected[field::ENTRIES] = service.entries.len() as u64;
        expected[field::BYTES] = made.map(bytes).sum();
        let [invalid, disabled, not_encodable] = OF_PROCESS.get();
        expected[field::NOT_ENCODABLE..][..3].copy_from_slice(&[not_encodable, invalid, disabled]);
        // What waits for its grace period, the engine's own target looks at.
        expected[field::RETIRED] = now[field::RETIRED];
        expected[field::RETIRED_BYTES] = now[field::RETIRED_BYTES];
        assert_eq!(now, expected);
        assert!(expected[field::ENTRIES] <= expected[field::CAPACITY]);
        assert!(expected[field::BYTES] <= service.max_bytes as u64);
    }
}

fn code(expected: Result<(), Fails>) -> i32 {
    if expected.is_ok() { 0 } else { -1 }
}

/// Bytes that an entry counts for, as in the target `operations`.
fn charge(len: usize) -> usize {
    let size: usize = 56 + len + 8;
    if size <= 1_024 {
        return size.next_multiple_of(16);
    }
    size.next_multiple_of((1 << (size - 1).ilog2()) / 4)
}
