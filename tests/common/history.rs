//! What threads did to a cache, and whether one thread calling at a time may have been told the
//! same.
#![allow(dead_code)] // each test uses a part

use rekindle::Inserted;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// A call and its answer. The numbers come from one counter: a call that returned before something
/// else was called has a smaller number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) op: Op,
    pub(crate) ret: Ret,
}

impl Call {
    pub(crate) fn new(called: u64, returned: u64, op: Op, ret: Ret) -> Self {
        Self {
            called,
            returned,
            op,
            ret,
        }
    }
}

/// What the threads of one round did, thread by thread.
pub(crate) type Round = Vec<Vec<Call>>;

/// Whether one thread, calling in some order that agrees with the numbers, would have been told the
/// same, beginning with the cache as in `before`.
pub(crate) fn is_linearizable(before: &CacheSpec, round: &Round) -> bool {
    let mut events: Vec<(u64, usize, Call, bool)> = Vec::new();
    for (thread, calls) in round.iter().enumerate() {
        for call in calls {
            events.push((call.called, thread, *call, false));
            events.push((call.returned, thread, *call, true));
        }
    }
    events.sort_unstable_by_key(|(when, ..)| *when);
    let mut tester = LinearizabilityTester::new(before.clone());
    for (_, thread, call, returned) in events {
        let told = if returned {
            tester.on_return(thread, call.ret)
        } else {
            tester.on_invoke(thread, call.op)
        };
        told.expect("each thread makes one call at a time");
    }
    tester.is_consistent()
}

/// Ids that one history is about.
pub(crate) const IDS: usize = 3;

/// A call. Ids are numbers below [`IDS`], values are told apart by a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Insert(usize, u32),
    /// What it inserts has expired already.
    InsertExpired(usize, u32),
    InsertIfAbsent(usize, u32),
    Get(usize),
    GetBuffer(usize),
    Contains(usize),
    Remove(usize),
    Take(usize),
    /// All that is there. This and the next take effect at one moment only where no other thread
    /// makes a step meanwhile.
    Iterate,
    Clear,
    /// Sweeps out what has expired.
    Maintain,
}

/// What it returned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ret {
    Inserted(Inserted),
    /// Insert-if-absent inserted; remove and contains found something.
    Yes(bool),
    /// The value, by its number.
    Found(Option<u32>),
    /// Those of all ids.
    All([Option<u32>; IDS]),
    Nothing,
    /// An insert was refused.
    Refused,
}

/// A cache in which nothing leaves by itself, or one that may evict at any time.
#[derive(Clone, Debug)]
pub(crate) struct CacheSpec {
    pub(crate) live: [Option<u32>; IDS],
    pub(crate) evicts: bool,
}

impl CacheSpec {
    pub(crate) fn empty(evicts: bool) -> Self {
        Self {
            live: [None; IDS],
            evicts,
        }
    }
}

impl Op {
    /// The id that it is about; of those about all, the first.
    pub(crate) fn id(self) -> usize {
        match self {
            Self::Insert(id, _)
            | Self::InsertExpired(id, _)
            | Self::InsertIfAbsent(id, _)
            | Self::Get(id)
            | Self::GetBuffer(id)
            | Self::Contains(id)
            | Self::Remove(id)
            | Self::Take(id) => id,
            Self::Iterate | Self::Clear | Self::Maintain => 0,
        }
    }
}

impl SequentialSpec for CacheSpec {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        let live = &mut self.live[op.id()];
        let inserted = |old: Option<u32>| match old {
            Some(_) => Ret::Inserted(Inserted::Replaced),
            None => Ret::Inserted(Inserted::New),
        };
        match *op {
            Op::Insert(_, n) => inserted(live.replace(n)),
            Op::InsertExpired(..) => inserted(live.take()),
            Op::InsertIfAbsent(_, n) => {
                let absent = live.is_none();
                live.get_or_insert(n);
                Ret::Yes(absent)
            }
            Op::Get(..) | Op::GetBuffer(..) => Ret::Found(*live),
            Op::Contains(..) => Ret::Yes(live.is_some()),
            Op::Remove(..) => Ret::Yes(live.take().is_some()),
            Op::Take(..) => Ret::Found(live.take()),
            Op::Iterate => Ret::All(self.live),
            Op::Clear => {
                self.live = [None; IDS];
                Ret::Nothing
            }
            Op::Maintain => Ret::Nothing,
        }
    }

    fn is_valid_step(&mut self, op: &Op, ret: &Ret) -> bool {
        if *ret == Ret::Refused {
            return false;
        }
        if let (Ret::All(found), true) = (ret, self.evicts) {
            let before = std::mem::replace(&mut self.live, *found);
            let mut both = found.iter().zip(before);
            return both.all(|(found, before)| found.is_none() || *found == before);
        }
        let before = self.clone();
        if self.invoke(op) == *ret {
            return true;
        }
        // As if it had been evicted just before. Earlier makes no difference: no call has looked.
        self.live = before.live;
        self.live[op.id()] = None;
        self.evicts && self.invoke(op) == *ret
    }
}
