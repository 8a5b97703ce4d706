//! What a thread does in one batch of each load. Generic over the peer, so that every contender is
//! called directly.

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use rand::Rng;

use super::loads::Load;
use super::place::{BATCH, Churn, Done, Place};
use crate::peers::{Kind, Peer};
use crate::workload::{Churned, Value, churned};

/// Does one batch on a peer.
///
/// # Panics
///
/// When the peer gives a wrong answer.
pub(super) fn batch<P: Peer>(load: Load, peer: &P, at: &Place<'_>) -> Done {
    match load {
        Load::GetBuffer => dependent(peer, at),
        Load::GetBufferIndependent => independent(peer, at),
        Load::Get => get(peer, at),
        Load::Insert => insert(peer, at),
        Load::Replace => replace(peer, at),
        Load::Remove => remove(peer, at, |peer, session| peer.remove(&session.id)),
        Load::Take => remove(peer, at, take),
        Load::Mixed5 => mixed(peer, at, 5),
        Load::Mixed20 => mixed(peer, at, 20),
        Load::Mixed50 => mixed(peer, at, 50),
        Load::SingleUse => single_use(peer, at),
    }
}

/// Takes hold of live sessions, and times each lookup. Those that are missing are counted.
///
/// # Panics
///
/// As [`batch`].
pub(super) fn time_gets<P: Peer>(peer: &P, at: &Place<'_>, latencies: &mut Histogram<u64>) -> Done {
    let sessions = &at.scene.sessions;
    let keys = at.keys();
    let mut missed = 0;
    let mut done = timed(|_| {
        for &session in keys {
            let id = sessions.id(session);
            let start = Instant::now();
            let found = black_box(peer.get(id));
            let nanos = start.elapsed().as_nanos() as u64;
            let right = found.is_none_or(|found| found == u64::from(session));
            assert!(right, "found another session");
            missed += u64::from(found.is_none());
            latencies.saturating_record(nanos);
        }
    });
    (done.asked, done.missed) = (keys.len() as u64, missed);
    done
}

/// Runs a batch that is timed as a whole.
pub(super) fn timed(work: impl FnOnce(&mut Done)) -> Done {
    let mut done = Done {
        operations: BATCH as u64,
        ..Done::default()
    };
    let start = Instant::now();
    work(&mut done);
    done.spent = start.elapsed();
    done
}

fn dependent<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let sessions = &at.scene.sessions;
    let mut buffer = vec![0; sessions.bytes()];
    let anywhere = (at.thread * 7_919 + at.batch * 104_729) % sessions.len();
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

fn independent<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let sessions = &at.scene.sessions;
    let mut buffer = vec![0; sessions.bytes()];
    let keys = at.keys();
    timed(|done| {
        done.operations = keys.len() as u64;
        for &session in keys {
            let len = peer.get_buffer(sessions.id(session), &mut buffer);
            let len = len.expect("a lookup missed");
            black_box(sessions.follow(session, &buffer[..len]));
        }
    })
}

fn get<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let sessions = &at.scene.sessions;
    let keys = at.keys();
    timed(|done| {
        done.operations = keys.len() as u64;
        for &session in keys {
            let found = peer.get(sessions.id(session)).expect("a lookup missed");
            assert!(found == u64::from(session), "found another session");
        }
    })
}

fn insert<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let mut churn = Churn::new(at);
    let done = timed(|done| {
        for _ in 0..BATCH {
            churn.insert(peer, done);
            churn.let_go(peer);
        }
    });
    churn.check_last(peer, &done);
    done
}

fn replace<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let sessions = &at.scene.sessions;
    let mut value = Value::new(sessions.bytes());
    let keys = at.keys();
    let done = timed(|done| {
        done.operations = keys.len() as u64;
        for &session in keys {
            let bytes = sessions.value(session, &mut value);
            done.inserted(peer.insert(sessions.id(session), bytes));
        }
    });
    let mut buffer = vec![0; sessions.bytes()];
    if let Some(&session) = keys.last()
        && let Some(len) = peer.get_buffer(sessions.id(session), &mut buffer)
    {
        black_box(sessions.follow(session, &buffer[..len]));
    }
    done
}

fn remove<P: Peer>(peer: &P, at: &Place<'_>, remove: impl Fn(&P, &Churned) -> bool) -> Done {
    let mut churn = Churn::new(at);
    let first = churn.oldest();
    let mut untimed = Done::default();
    for _ in 0..BATCH {
        churn.insert(peer, &mut untimed);
    }
    let old = first..first + BATCH as u64;
    let mut done = timed(|done| {
        for step in old.clone() {
            let removed = remove(peer, &churned(at.thread, step));
            done.missed += u64::from(!removed);
        }
    });
    done.asked = BATCH as u64;
    (done.inserts, done.refused) = (untimed.inserts, untimed.refused);
    let again = peer.get(&churned(at.thread, old.end - 1).id);
    assert!(again.is_none(), "a session was removed and is still there");
    done
}

/// Takes a session; whether it was there.
#[inline]
fn take<P: Peer>(peer: &P, session: &Churned) -> bool {
    let taken = peer.take(&session.id);
    let right = taken.is_none_or(|number| number == session.number);
    assert!(right, "took another session");
    taken.is_some()
}

fn mixed<P: Peer>(peer: &P, at: &Place<'_>, inserts: u32) -> Done {
    let sessions = &at.scene.sessions;
    let mut churn = Churn::new(at);
    let mut rng = at.rng();
    let mut buffer = vec![0; sessions.bytes()];
    let mut value = Value::new(sessions.bytes());
    let done = timed(|done| {
        for &session in at.keys().iter().cycle().take(BATCH) {
            if rng.random_ratio(inserts, 100) {
                churn.insert(peer, done);
                churn.let_go(peer);
                continue;
            }
            done.asked += 1;
            let id = sessions.id(session);
            if let Some(len) = peer.get_buffer(id, &mut buffer) {
                black_box(sessions.follow(session, &buffer[..len]));
            } else {
                done.missed += 1;
                done.inserted(peer.insert(id, sessions.value(session, &mut value)));
            }
        }
    });
    churn.check_last(peer, &done);
    done
}

fn single_use<P: Peer>(peer: &P, at: &Place<'_>) -> Done {
    let mut churn = Churn::new(at);
    let mut last = None;
    let mut done = timed(|done| {
        for _ in 0..BATCH {
            let presented = churned(at.thread, churn.presented());
            done.missed += u64::from(!take(peer, &presented));
            churn.insert(peer, done);
            churn.insert(peer, done);
            if peer.kind() != Kind::Cache {
                peer.remove(&churned(at.thread, churn.oldest() - 1).id);
            }
            last = Some(presented);
        }
    });
    done.asked = BATCH as u64;
    let again = last.and_then(|last| peer.take(&last.id));
    assert!(again.is_none(), "a session was handed out twice");
    churn.check_last(peer, &done);
    done
}

#[cfg(test)]
mod tests;
