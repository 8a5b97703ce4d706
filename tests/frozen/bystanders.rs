//! What goes on while a thread is frozen: readers and writers, each answer checked.

use std::thread;

use rekindle::{Inserted, Refused, Time};

use crate::calls::{Numbered, Random, encoded, get_buffer};
use crate::subject::{RETIRED_LIMIT, Subject, Value, alive, bystander_id};

/// Operations that the readers complete, and as many the writers, while nothing need be refused.
const OPERATIONS: usize = 10_000;

const READERS: usize = 2;
const WRITERS: usize = 2;

/// Ids of each writer.
const IDS: usize = 64;

/// Entries that may be retired: what the limit says, and what each writer and the witness have not
/// reported.
const RETIRED_BOUND: usize = RETIRED_LIMIT + (WRITERS + 1) * 80;

/// Readers and writers at work beside some frozen threads, then writers that press on until memory
/// is refused to them, or until they have done more than the limit allows for.
pub(crate) fn work(subject: &Subject, frozen: usize, evicts: bool, may_refuse: bool) {
    let refused: usize = thread::scope(|scope| {
        for seed in 0..READERS {
            scope.spawn(move || read(subject, seed as u64, OPERATIONS / READERS));
        }
        let write = |owner| Writer::new(subject, owner, evicts).write(OPERATIONS / WRITERS);
        let writers = (0..WRITERS).map(|owner| scope.spawn(move || write(owner)));
        let writers: Vec<_> = writers.collect();
        writers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    assert!(may_refuse || refused == 0, "{refused} inserts refused");
    check_bounds(subject, frozen);

    thread::scope(|scope| {
        for owner in 0..WRITERS {
            scope.spawn(move || press(subject, owner));
        }
    });
    check_bounds(subject, frozen);
    // Removals and lookups go on, also if inserts are refused.
    for owner in 0..WRITERS {
        for n in 0..IDS {
            let id = bystander_id(owner, n);
            let found = subject.get(&id);
            let removed = subject.remove(&id);
            assert!(evicts || found.is_some() == removed);
            assert!(subject.get(&id).is_none());
        }
    }
    check_bounds(subject, frozen);
}

fn check_bounds(subject: &Subject, frozen: usize) {
    let stats = subject.stats();
    let entries = subject.pin().iter().count();
    // One above for each thread at work, and for each frozen one.
    let threads = WRITERS + 1 + frozen;
    let most = subject.capacity() + threads;
    assert!(entries <= most, "{entries}");
    assert!(stats.entries <= most, "{stats:?}");
    let most_retired = RETIRED_BOUND + frozen * 80 + WRITERS * IDS;
    assert!(stats.retired <= most_retired, "{stats:?}");
    // Besides those in the table and those that wait, one that each thread has in hand.
    let bound = entries + most_retired + threads;
    assert!(alive() <= bound, "{} values", alive());
}

fn read(subject: &Subject, seed: u64, operations: usize) {
    let mut random = Random(seed);
    let mut newest = [[0; IDS]; WRITERS];
    for _ in 0..operations {
        let (owner, n) = (random.below(WRITERS as u64), random.below(IDS as u64));
        let (owner, n) = (owner as usize, n as usize);
        let id = bystander_id(owner, n);
        let found = if random.below(2) == 0 {
            subject.get(&id).map(|value| value.number())
        } else {
            get_buffer(subject, &id)
        };
        // Its writer only counts up.
        if let Some(found) = found {
            assert!(found >= newest[owner][n], "{found} came back");
            newest[owner][n] = found;
        }
    }
}

/// Overwrites until that is refused, or has been done more often than the limit allows for.
fn press(subject: &Subject, owner: usize) {
    for n in 0..RETIRED_LIMIT as u32 {
        let id = bystander_id(owner, n as usize % IDS);
        match subject.insert(&id, Value::new(1_000_000 + n), b"", Time::NEVER) {
            Ok(_) => {}
            Err(Refused::ReclamationHeldBack) => return,
            Err(other) => panic!("{other}"),
        }
    }
}

/// The only one that writes its ids, so that it knows what must be there.
struct Writer<'s> {
    subject: &'s Subject,
    owner: usize,
    evicts: bool,
    there: [Option<u32>; IDS],
    refused: usize,
}

impl<'s> Writer<'s> {
    fn new(subject: &'s Subject, owner: usize, evicts: bool) -> Self {
        Self {
            subject,
            owner,
            evicts,
            there: [None; IDS],
            refused: 0,
        }
    }

    /// The number of inserts that were refused.
    fn write(mut self, operations: usize) -> usize {
        let mut random = Random(1 << 32 | self.owner as u64);
        for n in 1..=operations as u32 {
            let slot = random.below(IDS as u64) as usize;
            match random.below(8) {
                0..=4 => self.insert(slot, n, random.below(5) == 0),
                5 => self.remove(slot),
                6 => self.take(slot),
                _ => {}
            }
            let id = bystander_id(self.owner, slot);
            let found = self.subject.get(&id).map(|value| value.number());
            self.expect(slot, found);
        }
        self.refused
    }

    /// What was found must be what is there, or nothing if it may have been evicted.
    fn expect(&mut self, slot: usize, found: Option<u32>) {
        if self.evicts && found.is_none() {
            self.there[slot] = None;
        }
        assert_eq!(found, self.there[slot]);
    }

    fn was_there(&mut self, slot: usize, was: bool) {
        let found = if was { self.there[slot] } else { None };
        assert!(!was || found.is_some(), "nothing was there");
        self.expect(slot, found);
    }

    fn insert(&mut self, slot: usize, n: u32, if_absent: bool) {
        let (id, bytes) = (bystander_id(self.owner, slot), encoded(n));
        let (subject, value) = (self.subject, Value::new(n));
        let was = if if_absent {
            let inserted = subject.insert_if_absent(&id, value, &bytes, Time::NEVER);
            inserted.map(|inserted| !inserted)
        } else {
            let inserted = subject.insert(&id, value, &bytes, Time::NEVER);
            inserted.map(|inserted| inserted == Inserted::Replaced)
        };
        match was {
            Ok(was) => {
                self.was_there(slot, was);
                if !(was && if_absent) {
                    self.there[slot] = Some(n);
                }
            }
            Err(refused) => {
                assert_eq!(refused, Refused::ReclamationHeldBack);
                self.refused += 1;
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        let removed = self.subject.remove(&bystander_id(self.owner, slot));
        self.was_there(slot, removed);
        self.there[slot] = None;
    }

    fn take(&mut self, slot: usize) {
        let taken = self.subject.take(&bystander_id(self.owner, slot));
        self.expect(slot, taken.map(|value| value.number()));
        self.there[slot] = None;
    }
}
