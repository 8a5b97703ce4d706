//! A contender that gives wrong answers fails the run under every load.

use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::ValueEnum;
use rekindle::SessionId;

use super::*;
use crate::engine::population::{Population, Setup};
use crate::engine::tables::Tables;
use crate::peers::Contender;
use crate::workload::Keys;

const SETUP: Setup = Setup {
    sessions: 1_000,
    threads: 1,
    bytes: 160,
    keys: Keys::Uniform,
};

#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    /// Its copies end with zeros.
    Torn,
    /// It hands the wrong live session out.
    Other,
    /// It hands sessions out that it does not remove.
    TakeKeeps,
}

struct Liar(Box<dyn Peer + Sync>, Wrong);

impl Peer for Liar {
    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let len = self.0.get_buffer(id, buffer)?;
        if matches!(self.1, Wrong::Torn) {
            buffer[len - 8..len].fill(0);
        }
        Some(len)
    }

    fn get(&self, id: &SessionId) -> Option<u64> {
        let session = self.0.get(id)?;
        Some(session + u64::from(matches!(self.1, Wrong::Other)))
    }

    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.insert(id, value)
    }

    fn remove(&self, id: &SessionId) -> bool {
        self.0.remove(id)
    }

    fn take(&self, id: &SessionId) -> Option<u64> {
        match self.1 {
            Wrong::TakeKeeps => self.0.get(id),
            Wrong::Other => self.0.take(id).map(|session| session + 1),
            _ => self.0.take(id),
        }
    }
}

fn is_caught(load: Load, wrong: Wrong) -> bool {
    let population = Population::new(load, &SETUP);
    let Tables {
        population,
        mut tables,
    } = Tables::filled(population, &SETUP, &[Contender::Dashmap.plain()]);
    let table = &mut tables[0];
    table.target = Box::new(Liar(Contender::Dashmap.plain().boxed(1_000), wrong));
    table.fill(&population);
    let at = table.batch(&population, 0, 1);
    catch_unwind(AssertUnwindSafe(|| table.target.run(load, &at, None))).is_err()
}

#[test]
fn right_answers_pass() {
    for &load in Load::value_variants() {
        assert!(!is_caught(load, Wrong::Nothing), "{load}");
    }
}

#[test]
fn wrong_bytes_are_caught() {
    for &load in Load::value_variants() {
        let copies = !matches!(load, Load::Get | Load::Remove | Load::Take);
        assert_eq!(is_caught(load, Wrong::Torn), copies, "{load}");
    }
}

#[test]
fn a_wrong_live_session_is_caught() {
    for load in [Load::Get, Load::Take, Load::SingleUse] {
        assert!(is_caught(load, Wrong::Other), "{load}");
    }
}

#[test]
fn a_session_that_is_handed_out_twice_is_caught() {
    for load in [Load::Take, Load::SingleUse] {
        assert!(is_caught(load, Wrong::TakeKeeps), "{load}");
    }
}
