use super::*;
use crate::record::Measurement;
use crate::report::sample::{engine as of_engine, measurement, record};
use crate::report::verdict::Verdict;

const CHAIN: &str = "get_buffer, dependent keys";

fn row(measurements: Vec<Measurement>, target: &str) -> Row {
    let rows = rows(&record(measurements));
    let found = rows.into_iter().find(|row| row.target == target);
    found.unwrap_or_else(|| panic!("no target {target}"))
}

fn verdict(measurements: Vec<Measurement>, target: &str) -> Verdict {
    row(measurements, target).verdict()
}

/// Every size and number of threads: the floor, ours at a ratio to it, and scc at another.
fn lookups(ours: f64, scc: f64) -> Vec<Measurement> {
    let mut all = Vec::new();
    for sessions in [10_000, 100_000, 1_000_000] {
        for threads in [1, 2] {
            let mut add = |contender, ratio: f64| {
                let samples = [100.0, 110.0, 90.0].map(|floor| floor * ratio);
                all.push(of_engine(CHAIN, sessions, threads, contender, &samples));
            };
            add("floor", 1.0);
            add("rekindle, pinned", ours);
            add("rekindle", ours * 1.1);
            add("scc", scc);
        }
    }
    all
}

#[test]
fn an_empty_record_measures_nothing() {
    for row in rows(&record([])) {
        assert_eq!(row.verdict(), Verdict::NotMeasured, "{}", row.target);
        assert!(row.worst().is_none());
        assert!(!row.unmeasured.is_empty(), "{}", row.target);
    }
}

#[test]
fn lookups_are_held_against_the_floor_round_by_round() {
    let floor = "at most 1.10 of the floor";
    let met = row(lookups(1.09, 2.0), floor);
    assert_eq!(met.verdict(), Verdict::Met);
    assert_eq!(met.checks.len(), 6);
    assert_eq!(met.remark(), "");

    let mut measurements = lookups(1.05, 2.0);
    // A disturbance that met both is none.
    for slow in measurements.iter_mut().take(2) {
        slow.samples[0] *= 50.0;
    }
    assert_eq!(verdict(measurements.clone(), floor), Verdict::Met);
    // The second case's.
    measurements[5].samples = vec![123.0, 136.0, 115.0];
    let missed = row(measurements, floor);
    assert_eq!(missed.verdict(), Verdict::Missed);
    let worst = missed.worst().unwrap();
    assert_eq!(worst.case, "10 k sessions, 2 threads, 160 B");
    assert_eq!(missed.value(worst.seen.median), "1.24×");
    assert_eq!(missed.spread(worst), "[1.24, 1.28]");
    let remark = "missed in 1 of 6: 10 k sessions, 2 threads, 160 B (1.24×)";
    assert_eq!(missed.remark(), remark);
}

#[test]
fn what_was_not_measured_is_not_met() {
    let mut some = lookups(1.0, 2.0);
    some.retain(|m| m.case("sessions") != Some("1000000"));
    let row = row(some, "at most 1.10 of the floor");
    assert_eq!(row.verdict(), Verdict::MetWhereMeasured);
    let remark = "not measured: 1 M sessions, 1 thread; 1 M sessions, 2 threads";
    assert_eq!(row.remark(), remark);
}

#[test]
fn peers_are_not_the_floor() {
    let peers = "ahead of every peer";
    assert_eq!(verdict(lookups(1.2, 1.3), peers), Verdict::Met);
    let behind = row(lookups(1.2, 1.1), peers);
    assert_eq!(behind.verdict(), Verdict::Missed);
    assert!(behind.worst().unwrap().case.ends_with("beside scc"));
    let floor = "at most 1.25 of the floor";
    assert_eq!(verdict(lookups(1.2, 1.1), floor), Verdict::Missed);
}

#[test]
fn two_threads_do_twice_the_work_in_the_same_time() {
    let gain = "at least 1.9 times the throughput";
    let even = row(lookups(1.0, 2.0), gain);
    assert_eq!(even.verdict(), Verdict::Met);
    assert_eq!(even.worst().unwrap().seen.median, 2.0);
    let mut slower = lookups(1.0, 2.0);
    for m in slower.iter_mut().filter(|m| m.case("threads") == Some("2")) {
        m.samples.iter_mut().for_each(|time| *time *= 1.2);
    }
    assert_eq!(verdict(slower, gain), Verdict::Missed);
}

#[test]
fn growth_looks_at_the_ends_and_at_what_lies_between() {
    let growth = "ratio to the floor never above 1.25";
    let between = row(lookups(1.2, 2.0), growth);
    assert_eq!(between.verdict(), Verdict::MetWhereMeasured);
    assert_eq!(between.unmeasured, ["1 k sessions", "4 M sessions"]);
    let mut all = lookups(1.2, 2.0);
    for sessions in [1_000, 4_000_000] {
        all.push(of_engine(CHAIN, sessions, 1, "floor", &[10.0]));
        all.push(of_engine(CHAIN, sessions, 1, "rekindle, pinned", &[12.0]));
    }
    assert_eq!(verdict(all.clone(), growth), Verdict::Met);
    all.last_mut().unwrap().samples = vec![13.0];
    assert_eq!(verdict(all, growth), Verdict::Missed);
}

#[test]
fn mixes_are_held_against_caches_and_the_fastest_map() {
    let mut all = Vec::new();
    for inserts in [5, 20, 50] {
        for threads in [2, 16] {
            let load = format!("mixed, {inserts} % inserts of new ids");
            let times = [("floor", 1.0), ("rekindle", 100.0), ("dashmap", 99.0)];
            let more = [("scc", 150.0), ("quick_cache", 101.0), ("moka", 300.0)];
            for (contender, time) in times.into_iter().chain(more) {
                all.push(of_engine(&load, 100_000, threads, contender, &[time]));
            }
        }
    }
    let caches = row(all.clone(), "ahead of every peer that evicts");
    assert_eq!(caches.verdict(), Verdict::Met);
    assert_eq!(caches.checks.len(), 12);
    let maps = "no slower than the fastest map (scc, dashmap)";
    let missed = row(all.clone(), maps);
    assert_eq!(missed.missed().count(), 6);
    assert!(missed.remark().starts_with(
        "missed in 6 of 6: mixed, 5 % inserts of new ids, 100 k sessions, 2 threads, 160 B, \
         beside dashmap (1.01×); "
    ));
    assert!(missed.remark().ends_with("; and 3 more"));
    all.retain(|m| m.contender != "dashmap");
    assert_eq!(verdict(all, maps), Verdict::Met);
}

#[test]
fn a_get_is_held_against_a_get_buffer_of_the_same_kind() {
    let target = "at most 1.3 times get_buffer";
    let buffer = "get_buffer, independent keys";
    let mut all = vec![
        of_engine("get, random keys", 10_000, 1, "rekindle", &[130.0]),
        of_engine(buffer, 10_000, 2, "rekindle", &[10.0]),
        of_engine(CHAIN, 10_000, 1, "rekindle", &[10.0]),
    ];
    assert_eq!(verdict(all.clone(), target), Verdict::NotMeasured);
    all.push(of_engine(buffer, 10_000, 1, "rekindle", &[101.0]));
    assert_eq!(verdict(all.clone(), target), Verdict::Met);
    all[3].samples = vec![99.0];
    assert_eq!(verdict(all, target), Verdict::Missed);
}

fn tail(quantile: &str, writers: &str, contender: &str, time: f64) -> Measurement {
    let case = [
        ("quantile", quantile),
        ("writers", writers),
        ("sessions", "100000"),
    ];
    measurement("tail", "latency of get", case, contender, &[time])
}

#[test]
fn the_tail_counts_beside_writers_only() {
    let mut all = vec![
        tail("p99", "0", "rekindle", 1.0),
        tail("p99.9", "0", "rekindle", 100.0),
        tail("p99.99", "0", "rekindle", 100.0),
        tail("p99.99", "0", "scc", 1.0),
    ];
    let (half, twice) = ("at most half of the best peer's", "within twice our p99");
    assert_eq!(verdict(all.clone(), half), Verdict::NotMeasured);
    assert_eq!(verdict(all.clone(), twice), Verdict::NotMeasured);
    for writers in ["4", "16"] {
        all.push(tail("p99", writers, "rekindle", 500.0));
        all.push(tail("p99.9", writers, "rekindle", 999.0));
        all.push(tail("p99.99", writers, "rekindle", 1_000.0));
        all.push(tail("p99.99", writers, "moka", 9_000.0));
        all.push(tail("p99.99", writers, "scc", 2_000.0));
    }
    assert_eq!(verdict(all.clone(), half), Verdict::Met);
    assert_eq!(verdict(all.clone(), twice), Verdict::Met);
    all.last_mut().unwrap().samples = vec![1_999.0];
    let missed = row(all.clone(), half);
    assert_eq!(missed.verdict(), Verdict::Missed);
    let worst = &missed.worst().unwrap().case;
    assert!(worst.starts_with("100 k sessions, 16 writers"));

    // A contender that finds nothing is fast.
    let case = [("writers", "16"), ("sessions", "100000")];
    let share = measurement("tail", "lookups that missed", case, "scc", &[10.1]);
    all.push(share);
    assert_eq!(verdict(all, half), Verdict::Met);
}

fn hits(stream: &str, capacity: &str, contender: &str, share: f64) -> Measurement {
    let case = [("stream", stream), ("capacity %", capacity)];
    measurement("hit-ratio", "hits", case, contender, &[share])
}

#[test]
fn hits_are_compared_in_points() {
    let mut all = vec![
        hits("Zipf", "1", "rekindle", 20.0),
        hits("Zipf", "1", "exact LRU", 20.0),
        hits("visitors in a flood", "1", "rekindle", 30.0),
        hits("visitors in a flood", "1", "exact LRU", 29.5),
        hits("visitors in a flood", "10", "rekindle", 45.5),
        hits("visitors in a flood", "10", "exact LRU", 44.0),
    ];
    let lru = "at least that of exact LRU";
    let flood = "at least 1 point above exact LRU";
    assert_eq!(verdict(all.clone(), lru), Verdict::Met);
    let met = row(all.clone(), flood);
    assert_eq!(met.verdict(), Verdict::Met);
    assert_eq!(met.value(met.worst().unwrap().seen.median), "+1.50 points");
    all[0].samples = vec![19.99];
    all[4].samples = vec![44.5];
    assert_eq!(verdict(all.clone(), flood), Verdict::Missed);
    let missed = row(all, lru);
    let remark = "missed in 1 of 3: Zipf, capacity 1 % (−0.01 points)";
    assert_eq!(missed.remark(), remark);
}

#[test]
fn overhead_counts_at_full_capacity() {
    let overhead = |sessions, when, length, bytes| {
        let case = [("sessions", sessions), ("when", when), ("bytes", length)];
        measurement("memory", "overhead", case, "rekindle", &[bytes])
    };
    let mut all = vec![
        overhead("100000", "after ten times capacity", "200", 500.0),
        overhead("100000", "filled", "160 to 3072", 300.0),
        overhead("100000", "filled", "200", 96.0),
    ];
    let target = "at most 96 bytes";
    assert_eq!(verdict(all.clone(), target), Verdict::MetWhereMeasured);
    all.push(overhead("1000000", "filled", "200", 90.0));
    let met = row(all.clone(), target);
    assert_eq!(met.verdict(), Verdict::Met);
    assert_eq!(
        met.remark(),
        "not counted: 100 k sessions, 200 B, after ten times capacity (500 bytes); \
         100 k sessions, 160 to 3072 B, filled (300 bytes)"
    );
    all[2].samples = vec![97.0];
    assert_eq!(verdict(all, target), Verdict::Missed);
}

#[test]
fn opening_tickets_counts() {
    let time = |operation, contender, time| {
        let case = [("operation", operation), ("ring", "still")];
        measurement("tickets", "time per ticket", case, contender, &[time])
    };
    let mut all = vec![
        time("seal", "OpenSSL's built-in key", 100.0),
        time("seal", "rekindle", 200.0),
        time("open", "OpenSSL's built-in key", 100.0),
        time("open", "rekindle", 105.0),
    ];
    let target = "at most 1.05 of OpenSSL's built-in key";
    assert_eq!(verdict(all.clone(), target), Verdict::Met);
    all[3].samples = vec![106.0];
    assert_eq!(verdict(all, target), Verdict::Missed);
}

#[test]
fn rates_count_where_handshakes_were_resumed() {
    let of = |quantity, way, contender, value| {
        let case = [("where", "loopback"), ("way", way), ("threads", "2")];
        measurement("handshake", quantity, case, contender, &[value])
    };
    let rate = |contender, value| of("handshakes per second", "TLS 1.2 id", contender, value);
    let share = |contender, value| of("really resumed", "TLS 1.2 id", contender, value);
    let full = |contender, value| of("handshakes per second", "full, TLS 1.2", contender, value);
    let target = "ahead of nginx, haproxy, hitch, Traffic Server";

    let mut all = vec![
        rate("rekindle", 9_000.0),
        rate("nginx", 8_000.0),
        rate("haproxy", 7_000.0),
        rate("Traffic Server", 6_000.0),
        full("rekindle", 1.0),
        full("hitch", 2.0),
    ];
    let without_hitch = row(all.clone(), target);
    assert_eq!(without_hitch.verdict(), Verdict::MetWhereMeasured);
    assert_eq!(without_hitch.unmeasured, ["hitch"]);
    all.push(rate("hitch", 8_999.0));
    assert_eq!(verdict(all.clone(), target), Verdict::Met);

    // A server that does not resume does less.
    all.push(share("nginx", 50.0));
    assert_eq!(row(all.clone(), target).unmeasured, ["nginx"]);
    all.push(share("rekindle", 98.0));
    assert_eq!(verdict(all, target), Verdict::Missed);
}
