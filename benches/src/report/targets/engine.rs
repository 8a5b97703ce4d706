//! Targets of the part `engine`: lookups, and lookups mixed with inserts.

use super::{Case, Limit, Row, Unit};
use crate::report::numbers;

const CHAIN: &str = "get_buffer, dependent keys";
const GET_BUFFER: &str = "get_buffer, independent keys";
const GET: &str = "get, random keys";

const PINNED: &str = "rekindle, pinned";
const PINNING: &str = "rekindle";

const SIZES: [&str; 3] = ["10000", "100000", "1000000"];
const THREADS: [&str; 2] = ["1", "2"];

/// Peers that evict, as we do.
const CACHES: [&str; 5] = [
    "quick_cache",
    "moka",
    "TinyUFO",
    "Mutex<LruCache>",
    "rustls memory cache",
];
/// The fastest peers that do not.
const MAPS: [&str; 2] = ["scc", "dashmap"];

pub(super) fn pinned_to_floor(cases: &[Case<'_>]) -> Row {
    let row = Row::new(
        "get_buffer, dependent keys, pinned; 10 k, 100 k, 1 M sessions, 1 and 2 threads",
        "at most 1.10 of the floor",
        Limit::AtMost(1.10),
        Unit::Ratio,
    );
    at_each_size(cases, row, |case, row| to_floor(case, PINNED, row))
}

pub(super) fn pinned_to_peers(cases: &[Case<'_>]) -> Row {
    let row = Row::new(
        "get_buffer, dependent keys, pinned; 10 k, 100 k, 1 M sessions, 1 and 2 threads",
        "ahead of every peer",
        Limit::AtMost(1.0),
        Unit::Ratio,
    );
    at_each_size(cases, row, |case, row| {
        for peer in case.peers() {
            beside(case, PINNED, &peer.contender, row);
        }
    })
}

pub(super) fn pinning_to_floor(cases: &[Case<'_>]) -> Row {
    let row = Row::new(
        "get_buffer, dependent keys, pinning at each call; the same sizes and threads",
        "at most 1.25 of the floor",
        Limit::AtMost(1.25),
        Unit::Ratio,
    );
    at_each_size(cases, row, |case, row| to_floor(case, PINNING, row))
}

pub(super) fn second_thread(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "get_buffer, dependent keys, pinned: 2 threads against 1",
        "at least 1.9 times the throughput",
        Limit::AtLeast(1.9),
        Unit::Ratio,
    );
    for sessions in SIZES {
        row.expect(sized(sessions), |row| {
            for one in of(cases, CHAIN, sessions, "1") {
                let pair = partner(cases, one, "threads", "2");
                let two = pair.and_then(|pair| pair.contender(PINNED));
                if let (Some(ours), Some(two)) = (one.contender(PINNED), two) {
                    let pairs = ours.samples.iter().zip(&two.samples);
                    // Times are those of each thread.
                    let gains: Vec<_> = pairs.map(|(one, two)| 2.0 * one / two).collect();
                    row.check(one.name_without(&["load", "threads"]), &gains);
                }
            }
        });
    }
    row
}

pub(super) fn growth(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "get_buffer, dependent keys, pinned: growth from 1 k to 4 M sessions",
        "ratio to the floor never above 1.25",
        Limit::AtMost(1.25),
        Unit::Ratio,
    );
    // The ends, and whatever was measured between them.
    for sessions in ["1000", "4000000"] {
        row.expect(sized(sessions), |row| {
            for case in of_load(cases, CHAIN).filter(|c| c.value("sessions") == sessions) {
                to_floor(case, PINNED, row);
            }
        });
    }
    let between = |c: &&Case<'_>| (1_001..4_000_000).contains(&count(c.value("sessions")));
    for case in of_load(cases, CHAIN).filter(between) {
        to_floor(case, PINNED, &mut row);
    }
    row
}

pub(super) fn mixes_to_caches(cases: &[Case<'_>]) -> Row {
    let row = Row::new(
        "mixes with 5 %, 20 %, 50 % inserts; 2 threads, 16 threads",
        "ahead of every peer that evicts",
        Limit::AtMost(1.0),
        Unit::Ratio,
    );
    at_each_mix(cases, row, |case, row| {
        for peer in CACHES {
            beside(case, PINNING, peer, row);
        }
    })
}

pub(super) fn mixes_to_maps(cases: &[Case<'_>]) -> Row {
    let row = Row::new(
        "mixes with 5 %, 20 %, 50 % inserts; 2 threads, 16 threads",
        "no slower than the fastest map (scc, dashmap)",
        Limit::AtMost(1.0),
        Unit::Ratio,
    );
    at_each_mix(cases, row, |case, row| {
        let maps = MAPS.iter().filter_map(|map| case.contender(map));
        if let Some(fastest) = maps.min_by(|a, b| a.median().total_cmp(&b.median())) {
            beside(case, PINNING, &fastest.contender, row);
        }
    })
}

pub(super) fn get_to_get_buffer(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "get of a live session, random keys",
        "at most 1.3 times get_buffer",
        Limit::AtMost(1.3),
        Unit::Ratio,
    );
    row.expect("get and get_buffer with independent keys", |row| {
        for get in of_load(cases, GET) {
            let Some(get_buffer) = partner(cases, get, "load", GET_BUFFER) else {
                continue;
            };
            for way in [PINNED, PINNING] {
                if let (Some(a), Some(b)) = (get.contender(way), get_buffer.contender(way)) {
                    let name = format!("{}, {way}", get.name_without(&["load"]));
                    row.check(name, &a.ratios_to(b));
                }
            }
        }
    });
    row
}

fn to_floor(case: &Case<'_>, ours: &str, row: &mut Row) {
    if let (Some(ours), Some(floor)) = (case.contender(ours), case.floor()) {
        row.check(case.name_without(&["load"]), &ours.ratios_to(floor));
    }
}

/// Our time as a ratio to a peer's, if both are known.
fn beside(case: &Case<'_>, ours: &str, peer: &str, row: &mut Row) {
    if let (Some(ours), Some(theirs)) = (case.contender(ours), case.contender(peer)) {
        let mixed = case.value("load").starts_with("mixed");
        let name = case.name_without(if mixed { &[] } else { &["load"] });
        row.check(format!("{name}, beside {peer}"), &ours.ratios_to(theirs));
    }
}

fn at_each_size(cases: &[Case<'_>], mut row: Row, check: impl Fn(&Case<'_>, &mut Row)) -> Row {
    for sessions in SIZES {
        for threads in THREADS {
            row.expect(format!("{}, {}", sized(sessions), on(threads)), |row| {
                of(cases, CHAIN, sessions, threads).for_each(|case| check(case, row));
            });
        }
    }
    row
}

fn at_each_mix(cases: &[Case<'_>], mut row: Row, check: impl Fn(&Case<'_>, &mut Row)) -> Row {
    for inserts in [5, 20, 50] {
        for threads in ["2", "16"] {
            let load = format!("mixed, {inserts} % inserts of new ids");
            row.expect(format!("{inserts} % inserts, {}", on(threads)), |row| {
                let mixes = of_load(cases, &load).filter(|c| c.value("threads") == threads);
                mixes.for_each(|case| check(case, row));
            });
        }
    }
    row
}

fn of_load<'c, 'a>(
    cases: &'c [Case<'a>],
    load: &'c str,
) -> impl Iterator<Item = &'c Case<'a>> + use<'c, 'a> {
    let times = cases
        .iter()
        .filter(|c| c.is_of("engine", "time per operation"));
    times.filter(move |c| c.value("load") == load)
}

fn of<'c, 'a>(
    cases: &'c [Case<'a>],
    load: &'c str,
    sessions: &'c str,
    threads: &'c str,
) -> impl Iterator<Item = &'c Case<'a>> + use<'c, 'a> {
    of_load(cases, load)
        .filter(move |c| c.value("sessions") == sessions && c.value("threads") == threads)
}

/// The case that differs from another in one value.
fn partner<'c, 'a>(
    cases: &'c [Case<'a>],
    of: &Case<'a>,
    key: &str,
    value: &str,
) -> Option<&'c Case<'a>> {
    let same =
        |c: &&Case<'a>| c.value(key) == value && c.key_without(&[key]) == of.key_without(&[key]);
    let times = cases
        .iter()
        .filter(|c| c.is_of("engine", "time per operation"));
    times.into_iter().find(same)
}

fn count(digits: &str) -> u64 {
    digits.parse().unwrap_or(0)
}

fn sized(sessions: &str) -> String {
    format!("{} sessions", numbers::count(sessions))
}

fn on(threads: &str) -> String {
    format!("{threads} thread{}", if threads == "1" { "" } else { "s" })
}
