//! What the thread is doing when it is frozen.

use std::sync::Arc;

use rekindle::{Cache, Time};

use crate::calls::{self, Numbered};
use crate::company::{
    self, Company, deciding, line_of_dead, line_of_dead_of_this_id, line_of_undecided, looking,
    owner_of_a_dead_entry, two_undecided, two_undecided_beside_a_live_one, undecided,
};
use crate::history::{CacheSpec, IDS, Op, Ret};
use crate::subject::{RETIRED_LIMIT, Subject, Value, bystander_id, id, make, subject};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) set_up: fn() -> Subject,
    pub(crate) act: Act,
    /// Anything may be evicted meanwhile; else nothing may.
    pub(crate) evicts: bool,
    /// Retired memory is at its bound from the start, so that inserts may be refused at once.
    pub(crate) at_the_bound: bool,
    /// Threads that are frozen all the while.
    pub(crate) company: fn(&Arc<Subject>) -> Company,
    /// Calls that another thread makes just before its first exchange of a slot.
    pub(crate) overtaken_by: &'static [Op],
}

#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// One call, which is checked together with those of a witness.
    Call(Op),
    /// The same, by a thread that never used the library.
    FirstCall(Op),
    /// Anything else; leaves the ids of [`id`] as they are.
    Other(fn(&Subject)),
}

/// There is room for all that bystanders do.
const ROOM: usize = 2_000;

/// They have to evict.
const LITTLE: usize = 60;

/// A scenario for each operation.
pub(crate) const QUICK: [&str; 10] = [
    "replace",
    "insert_if_absent",
    "remove",
    "take",
    "get",
    "get_buffer",
    "contains",
    "reclaim",
    "evict_recent",
    "clear",
];

const INSERT: Act = Act::Call(Op::Insert(0, 1));
const ABSENT: Act = Act::Call(Op::InsertIfAbsent(0, 1));
const REMOVE: Act = Act::Call(Op::Remove(0));
const TAKE: Act = Act::Call(Op::Take(0));
const GET: Act = Act::Call(Op::Get(0));
const GET_BUFFER: Act = Act::Call(Op::GetBuffer(0));
const CONTAINS: Act = Act::Call(Op::Contains(0));

pub(crate) fn all() -> Vec<Scenario> {
    let parts = [without_company(), with_evictions(), beside_others()];
    parts.into_iter().flatten().collect()
}

fn scenario(name: &'static str, set_up: fn() -> Subject, act: Act) -> Scenario {
    Scenario {
        name,
        set_up,
        act,
        evicts: false,
        at_the_bound: false,
        company: company::nobody_else,
        overtaken_by: &[],
    }
}

fn evicting(name: &'static str, set_up: fn() -> Subject, act: Act) -> Scenario {
    Scenario {
        evicts: true,
        ..scenario(name, set_up, act)
    }
}

fn beside(company: fn(&Arc<Subject>) -> Company, name: &'static str, act: Act) -> Scenario {
    Scenario {
        company,
        ..scenario(name, empty, act)
    }
}

fn without_company() -> Vec<Scenario> {
    let overtaken = |name, act| Scenario {
        overtaken_by: &[Op::Remove(1), Op::Insert(0, 50)],
        ..scenario(name, with_another, act)
    };
    vec![
        scenario("insert", empty, INSERT),
        scenario("replace", with_neighbours, INSERT),
        scenario("insert_over_expired", with_expired, INSERT),
        scenario("insert_if_absent", empty, ABSENT),
        scenario("insert_if_absent_lost", with_neighbours, ABSENT),
        scenario("remove", with_neighbours, REMOVE),
        scenario("remove_expired", with_expired, REMOVE),
        scenario("take", with_neighbours, TAKE),
        scenario("take_the_last", alone, TAKE),
        scenario("get", with_neighbours, GET),
        scenario("get_buffer", with_neighbours, GET_BUFFER),
        scenario("contains", with_neighbours, CONTAINS),
        scenario("first_get", with_neighbours, Act::FirstCall(Op::Get(0))),
        scenario("first_insert", empty, Act::FirstCall(Op::Insert(0, 1))),
        scenario("pin_anew", with_neighbours, Act::Other(pin_anew)),
        scenario("recycle", with_neighbours, Act::Other(replace_many)),
        scenario(
            "use_up_spare_entries",
            with_spare_entries,
            Act::Other(replace_many_pinned),
        ),
        scenario("reclaim", with_garbage, Act::Other(maintain)),
        Scenario {
            at_the_bound: true,
            ..scenario("insert_at_the_bound", at_the_bound, INSERT)
        },
        scenario("sweep", with_expired, Act::Other(maintain)),
        scenario("iterate", with_neighbours, Act::Other(iterate)),
        overtaken("insert_found_dead", INSERT),
        overtaken("insert_if_absent_found_dead", ABSENT),
    ]
}

fn with_evictions() -> Vec<Scenario> {
    vec![
        evicting("recycle_and_evict", full, Act::Other(replace_many)),
        evicting("evict_unused", full, INSERT),
        evicting("evict_recent", full_and_in_use, INSERT),
        evicting("evict_expired", full_of_expired, INSERT),
        evicting("evict_for_bytes", full_of_bytes, INSERT),
        evicting("evict_from_a_full_line", with_a_full_line, INSERT),
        evicting("learn", full_and_in_use, Act::Other(insert_many)),
        evicting("clear", with_neighbours, Act::Other(clear)),
        Scenario {
            company: company::undecided_in_a_full_cache,
            ..evicting("evict_beside_undecided", full, Act::Call(Op::Insert(1, 1)))
        },
    ]
}

fn beside_others() -> Vec<Scenario> {
    vec![
        beside(undecided, "insert_beside_undecided", INSERT),
        beside(looking, "insert_beside_looking", INSERT),
        beside(deciding, "insert_beside_deciding", INSERT),
        beside(two_undecided, "insert_beside_two_undecided", INSERT),
        beside(
            two_undecided_beside_a_live_one,
            "replace_beside_two_undecided",
            INSERT,
        ),
        beside(owner_of_a_dead_entry, "insert_beside_dead", INSERT),
        beside(line_of_dead, "insert_into_a_line_of_dead", INSERT),
        beside(
            line_of_dead_of_this_id,
            "insert_into_a_line_of_dead_of_this_id",
            INSERT,
        ),
        Scenario {
            evicts: true,
            ..beside(line_of_undecided, "insert_into_a_line_of_undecided", INSERT)
        },
        beside(undecided, "insert_if_absent_beside_undecided", ABSENT),
        beside(undecided, "get_beside_undecided", GET),
        beside(undecided, "remove_beside_undecided", REMOVE),
        beside(deciding, "take_beside_deciding", TAKE),
        beside(owner_of_a_dead_entry, "take_beside_dead", TAKE),
        beside(looking, "sweep_beside_looking", Act::Other(maintain)),
        beside(undecided, "iterate_beside_undecided", Act::Other(iterate)),
        Scenario {
            evicts: true,
            ..beside(
                two_undecided,
                "clear_beside_two_undecided",
                Act::Other(clear),
            )
        },
    ]
}

/// What the ids of [`id`] map to once a scenario is set up.
pub(crate) fn before(subject: &Subject, evicts: bool) -> CacheSpec {
    CacheSpec {
        live: calls::all(subject, &id),
        evicts,
    }
}

fn put(subject: &Subject, op: Op) {
    assert_ne!(make(subject, op), Ret::Refused);
}

fn empty() -> Subject {
    subject(Cache::builder().capacity(ROOM))
}

fn alone() -> Subject {
    let subject = empty();
    put(&subject, Op::Insert(0, 100));
    subject
}

fn with_another() -> Subject {
    let subject = empty();
    put(&subject, Op::Insert(1, 101));
    subject
}

fn with_neighbours() -> Subject {
    let subject = alone();
    for id in 1..IDS {
        let n = 100 + id as u32;
        put(&subject, Op::Insert(id, n));
    }
    subject
}

fn with_expired() -> Subject {
    let subject = with_another();
    put(&subject, Op::InsertExpired(0, 100));
    subject
}

fn fill(subject: &Subject, len: usize, until: Time) {
    for n in 0..subject.capacity() {
        let value = Value::new(n as u32);
        let inserted = subject.insert(&bystander_id(9, n), value, &vec![0; len], until);
        inserted.expect("fits");
    }
}

fn full() -> Subject {
    let subject = subject(Cache::builder().capacity(LITTLE));
    fill(&subject, 20, Time::NEVER);
    subject
}

fn full_and_in_use() -> Subject {
    let subject = full();
    let in_use = |n| subject.get(&bystander_id(9, n)).is_some();
    assert!((0..LITTLE).filter(|n| in_use(*n)).count() > LITTLE / 2);
    subject
}

fn full_of_expired() -> Subject {
    let subject = subject(Cache::builder().capacity(LITTLE));
    fill(&subject, 20, Time::from_millis(0));
    subject
}

fn full_of_bytes() -> Subject {
    let builder = Cache::builder().capacity(4 * LITTLE);
    let subject = subject(builder.max_bytes(LITTLE * 128));
    fill(&subject, 20, Time::NEVER);
    subject
}

fn with_a_full_line() -> Subject {
    let subject = empty();
    for n in 20..28 {
        let inserted = subject.insert(&id(n), Value::new(n as u32), b"", Time::NEVER);
        inserted.expect("fits");
    }
    subject
}

/// Removed sessions of several threads, none of them reclaimed yet.
fn with_garbage() -> Subject {
    let subject = with_neighbours();
    for owner in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..100 {
                    let id = bystander_id(owner, n);
                    let inserted = subject.insert(&id, Value::new(1), b"", Time::NEVER);
                    inserted.expect("fits");
                    subject.remove(&id);
                }
            });
        });
    }
    assert!(subject.stats().retired > 0);
    subject
}

/// A reader held everything back, and is gone now.
fn at_the_bound() -> Subject {
    let subject = with_neighbours();
    let guard = subject.pin();
    let replace = |n| {
        let id = bystander_id(9, 0);
        subject.insert(&id, Value::new(n), b"", Time::NEVER)
    };
    let refused = (0..2 * RETIRED_LIMIT as u32).find(|n| replace(*n).is_err());
    assert!(refused.is_some(), "{:?}", subject.stats());
    drop(guard);
    subject
}

/// More were in use than the thread that reclaimed them keeps.
fn with_spare_entries() -> Subject {
    let subject = at_the_bound();
    for _ in 0..20 {
        subject.maintain();
    }
    assert_eq!(subject.stats().retired, 0);
    subject
}

/// Enough to seal, wait, reclaim and use again, several times.
fn replace_many(subject: &Subject) {
    for n in 0..700 {
        let value = Value::new(n);
        // In the line of those that are watched.
        let inserted = subject.insert(&id(50), value, &vec![1; n as usize % 90], Time::NEVER);
        // Other threads that insert meanwhile may have reached the bound.
        let _ = inserted;
    }
}

/// Enough for the cache to sample the table, and to learn from that.
fn insert_many(subject: &Subject) {
    for n in 0..700 {
        let inserted = subject.insert(&bystander_id(8, n), Value::new(1), b"", Time::NEVER);
        // As above.
        let _ = inserted;
    }
}

/// Of the memory that it gives up nothing can be used again.
fn replace_many_pinned(subject: &Subject) {
    let _guard = subject.pin();
    replace_many(subject);
}

fn pin_anew(subject: &Subject) {
    let mut guard = subject.pin();
    guard.repin();
}

fn iterate(subject: &Subject) {
    let ids = [0, 1, 2].map(id);
    let guard = subject.pin();
    for entry in guard.iter() {
        assert!(entry.value().number() > 0 || !ids.contains(entry.id()));
    }
}

fn maintain(subject: &Subject) {
    subject.maintain();
}

fn clear(subject: &Subject) {
    Cache::clear(subject);
}
