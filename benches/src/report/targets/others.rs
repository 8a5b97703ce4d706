//! Targets of the parts beside the engine: tail, hit ratio, memory, tickets, handshakes.

use super::{Case, Limit, Row, Unit};

const OURS: &str = "rekindle";
const SERVERS: [&str; 4] = ["nginx", "haproxy", "hitch", "Traffic Server"];

/// Below this share of handshakes that were really resumed, in per cent, their rate is not a rate
/// of resumed handshakes.
const RESUMED: f64 = 99.0;

pub(super) fn tail_to_peers(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "latency of get beside writers at idle priority: p99.99",
        "at most half of the best peer's",
        Limit::AtMost(0.5),
        Unit::Ratio,
    );
    for writers in ["4", "16"] {
        row.expect(format!("{writers} writers"), |row| {
            for case in tail(cases, "p99.99", writers) {
                let best = case
                    .peers()
                    .min_by(|a, b| a.median().total_cmp(&b.median()));
                if let (Some(ours), Some(best)) = (case.contender(OURS), best) {
                    let name = case.name_without(&["quantile"]);
                    let name = format!("{name}, beside {}", best.contender);
                    row.check(name, &ours.ratios_to(best));
                }
            }
        });
    }
    row
}

pub(super) fn tail_to_p99(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "latency of get beside writers at idle priority: p99.9",
        "within twice our p99",
        Limit::AtMost(2.0),
        Unit::Ratio,
    );
    for writers in ["4", "16"] {
        row.expect(format!("{writers} writers"), |row| {
            for case in tail(cases, "p99.9", writers) {
                let same =
                    |c: &&Case<'_>| c.key_without(&["quantile"]) == case.key_without(&["quantile"]);
                let p99 = tail(cases, "p99", writers).find(same);
                let p99 = p99.and_then(|c| c.contender(OURS));
                if let (Some(ours), Some(p99)) = (case.contender(OURS), p99) {
                    row.check(case.name_without(&["quantile"]), &ours.ratios_to(p99));
                }
            }
        });
    }
    row
}

pub(super) fn hits_to_lru(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "hit ratio: every stream, every capacity",
        "at least that of exact LRU",
        Limit::AtLeast(0.0),
        Unit::Points,
    );
    row.expect("any stream", |row| {
        for case in cases.iter().filter(|c| c.is_of("hit-ratio", "hits")) {
            if let Some(gains) = gains_over_lru(case) {
                row.check(case.name(), &gains);
            }
        }
    });
    row
}

/// That it is never below is the row before.
pub(super) fn hits_in_a_flood(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "hit ratio under a flood or a scan, at the capacity where it helps most",
        "at least 1 point above exact LRU",
        Limit::AtLeast(1.0),
        Unit::Points,
    );
    let hostile = |c: &&Case<'_>| {
        let stream = c.value("stream").to_lowercase();
        c.is_of("hit-ratio", "hits") && (stream.contains("flood") || stream.contains("scan"))
    };
    row.expect("any such stream", |row| {
        let mut best: Vec<(&Case<'_>, Vec<f64>)> = Vec::new();
        for case in cases.iter().filter(hostile) {
            let Some(gains) = gains_over_lru(case) else {
                continue;
            };
            let known = best
                .iter_mut()
                .find(|(c, _)| c.value("stream") == case.value("stream"));
            match known {
                Some(known) if median(&known.1) < median(&gains) => *known = (case, gains),
                Some(_) => {}
                None => best.push((case, gains)),
            }
        }
        for (case, gains) in best {
            row.check(case.name(), &gains);
        }
    });
    row
}

pub(super) fn overhead(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "memory for each session above its encoded bytes and OpenSSL's own object, at full capacity",
        "at most 96 bytes",
        Limit::AtMost(96.0),
        Unit::Bytes,
    );
    row.expect("a cache at full capacity", |row| {
        let full = |c: &&Case<'_>| c.is_of("memory", "overhead") && c.value("when") == "filled";
        for case in cases.iter().filter(full) {
            if let Some(ours) = case.contender(OURS) {
                row.check(case.name_without(&["when"]), &ours.samples);
            }
        }
    });
    row
}

pub(super) fn tickets(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "opening a ticket through our callback",
        "at most 1.05 of OpenSSL's built-in key",
        Limit::AtMost(1.05),
        Unit::Ratio,
    );
    row.expect("opening", |row| {
        let opens =
            |c: &&Case<'_>| c.is_of("tickets", "time per ticket") && c.value("operation") == "open";
        for case in cases.iter().filter(opens) {
            let theirs = case.contender("OpenSSL's built-in key");
            if let (Some(ours), Some(theirs)) = (case.contender(OURS), theirs) {
                row.check(case.name_without(&["operation"]), &ours.ratios_to(theirs));
            }
        }
    });
    row
}

pub(super) fn loopback(cases: &[Case<'_>]) -> Row {
    let mut row = Row::new(
        "resumed handshakes per second over loopback",
        "ahead of nginx, haproxy, hitch, Traffic Server",
        Limit::AtLeast(1.0),
        Unit::Ratio,
    );
    let resumed = |c: &&Case<'_>| {
        c.is_of("handshake", "handshakes per second")
            && c.value("where") == "loopback"
            && !c.value("way").starts_with("full")
    };
    for server in SERVERS {
        row.expect(server, |row| {
            for case in cases.iter().filter(resumed) {
                // Who does not resume is held against nobody: we, that is a miss.
                if !really_resumes(cases, case, server) {
                    continue;
                }
                if let (Some(ours), Some(theirs)) = (case.contender(OURS), case.contender(server)) {
                    let name = case.name_without(&["where"]);
                    if really_resumes(cases, case, OURS) {
                        row.check(format!("{name}, beside {server}"), &ours.ratios_to(theirs));
                    } else {
                        row.check(format!("{name}, where we did not resume"), &[0.0]);
                    }
                }
            }
        });
    }
    row
}

/// Whether nearly all of somebody's handshakes in a case were resumed, as far as that was measured.
fn really_resumes(cases: &[Case<'_>], of: &Case<'_>, who: &str) -> bool {
    let mut shares = cases
        .iter()
        .filter(|c| c.is_of("handshake", "really resumed"));
    let share = shares.find(|c| c.key_without(&[]) == of.key_without(&[]));
    let share = share.and_then(|c| c.contender(who));
    share.is_none_or(|share| share.median() >= RESUMED)
}

fn tail<'c, 'a>(
    cases: &'c [Case<'a>],
    quantile: &'c str,
    writers: &'c str,
) -> impl Iterator<Item = &'c Case<'a>> + use<'c, 'a> {
    let latencies = cases.iter().filter(|c| c.is_of("tail", "latency of get"));
    latencies.filter(move |c| c.value("quantile") == quantile && c.value("writers") == writers)
}

/// How many percentage points more than exact LRU are hits.
fn gains_over_lru(case: &Case<'_>) -> Option<Vec<f64>> {
    let (ours, lru) = (case.contender(OURS)?, case.contender("exact LRU")?);
    let pairs = ours.samples.iter().zip(&lru.samples);
    Some(pairs.map(|(ours, lru)| ours - lru).collect())
}

fn median(values: &[f64]) -> f64 {
    crate::record::quantile(values, 0.5)
}
