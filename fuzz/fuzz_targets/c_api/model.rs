//! A model of the contract: what each call must return, store and count.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::offset_of;

use foreign_types_shared::ForeignType;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslSession};
use rekindle::openssl::CachedSession;
use rekindle_capi::config::rekindle_config;
use rekindle_capi::stats::rekindle_stats;

use crate::calls::{self, Canaries};
use crate::input::{Call, Config, Context, Id, Room, Session};
use crate::rules;
use crate::sessions::{Made, Sessions};

thread_local! {
    /// Failures that count for the whole process: invalid, disabled, not encodable.
    static OF_PROCESS: Cell<[u64; 3]> = const { Cell::new([0; 3]) };
}

/// Why a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    /// The first three count in [`OF_PROCESS`].
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

/// What must exist between init and shutdown.
struct Service {
    max_bytes: usize,
    max_session_bytes: usize,
    /// Indexes into the made sessions, by id.
    entries: BTreeMap<(usize, u8), usize>,
    counts: rekindle_stats,
    /// The number of ticket keys in the last update.
    keys: Option<u64>,
}

impl Model {
    pub(crate) fn call(&mut self, call: Call) {
        match call {
            Call::Init(config) => self.init(config.as_ref()),
            Call::Shutdown => {
                calls::shutdown();
                self.check(true, &Ok(()));
                self.service = None;
            }
            Call::Get(id) => {
                let expected = self.lookup(id);
                self.check_session(calls::get(id), &expected);
            }
            Call::GetBuffer(id, room) => self.get_buffer(id, room),
            Call::Insert(id, session) => self.insert(id, session),
            Call::Remove(id) => {
                let expected = self.leave(id, |counts| &mut counts.removed);
                self.check(calls::remove(id), &expected);
            }
            Call::Take(id) => {
                let expected = self.leave(id, |counts| &mut counts.taken);
                self.check_session(calls::take(id), &expected);
            }
            Call::TicketKeys(keys, len) => self.ticket_keys(keys.as_deref(), len),
            Call::Stats(size) => self.stats(size),
            Call::HookAdd(true) => self.check(calls::hook_add(true), &self.enabled()),
            Call::HookAdd(false) => {
                self.check::<()>(calls::hook_add(false), &Err(Fails::Invalid));
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
        // The cache has freed its sessions: one that is still referenced now is leaked.
    }

    fn enabled(&self) -> Result<(), Fails> {
        self.service.as_ref().map(|_| ()).ok_or(Fails::Disabled)
    }

    /// Compares a call's result and the thread's last error with what is expected, and counts.
    fn check<T>(&self, succeeded: bool, expected: &Result<T, Fails>) {
        let message = calls::last_error();
        assert_eq!(succeeded, expected.is_ok(), "{message}");
        assert_eq!(message.is_empty(), expected.is_ok(), "{message}");
        if let Err(why) = expected {
            let mut counts = OF_PROCESS.get();
            if let Some(count) = counts.get_mut(*why as usize) {
                *count += 1;
            }
            OF_PROCESS.set(counts);
        }
    }

    /// As `check`, of a call that returns a session.
    fn check_session(&self, found: Option<SslSession>, expected: &Result<Option<usize>, Fails>) {
        self.check(expected.is_ok(), expected);
        let index = expected.ok().flatten();
        let session = index.map(|index| self.sessions.at(index).session.as_ptr());
        assert_eq!(found.map(|session| session.as_ptr()), session);
    }

    fn init(&mut self, config: Option<&Config>) {
        let fits = config.is_none_or(|Config { fields: c, tail }| {
            (40..=4_096).contains(&c.size)
                && (c.size <= size_of::<rekindle_config>() || *tail == 0)
                && c.reserved == 0
                && c.sessions <= 1 << 32
                && c.max_session_bytes <= 1 << 20
                && (c.max_bytes == 0 || c.max_bytes >= SMALLEST)
        });
        let succeeds = fits && self.service.is_none();
        let expected = succeeds.then_some(()).ok_or(Fails::Otherwise);
        self.check(calls::init(config), &expected);
        if !succeeds {
            return;
        }
        let (sessions, max_bytes, max_session_bytes) = match config {
            None => (0, 0, 0),
            Some(Config { fields: c, .. }) => (c.sessions, c.max_bytes, c.max_session_bytes),
        };
        let or = |n: usize, default| if n == 0 { default } else { n };
        let max_bytes = or(max_bytes, usize::MAX);
        self.service = Some(Service {
            max_bytes,
            max_session_bytes: or(max_session_bytes, 16_384),
            entries: BTreeMap::new(),
            counts: rekindle_stats {
                capacity: or(sessions, 100_000).min(max_bytes / SMALLEST) as u64,
                ..rekindle_stats::default()
            },
            keys: None,
        });
    }

    /// Looks an id up as the cache must, and counts.
    fn lookup(&mut self, id: Id) -> Result<Option<usize>, Fails> {
        let (id, service) = valid(&mut self.service, id)?;
        let found = service.entries.get(&id).copied();
        let expired = found.is_some_and(|index| self.sessions.at(index).expired);
        *match found {
            None => &mut service.counts.misses,
            Some(_) if expired => &mut service.counts.expired,
            Some(_) => &mut service.counts.hits,
        } += 1;
        Ok(found.filter(|_| !expired))
    }

    fn get_buffer(&mut self, id: Id, room: Room) {
        let null_length = matches!(room, Room::NullLength);
        let expected = match id {
            Id::Valid(..) if null_length => Err(Fails::Invalid),
            _ => self.lookup(id),
        };
        let live = expected.ok().flatten().map(|index| self.sessions.at(index));
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
        let mut len_after = len;
        let length = (!null_length).then_some(&mut len_after);
        let returned = calls::get_buffer(id, buffer.as_mut(), length);
        self.check(expected.is_ok(), &expected);

        assert_eq!(returned as usize, der.len());
        let room = usize::try_from(len).unwrap_or(0);
        let stored = buffer.as_ref().map_or(0, |_| der.len().min(room));
        assert_eq!(len_after, if live.is_some() { stored as i32 } else { len });
        if let Some(buffer) = &buffer {
            assert!(buffer.bytes()[..stored] == der[..stored]);
            assert!(buffer.are_whole_but_for(stored), "wrote beyond");
        }
    }

    fn insert(&mut self, id: Id, session: Session) {
        let made = self.sessions.make(session);
        let expected = self.expect_insert(id, session, made);
        let bare = matches!(session, Session::NotEncodable).then(calls::not_encodable);
        let session = made.map(|index| &self.sessions.at(index).session);
        self.check(calls::insert(id, session.or(bare.as_ref())), &expected);
        if expected.is_ok() {
            self.find_evicted();
        }
    }

    fn expect_insert(
        &mut self,
        id: Id,
        session: Session,
        made: Option<usize>,
    ) -> Result<(), Fails> {
        if matches!(id, Id::Valid(..)) && matches!(session, Session::Null) {
            return Err(Fails::Invalid);
        }
        let (id, service) = valid(&mut self.service, id)?;
        let made = made.ok_or(Fails::NotEncodable)?;
        let len = self.sessions.at(made).der.len();
        let counts = &mut service.counts;
        if len > service.max_session_bytes {
            counts.refused_too_large += 1;
            return Err(Fails::Otherwise);
        }
        if charge(len) > service.max_bytes {
            counts.refused_over_budget += 1;
            return Err(Fails::Otherwise);
        }
        let old = service.entries.insert(id, made);
        match old.map(|old| self.sessions.at(old).expired) {
            Some(false) => counts.replaced += 1,
            Some(true) => {
                counts.evicted_expired += 1;
                counts.inserts += 1;
            }
            None => counts.inserts += 1,
        }
        Ok(())
    }

    /// The model cannot know which entry is evicted, since the hash of ids is keyed at random. The
    /// cache counts evictions: as many entries must be missing.
    fn find_evicted(&mut self) {
        let evicted = |s: &rekindle_stats| {
            let live = s.evicted_unused + s.evicted_idle + s.evicted_line_full;
            s.evicted_expired + live
        };
        let now = calls::all_stats();
        let service = self.service.as_mut().expect("something was inserted");
        let counts = &mut service.counts;
        let gone = evicted(&now) - evicted(counts);
        counts.evicted_expired = now.evicted_expired;
        counts.evicted_unused = now.evicted_unused;
        counts.evicted_idle = now.evicted_idle;
        counts.evicted_line_full = now.evicted_line_full;
        if gone == 0 {
            return;
        }
        let before = service.entries.len();
        service.entries.retain(|id, index| {
            let found = calls::get(Id::Valid(id.0, id.1)).is_some();
            let missed = calls::all_stats().misses > counts.misses;
            let expired = self.sessions.at(*index).expired;
            assert!(missed || found != expired);
            *match (missed, expired) {
                (true, _) => &mut counts.misses,
                (false, true) => &mut counts.expired,
                (false, false) => &mut counts.hits,
            } += 1;
            !missed
        });
        assert_eq!((before - service.entries.len()) as u64, gone, "evicted");
    }

    /// The entry leaves; the live one is returned.
    fn leave(
        &mut self,
        id: Id,
        count: fn(&mut rekindle_stats) -> &mut u64,
    ) -> Result<Option<usize>, Fails> {
        let (id, service) = valid(&mut self.service, id)?;
        let Some(index) = service.entries.remove(&id) else {
            return Ok(None);
        };
        if self.sessions.at(index).expired {
            service.counts.evicted_expired += 1;
            return Ok(None);
        }
        *count(&mut service.counts) += 1;
        Ok(Some(index))
    }

    fn ticket_keys(&mut self, keys: Option<&[u8]>, len: i32) {
        // The model of what looks random is not sure of everything.
        let is_unsure = |looks| looks == rules::Looks::MaybeNot;
        let whole = keys.map_or(&[][..], |bytes| &bytes[..bytes.len() - bytes.len() % 48]);
        let mut records = whole.chunks_exact(48).map(rules::looks);
        let shows = whole.chunks_exact(48).any(rules::shows_secrets);
        if is_unsure(rules::content_looks(whole)) || records.any(is_unsure) || shows {
            return;
        }
        let mut given = None;
        let expected = match keys.filter(|_| len >= 0) {
            None => Err(Fails::Invalid),
            Some(bytes) => self.enabled().and_then(|()| {
                let records: Vec<_> = bytes.chunks_exact(48).collect();
                let looks_random = |bytes| rules::content_looks(bytes) == rules::Looks::Random;
                let bad = records.is_empty()
                    || !looks_random(&bytes[..48 * records.len()])
                    || records.iter().any(|record| rules::fault(record).is_some())
                    || records
                        .iter()
                        .any(|record| rules::looks(record) != rules::Looks::Random)
                    || !rules::duplicates(&records, rules::name).is_empty()
                    || !rules::duplicates(&records, rules::secrets).is_empty();
                given = (!bad).then_some(records.len() as u64);
                given.map(|_| bytes.len() % 48).ok_or(Fails::Invalid)
            }),
        };
        let succeeded = calls::ticket_keys(keys, len);
        if let Some(service) = &mut self.service {
            service.keys = given.or(service.keys);
        }
        match expected {
            Ok(1..) => assert!(succeeded && calls::last_error().starts_with("warning")),
            expected => self.check(succeeded, &expected),
        }
    }

    fn stats(&mut self, size: Option<usize>) {
        let expected = match size {
            None => Err(Fails::Invalid),
            Some(216..=4_096) => self.enabled(),
            Some(_) => Err(Fails::Otherwise),
        };
        let (succeeded, words) = calls::stats(size);
        self.check(succeeded, &expected);
        let keys = words.get(offset_of!(rekindle_stats, ticket_keys) / 8);
        if let (Some(keys), Some(service)) = (keys, &self.service) {
            // Before the first update the ring has keys of its own.
            assert!(service.keys.map_or(*keys > 0, |given| *keys == given));
        }
        let sum = |from: usize, to: usize| words.iter().take(to / 8).skip(from / 8).sum::<u64>();
        let sealed = offset_of!(rekindle_stats, tickets_sealed);
        let keys = offset_of!(rekindle_stats, ticket_keys);
        assert_eq!(sum(sealed, keys), 0, "no handshakes");
        let fallback = offset_of!(rekindle_stats, ticket_key_fallback);
        let rotations = offset_of!(rekindle_stats, ticket_key_rotations);
        assert_eq!(sum(fallback, rotations), 0, "no fallback");
        let known = size_of::<rekindle_stats>();
        assert_eq!(sum(known, usize::MAX), 0, "fields of a later library");
    }

    fn attach(&mut self, context: Context) {
        let (attached, expected) = match context {
            Context::Null => (calls::attach(None), Err(Fails::Invalid)),
            Context::Fresh => {
                let mut fresh = SslContext::builder(SslMethod::tls_server()).expect("a context");
                let named = fresh.set_session_id_context(b"fuzz");
                named.expect("a session id context");
                let (attached, expected) = (calls::attach(Some(&fresh)), self.enabled());
                // The contexts that are kept are attached.
                self.contexts.extend(expected.is_ok().then_some(fresh));
                (attached, expected)
            }
            Context::Again => match self.contexts.last() {
                None => return,
                Some(last) => {
                    let expected = self.enabled().and(Err(Fails::Otherwise));
                    (calls::attach(Some(last)), expected)
                }
            },
        };
        self.check(attached, &expected);
    }

    fn check_stats(&mut self) {
        let Some(service) = &self.service else {
            return;
        };
        let now = calls::all_stats();
        let made = service.entries.values();
        let made = made.map(|index| self.sessions.at(*index));
        let bytes = |made: &Made| charge(made.der.len()) as u64;
        let [refused_invalid, refused_disabled, refused_not_encodable] = OF_PROCESS.get();
        let expected = rekindle_stats {
            size: now.size,
            entries: service.entries.len() as u64,
            bytes: made.map(bytes).sum(),
            refused_invalid,
            refused_disabled,
            refused_not_encodable,
            // The engine's own target checks what waits for its grace period.
            retired: now.retired,
            retired_bytes: now.retired_bytes,
            ..service.counts
        };
        // The counters of tickets are `stats`'s to check.
        let counters = offset_of!(rekindle_stats, tickets_sealed) / 8;
        let [now, told] = [&now, &expected].map(calls::words);
        assert_eq!(now[..counters], told[..counters]);
        assert!(expected.entries <= expected.capacity);
        assert!(expected.bytes <= service.max_bytes as u64);
    }
}

/// Checks an id and that there is a cache, as calls with an id do.
fn valid(service: &mut Option<Service>, id: Id) -> Result<((usize, u8), &mut Service), Fails> {
    match id {
        Id::Null | Id::Invalid(_) => Err(Fails::Invalid),
        Id::Valid(len, last) => {
            let service = service.as_mut().ok_or(Fails::Disabled)?;
            Ok(((len, last), service))
        }
    }
}

/// Bytes before the encoding of an entry whose value is a session, and of the smallest entry.
const HEADER: usize = 72;
const SMALLEST: usize = 80;

/// Bytes that a session without a client certificate counts for: its entry, as in the target
/// `operations`, and the estimate of OpenSSL's object.
fn charge(len: usize) -> usize {
    let size: usize = HEADER + len + 8;
    let entry = match size <= 1_024 {
        true => size.next_multiple_of(16),
        false => size.next_multiple_of((1 << (size - 1).ilog2()) / 4),
    };
    entry + CachedSession::OBJECT_BYTES + len
}
