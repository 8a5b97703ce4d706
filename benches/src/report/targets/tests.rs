use super::*;
use crate::record::Measurement;
use crate::report::sample::{engine, measured, record};
use crate::report::verdict::Verdict;

const CHAIN: &str = "get_buffer, dependent keys";

fn row(measurements: &[Measurement], target: &str) -> Row {
    let rows = rows(&record(measurements.to_vec()));
    let found = rows.into_iter().find(|row| row.target == target);
    found.unwrap_or_else(|| panic!("no target {target}"))
}

fn judged(measurements: &[Measurement], target: &str, verdict: Verdict) -> Row {
    let row = row(measurements, target);
    assert_eq!(row.verdict(), verdict, "{target}");
    row
}

fn verdict(measurements: &[Measurement], target: &str) -> Verdict {
    row(measurements, target).verdict()
}

/// Every size and number of threads: the floor, ours at a ratio to it, and scc at another.
fn lookups(ours: f64, scc: f64) -> Vec<Measurement> {
    let at = |ratio: f64| {
        let times = [100.0, 110.0, 90.0].map(|floor| floor * ratio);
        times.map(|time| time.to_string()).join(",")
    };
    let (floor, ours, scc) = (at(1.0), at(ours), at(scc));
    let all = format!("floor={floor};rekindle, pinned={ours};rekindle={ours};scc={scc}");
    let sizes = [1_000, 10_000, 100_000, 1_000_000, 4_000_000].into_iter();
    let cases = sizes.flat_map(|sessions| [(sessions, 1), (sessions, 2)]);
    cases
        .flat_map(|(sessions, threads)| engine(CHAIN, sessions, threads, &all))
        .collect()
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
fn a_record_of_single_parts_is_held_against_their_targets() {
    let mut of_engine = record([]);
    of_engine.scale = Record::OF_PARTS.into();
    assert!(rows(&of_engine).is_empty());
    of_engine.durations.insert("engine".into(), 1.0);
    let some = rows(&of_engine);
    assert!(some.iter().any(|row| row.measure.starts_with("get_buffer")));
    assert!(some.iter().all(|row| !row.measure.contains("loopback")));
    assert!(some.len() < rows(&record([])).len());
}

#[test]
fn lookups_are_held_against_the_floor_round_by_round() {
    let floor = "at most 1.10 of the floor";
    let met = judged(&lookups(1.09, 2.0), floor, Verdict::Met);
    assert_eq!(met.checks.len(), 20);
    assert_eq!(met.remark(), "");

    let mut measurements = lookups(1.05, 2.0);
    // A disturbance that met all of them is none.
    for slow in measurements.iter_mut().take(3) {
        slow.samples[0] *= 50.0;
    }
    assert_eq!(verdict(&measurements, floor), Verdict::Met);
    // The second case's.
    measurements[5].samples = vec![123.0, 136.0, 115.0];
    let missed = judged(&measurements, floor, Verdict::Missed);
    let worst = missed.worst().unwrap();
    let case = "1 k sessions, 2 threads, 160 B, rekindle, pinned";
    assert_eq!(worst.case, case);
    assert_eq!(missed.value(worst.seen.median), "1.24×");
    assert_eq!(missed.spread(worst), "[1.24, 1.28]");
    let remark = format!("missed in 1 of 20: {case} (1.24×)");
    assert_eq!(missed.remark(), remark);
}

#[test]
fn what_was_not_measured_is_not_met() {
    let mut some = lookups(1.0, 2.0);
    some.retain(|m| m.case("sessions") != Some("1000000"));
    let floor = "at most 1.10 of the floor";
    let row = judged(&some, floor, Verdict::MetWhereMeasured);
    let remark = "not measured: 1 M sessions, 1 thread; 1 M sessions, 2 threads";
    assert_eq!(row.remark(), remark);
}

#[test]
fn peers_are_not_the_floor() {
    let peers = "ahead of every peer";
    assert_eq!(verdict(&lookups(1.2, 1.3), peers), Verdict::Met);
    let behind = judged(&lookups(1.2, 1.1), peers, Verdict::Missed);
    assert!(behind.worst().unwrap().case.ends_with("beside scc"));
    let floor = "at most 1.10 of the floor";
    assert_eq!(verdict(&lookups(1.2, 1.3), floor), Verdict::Missed);
}

#[test]
fn two_threads_do_twice_the_work_in_the_same_time() {
    let gain = "at least 1.9 times the throughput";
    let even = judged(&lookups(1.0, 2.0), gain, Verdict::Met);
    assert_eq!(even.worst().unwrap().seen.median, 2.0);
    let mut slower = lookups(1.0, 2.0);
    for m in slower.iter_mut().filter(|m| m.case("threads") == Some("2")) {
        m.samples.iter_mut().for_each(|time| *time *= 1.2);
    }
    assert_eq!(verdict(&slower, gain), Verdict::Missed);
}

#[test]
fn peers_that_overwrite_are_judged_and_the_others_told() {
    let times = "rekindle=100;scc=80;scc, wiping=100";
    let cases = [10_000, 100_000, 1_000_000].map(|n| [(n, 1), (n, 2)]);
    let of = |(sessions, threads)| engine("insert, new ids", sessions, threads, times);
    let all: Vec<_> = cases.into_iter().flatten().flat_map(of).collect();
    let overwrites = judged(&all, "no slower than scc that overwrites", Verdict::Met);
    let told = "not counted: 1 M sessions, 2 threads, 160 B, beside scc (1.25×)";
    assert_eq!(overwrites.remark(), told);
    let plain = "at most 1.15 of scc that does not overwrite";
    assert_eq!(verdict(&all, plain), Verdict::Missed);
}

#[test]
fn mixes_are_held_against_caches_and_the_fastest_map() {
    let mixes = [5, 20, 50].map(|share| format!("mixed, {share} % inserts of new ids"));
    let single_use = "single use: take and two inserts".to_owned();
    let loads = mixes.into_iter().chain([single_use]);
    let times = "floor=1; rekindle=100; dashmap, wiping=99; scc, wiping=150; \
                 quick_cache, wiping=101; moka, wiping=300";
    let of = |load: String| [2, 16].map(|threads| engine(&load, 100_000, threads, times));
    let mut all: Vec<_> = loads.flat_map(of).flatten().collect();
    let caches = judged(
        &all,
        "ahead of every cache that overwrites, 2 and 16 threads",
        Verdict::Met,
    );
    assert_eq!(caches.checks.len(), 16);
    let maps = "no slower than the fastest map that overwrites, 2 threads";
    let missed = row(&all, maps);
    assert_eq!(missed.missed().count(), 4);
    assert!(missed.remark().starts_with(
        "missed in 4 of 4: mixed, 5 % inserts of new ids, 100 k sessions, 2 threads, 160 B, \
         beside dashmap, wiping (1.01×); "
    ));
    assert!(missed.remark().ends_with("; and 1 more"));
    let dashmap = "no slower than dashmap that overwrites, 16 threads";
    assert_eq!(verdict(&all, dashmap), Verdict::Missed);
    all.retain(|m| m.contender != "dashmap, wiping");
    assert_eq!(verdict(&all, maps), Verdict::Met);
}

#[test]
fn a_get_is_held_against_a_get_buffer_of_the_same_kind() {
    let target = "at most 1.3 times get_buffer";
    let ours =
        |load, threads, time: f64| engine(load, 10_000, threads, &format!("rekindle={time}"));
    let (get, buffer) = ("get, random keys", "get_buffer, independent keys");
    let mut all = ours(get, 1, 130.0);
    all.extend(ours(buffer, 2, 10.0));
    all.extend(ours(CHAIN, 1, 10.0));
    assert_eq!(verdict(&all, target), Verdict::NotMeasured);
    let with = |time| [all.clone(), ours(buffer, 1, time)].concat();
    assert_eq!(verdict(&with(101.0), target), Verdict::Met);
    assert_eq!(verdict(&with(99.0), target), Verdict::Missed);
}

#[test]
fn the_tail_counts_beside_writers_only() {
    let tail = |case: &str, times: &str| {
        let case = format!("{case};sessions=100000");
        measured(["tail", "latency of get"], &case, times)
    };
    let idle = [
        tail("quantile=p99;writers=0", "rekindle=1"),
        tail("quantile=p99.9;writers=0", "rekindle=100"),
        tail("quantile=p99.99;writers=0", "rekindle=100;scc=1"),
    ];
    let mut all = idle.concat();
    let (half, twice) = ("at most half of the best peer's", "within twice our p99");
    assert_eq!(verdict(&all, half), Verdict::NotMeasured);
    assert_eq!(verdict(&all, twice), Verdict::NotMeasured);
    for writers in [4, 16] {
        let mut add = |quantile, times| {
            let case = format!("quantile={quantile};writers={writers}");
            all.extend(tail(&case, times));
        };
        add("p99", "rekindle=500");
        add("p99.9", "rekindle=999");
        add("p99.99", "rekindle=1000;moka=9000;scc=2000");
    }
    assert_eq!(verdict(&all, half), Verdict::Met);
    assert_eq!(verdict(&all, twice), Verdict::Met);
    all.last_mut().unwrap().samples = vec![1_999.0];
    let missed = judged(&all, half, Verdict::Missed);
    let worst = &missed.worst().unwrap().case;
    assert!(worst.starts_with("100 k sessions, 16 writers"));

    // A contender that finds nothing is fast.
    let case = "writers=16;sessions=100000";
    all.extend(measured(["tail", "lookups that missed"], case, "scc=10.1"));
    assert_eq!(verdict(&all, half), Verdict::Met);
}

#[test]
fn hits_are_compared_in_points() {
    let hits = |case, ours, lru| {
        let both = format!("rekindle={ours};exact LRU={lru}");
        measured(["hit-ratio", "hits"], case, &both)
    };
    let of = |zipf, flood| {
        let small = hits("stream=visitors in a flood;capacity %=1", 30.0, 29.5);
        let large = hits("stream=visitors in a flood;capacity %=10", flood, 44.0);
        [hits("stream=Zipf;capacity %=1", zipf, 20.0), small, large].concat()
    };
    let lru = "nowhere more than 0.1 points below exact LRU";
    let flood = "at least 1 point above exact LRU";
    assert_eq!(verdict(&of(19.91, 45.5), lru), Verdict::Met);
    let met = judged(&of(20.0, 45.5), flood, Verdict::Met);
    assert_eq!(met.value(met.worst().unwrap().seen.median), "+1.50 points");
    assert_eq!(verdict(&of(20.0, 44.5), flood), Verdict::Missed);
    let remark = "missed in 1 of 3: Zipf, capacity 1 % (−0.11 points)";
    assert_eq!(row(&of(19.89, 45.5), lru).remark(), remark);
}

#[test]
fn overhead_counts_at_full_capacity() {
    let overhead = |case: &str, bytes| {
        let case = format!("sessions={case}");
        measured(["memory", "overhead"], &case, bytes)
    };
    let churned = "100000;when=after ten times capacity;bytes=200";
    let mut all = overhead(churned, "rekindle=500");
    let mixed = "100000;when=filled;bytes=160 to 3072";
    all.extend(overhead(mixed, "rekindle=300"));
    all.extend(overhead("100000;when=filled;bytes=200", "rekindle=96"));
    let target = "at most 96 bytes";
    assert_eq!(verdict(&all, target), Verdict::MetWhereMeasured);
    all.extend(overhead("1000000;when=filled;bytes=200", "rekindle=90"));
    let met = judged(&all, target, Verdict::Met);
    assert_eq!(
        met.remark(),
        "not counted: 100 k sessions, 200 B, after ten times capacity (500 bytes); \
         100 k sessions, 160 to 3072 B, filled (300 bytes)"
    );
    all[2].samples = vec![97.0];
    assert_eq!(verdict(&all, target), Verdict::Missed);
}

#[test]
fn opening_tickets_counts() {
    let of = |open: f64| {
        let times = |operation, ours: f64| {
            let both = format!("OpenSSL's built-in key=100;rekindle={ours}");
            measured(["tickets", "time per ticket"], operation, &both)
        };
        let seal = times("operation=seal;ring=still", 200.0);
        [seal, times("operation=open;ring=still", open)].concat()
    };
    let target = "at most 1.05 of OpenSSL's built-in key";
    assert_eq!(verdict(&of(105.0), target), Verdict::Met);
    assert_eq!(verdict(&of(106.0), target), Verdict::Missed);
}

#[test]
fn rates_count_where_handshakes_were_resumed() {
    let of = |quantity, way, values| {
        let of = |threads| format!("where=loopback;way={way};threads={threads}");
        let case = |threads| measured(["handshake", quantity], &of(threads), values);
        [case(1), case(2)].concat()
    };
    let rate = |rates| of("handshakes per second", "TLS 1.2 id", rates);
    let share = |shares| of("really resumed", "TLS 1.2 id", shares);
    let full = "full, TLS 1.2";
    let full = of("handshakes per second", full, "rekindle=1;hitch=2");
    let target = "ahead of nginx, haproxy, hitch, Traffic Server";

    let rates = rate("rekindle=9000;nginx=8000;haproxy=7000;Traffic Server=6000");
    let mut all = [rates, full].concat();
    let without_hitch = judged(&all, target, Verdict::MetWhereMeasured);
    assert_eq!(
        without_hitch.unmeasured,
        ["hitch, 1 thread", "hitch, 2 threads"]
    );
    all.extend(rate("hitch=8999"));
    assert_eq!(verdict(&all, target), Verdict::Met);

    // A server that does not resume does less.
    all.extend(share("nginx=50"));
    assert_eq!(
        row(&all, target).unmeasured,
        ["nginx, 1 thread", "nginx, 2 threads"]
    );
    all.extend(share("rekindle=98"));
    assert_eq!(verdict(&all, target), Verdict::Missed);
}

#[test]
fn the_best_server_is_the_one_with_the_highest_rate() {
    let of = |rates| {
        let case = |threads| format!("connections=50;threads={threads}");
        [1, 2].map(|threads| measured(["loopback", "download rate"], &case(threads), rates))
    };
    let target = "at least the best server's rate";
    let ahead = of("rekindle=900;nginx=899;haproxy=700").concat();
    assert_eq!(verdict(&ahead, target), Verdict::Met);
    let behind = of("rekindle=900;nginx=800;haproxy=901").concat();
    let worst = judged(&behind, target, Verdict::Missed);
    assert!(worst.worst().unwrap().case.ends_with("beside haproxy"));
}

#[test]
fn a_burst_that_loses_clients_is_no_fast_one() {
    let of = |quantity, case: &str, values| {
        let case = format!("way=full, TLS 1.3;connections=1000;threads=1{case}");
        measured(["loopback", quantity], &case, values)
    };
    let times = "rekindle=100;nginx=200";
    let mut all = of("latency in a burst", ";quantile=p99", times);
    all.extend(of(
        "latency in a burst",
        ";quantile=p50",
        "rekindle=90;nginx=1",
    ));
    let target = "at most nginx's latency";
    assert_eq!(verdict(&all, target), Verdict::MetWhereMeasured);
    all.extend(of("failed in a burst", "", "rekindle=1;nginx=0"));
    assert_eq!(verdict(&all, target), Verdict::Missed);
}

#[test]
fn idle_connections_are_held_against_nginx() {
    let states = [
        "after an exchange",
        "not a byte sent",
        "part of a ClientHello sent",
    ];
    let of = |state, threads| {
        let case = format!("state={state};connections=2000;threads={threads}");
        let bytes = "rekindle=15000;nginx=15000;hitch=9000";
        measured(["loopback", "resident per connection"], &case, bytes)
    };
    let all = states.map(|state| [of(state, 1), of(state, 2)].concat());
    let target = "at most nginx's memory";
    let met = judged(&all.concat(), target, Verdict::Met);
    let worst = &met.worst().unwrap().case;
    assert!(worst.ends_with("2 threads"), "{worst}");
    assert_eq!(verdict(&all[0], target), Verdict::MetWhereMeasured);
}
