//! The part `memory` as it is run: it starts its own program again for each measurement.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn measured(json: &Path) -> Vec<Value> {
    let run = Command::new(env!("CARGO_BIN_EXE_rekindle-benches"))
        .args(["memory", "--sessions", "1000", "--rounds", "2"])
        .args(["--tls-sessions", "1000", "--json"])
        .arg(json)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let record: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    record["measurements"].as_array().unwrap().clone()
}

#[test]
fn every_session_is_accounted_for() {
    let json = tempfile::NamedTempFile::new().unwrap();
    let (tls, all): (Vec<_>, Vec<_>) = (measured(json.path()).into_iter())
        .partition(|one| one["quantity"].as_str().unwrap().ends_with("TLS objects"));
    // With and without certificates, seen and estimated, storages.
    assert_eq!(tls.len(), 2 * 2 * 3);
    // Sizes, moments, quantities, contenders.
    assert_eq!(all.len(), 2 * 2 * 4 * 9);
    for one in &all {
        let quantity = |name: &str| -> Vec<f64> {
            let same = |m: &&Value| {
                let same_case = m["case"] == one["case"] && m["contender"] == one["contender"];
                same_case && m["quantity"] == name
            };
            let samples = &all.iter().find(same).unwrap()["samples"];
            serde_json::from_value(samples.clone()).unwrap()
        };
        let (kept, resident) = (quantity("kept"), quantity("resident"));
        let (encoded, overhead) = (quantity("encoded"), quantity("overhead"));
        for round in 0..2 {
            assert!((500.0..1_100.0).contains(&kept[round]), "{one:?}");
            let sum = encoded[round] + overhead[round];
            assert!((resident[round] - sum).abs() < 0.001, "{one:?}");
            // An id and a value of eight bytes at least.
            assert!(overhead[round] > 40.0, "{one:?} {overhead:?}");
        }
        if one["case"]["bytes"] == "200" {
            assert_eq!(encoded, [200.0, 200.0], "{one:?}");
        }
    }
}
