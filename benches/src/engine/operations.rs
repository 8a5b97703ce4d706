//! What a thread does in one batch of each load. Generic over the peer, so that every contender is
//! called directly.

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use rand::Rng;

use super::batch::{BATCH, Batch, Churn, Counts};
use super::loads::Load;
use crate::peers::{Kind, Peer};
use crate::workload::{Churned, Value, churned};

/// Nanoseconds that calls took.
pub(crate) type Latencies = Histogram<u64>;

/// Does one batch on a peer; panics when the peer gives a wrong answer. Times each call of `Get` or
/// `Insert` where that is wanted.
pub(super) fn run<P: Peer>(
    load: Load,
    peer: &P,
    at: &Batch<'_>,
    took: Option<&mut Latencies>,
) -> Counts {
    match took {
        Some(took) => time(load, peer, at, took),
        None => batch(load, peer, at),
    }
}

fn batch<P: Peer>(load: Load, peer: &P, at: &Batch<'_>) -> Counts {
    match load {
        Load::GetBuffer => dependent(peer, at),
        Load::GetBufferIndependent => independent(peer, at),
        Load::Get => get(peer, at),
        Load::Insert => insert(peer, at, |churn, counts| {
            churn.insert_and_let_go(peer, counts)
        }),
        Load::Replace => replace(peer, at),
        Load::Remove => remove(peer, at, |peer, session| peer.remove(&session.id)),
        Load::Take => remove(peer, at, take),
        Load::Mixed5 => mixed(peer, at, 5),
        Load::Mixed20 => mixed(peer, at, 20),
        Load::Mixed50 => mixed(peer, at, 50),
        Load::SingleUse => single_use(peer, at),
    }
}

fn time<P: Peer>(load: Load, peer: &P, at: &Batch<'_>, took: &mut Latencies) -> Counts {
    match load {
        Load::Get => time_gets(peer, at, took),
        Load::Insert => insert(peer, at, |churn, counts| {
            let start = Instant::now();
            churn.insert_and_let_go(peer, counts);
            took.saturating_record(start.elapsed().as_nanos() as u64);
        }),
        _ => unreachable!("{load} is not timed call by call"),
    }
}

/// Those that are missing are counted.
fn time_gets<P: Peer>(peer: &P, at: &Batch<'_>, took: &mut Latencies) -> Counts {
    let sessions = &at.population.sessions;
    let keys = at.keys();
    let mut missed = 0;
    let mut counts = timed(|_| {
        for &session in keys {
            let id = sessions.id(session);
            let start = Instant::now();
            let found = black_box(peer.get(id));
            let nanos = start.elapsed().as_nanos() as u64;
            let right = found.is_none_or(|found| found == u64::from(session));
            assert!(right, "found another session");
            missed += u64::from(found.is_none());
            took.saturating_record(nanos);
        }
    });
    (counts.asked, counts.missed) = (keys.len() as u64, missed);
    counts
}

pub(super) fn timed(work: impl FnOnce(&mut Counts)) -> Counts {
    let mut counts = Counts {
        operations: BATCH as u64,
        ..Counts::default()
    };
    let start = Instant::now();
    work(&mut counts);
    counts.spent = start.elapsed();
    counts
}

fn dependent<P: Peer>(peer: &P, at: &Batch<'_>) -> Counts {
    let sessions = &at.population.sessions;
    let mut buffer = vec![0; sessions.bytes];
    let anywhere = (at.thread * 7_919 + at.number * 104_729) % sessions.len();
    let mut session = sessions.next(anywhere as u32);
    timed(|_| {
        for _ in 0..BATCH {
            let len = peer.get_buffer(sessions.id(session), &mut buffer);
            let len = len.expect("a lookup missed");
            session = sessions.follow(session, &buffer[..len]);
        }
        black_box(session);
    })
}

fn independent<P: Peer>(peer: &P, at: &Batch<'_>) -> Counts {
    let sessions = &at.population.sessions;
    let mut buffer = vec![0; sessions.bytes];
    let keys = at.keys();
    timed(|counts| {
        counts.operations = keys.len() as u64;
        for &session in keys {
            let len = peer.get_buffer(sessions.id(session), &mut buffer);
            let len = len.expect("a lookup missed");
            black_box(sessions.follow(session, &buffer[..len]));
        }
    })
}

fn get<P: Peer>(peer: &P, at: &Batch<'_>) -> Counts {
    let sessions = &at.population.sessions;
    let keys = at.keys();
    timed(|counts| {
        counts.operations = keys.len() as u64;
        for &session in keys {
            let found = peer.get(sessions.id(session)).expect("a lookup missed");
            assert!(found == u64::from(session), "found another session");
        }
    })
}

fn insert<P: Peer>(
    peer: &P,
    at: &Batch<'_>,
    mut one: impl FnMut(&mut Churn<'_>, &mut Counts),
) -> Counts {
    let mut churn = Churn::new(at);
    let counts = timed(|counts| {
        for _ in 0..BATCH {
            one(&mut churn, counts);
        }
    });
    churn.check_last(peer, &counts);
    counts
}

fn replace<P: Peer>(peer: &P, at: &Batch<'_>) -> Counts {
    let sessions = &at.population.sessions;
    let mut value = Value::new(sessions.bytes);
    let keys = at.keys();
    let counts = timed(|counts| {
        counts.operations = keys.len() as u64;
        for &session in keys {
            let bytes = sessions.value(session, &mut value);
            counts.inserted(peer.insert(sessions.id(session), bytes));
        }
    });
    let mut buffer = vec![0; sessions.bytes];
    if let Some(&session) = keys.last()
        && let Some(len) = peer.get_buffer(sessions.id(session), &mut buffer)
    {
        black_box(sessions.follow(session, &buffer[..len]));
    }
    counts
}

fn remove<P: Peer>(peer: &P, at: &Batch<'_>, remove: impl Fn(&P, &Churned) -> bool) -> Counts {
    let mut churn = Churn::new(at);
    let first = churn.oldest();
    let mut untimed = Counts::default();
    for _ in 0..BATCH {
        churn.insert(peer, &mut untimed);
    }
    let old = first..first + BATCH as u64;
    let mut counts = timed(|counts| {
        for step in old.clone() {
            let removed = remove(peer, &churned(at.thread, step));
            counts.missed += u64::from(!removed);
        }
    });
    counts.asked = BATCH as u64;
    (counts.inserts, counts.refused) = (untimed.inserts, untimed.refused);
    let again = peer.get(&churned(at.thread, old.end - 1).id);
    assert!(again.is_none(), "a session was removed and is still there");
    counts
}

#[inline]
fn take<P: Peer>(peer: &P, session: &Churned) -> bool {
    let taken = peer.take(&session.id);
    let right = taken.is_none_or(|number| number == session.number);
    assert!(right, "took another session");
    taken.is_some()
}

fn mixed<P: Peer>(peer: &P, at: &Batch<'_>, inserts: u32) -> Counts {
    let sessions = &at.population.sessions;
    let mut churn = Churn::new(at);
    let mut rng = at.rng();
    let mut buffer = vec![0; sessions.bytes];
    let mut value = Value::new(sessions.bytes);
    let counts = timed(|counts| {
        for &session in at.keys().iter().cycle().take(BATCH) {
            if rng.random_ratio(inserts, 100) {
                churn.insert_and_let_go(peer, counts);
                continue;
            }
            counts.asked += 1;
            let id = sessions.id(session);
            if let Some(len) = peer.get_buffer(id, &mut buffer) {
                black_box(sessions.follow(session, &buffer[..len]));
            } else {
                counts.missed += 1;
                counts.inserted(peer.insert(id, sessions.value(session, &mut value)));
            }
        }
    });
    churn.check_last(peer, &counts);
    counts
}

fn single_use<P: Peer>(peer: &P, at: &Batch<'_>) -> Counts {
    let mut churn = Churn::new(at);
    let mut last = None;
    let mut counts = timed(|counts| {
        for _ in 0..BATCH {
            let presented = churned(at.thread, churn.presented());
            counts.missed += u64::from(!take(peer, &presented));
            churn.insert(peer, counts);
            churn.insert(peer, counts);
            if peer.kind() != Kind::Cache {
                peer.remove(&churned(at.thread, churn.oldest() - 1).id);
            }
            last = Some(presented);
        }
    });
    counts.asked = BATCH as u64;
    let again = last.and_then(|last| peer.take(&last.id));
    assert!(again.is_none(), "a session was handed out twice");
    churn.check_last(peer, &counts);
    counts
}

#[cfg(test)]
mod tests;
