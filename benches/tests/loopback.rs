//! The part `loopback` as it is run, with little of everything.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_measure_has_its_rows_for_every_server() {
    let json = tempfile::NamedTempFile::new().unwrap();
    let options = "loopback --servers rekindle,nginx --kinds tls13-ticket --threads 1 --rounds 2 \
                   --millis 20 --clients 2 --sessions 4 --downloads 3 --download-bytes 200000 \
                   --burst 20 --idle 300 --json";
    let harness = Path::new(env!("CARGO_BIN_EXE_rekindle-benches"));
    let mut run = Command::new(harness);
    run.args(options.split_whitespace()).arg(json.path());
    // Tests of the workspace have built it, with other features: a build for the harness alone
    // takes minutes.
    let terminator = harness.with_file_name("rekindle-terminator");
    if terminator.exists() {
        run.arg("--terminator").arg(terminator);
    }
    let run = run.output().unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{run:?}");
    let servers = match printed.contains("left out: nginx") {
        true => vec!["rekindle"],
        false => vec!["rekindle", "nginx"],
    };
    let record: Value = serde_json::from_slice(&std::fs::read(json.path()).unwrap()).unwrap();
    let all = record["measurements"].as_array().unwrap();
    let samples = |quantity: &str, key: &str, value: &str| -> Vec<f64> {
        let of_case = |one: &&Value| one["quantity"] == quantity && one["case"][key] == value;
        let found: Vec<_> = all.iter().filter(of_case).collect();
        let names: Vec<_> = found.iter().map(|one| &one["contender"]).collect();
        assert_eq!(names, servers, "{quantity}, {value}: {printed}");
        let samples = found.iter().map(|one| one["samples"].clone());
        let samples: Vec<Vec<f64>> = samples
            .map(|s| serde_json::from_value(s).unwrap())
            .collect();
        assert!(
            samples.iter().all(|rounds| rounds.len() == 2),
            "{samples:?}"
        );
        samples.concat()
    };
    let positive = |samples: Vec<f64>| samples.iter().all(|sample| *sample > 0.0);

    assert!(positive(samples(
        "handshakes per second",
        "way",
        "TLS 1.3 ticket"
    )));
    assert!(positive(samples("download rate", "connections", "3")));
    assert!(positive(samples(
        "CPU time per gigabyte",
        "connections",
        "3"
    )));
    for (way, share) in [("full, TLS 1.3", 0.0), ("TLS 1.3 ticket", 100.0)] {
        let shares = samples("really resumed in a burst", "way", way);
        assert!(shares.iter().all(|seen| *seen == share), "{shares:?}");
        assert_eq!(
            samples("failed in a burst", "way", way).iter().sum::<f64>(),
            0.0
        );
    }
    for state in [
        "after an exchange",
        "not a byte sent",
        "part of a ClientHello sent",
    ] {
        let before = samples("resident before", "state", state);
        let with = samples("resident with connections", "state", state);
        let each = samples("resident per connection", "state", state);
        for ((before, with), each) in before.iter().zip(with).zip(each) {
            assert!(
                (with - before - 300.0 * each).abs() < 1.0,
                "{before} {with} {each}"
            );
            // An OpenSSL connection is not to be had for less. Before the ClientHello there need
            // not be one, and other memory may be given back meanwhile.
            let has_connection = state == "after an exchange";
            assert!(!has_connection || each > 1_000.0, "{state}: {each}");
        }
    }
}
