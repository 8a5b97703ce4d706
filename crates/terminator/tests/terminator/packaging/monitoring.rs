//! Alert rules and dashboard: their series exist, Prometheus takes them, and each alert is tested.

use std::process::Command;

use rekindle_test_servers::{echo, skipped, ticket_key};
use serde_json::Value;

use super::prometheus::Prometheus;
use super::selector::Selector;
use super::{path, text};
use crate::common::{Files, Terminator, eventually, ticket_secret};

const RULES: &str = "alerts.yml";
const TESTS: &str = "alerts.test.yml";
const DASHBOARD: &str = "grafana-dashboard.json";

/// Terminators that differ in what they count: one before an upstream, with ticket keys of a file,
/// and one with sessions in its cache, of a fleet whose store it has not reached so far.
fn terminators() -> ([Terminator; 2], Files) {
    let files = Files::with_certificate("monitoring");
    files.replace("tickets.key", &ticket_key());
    let keys = format!("--ticket-keys {}", files.text("tickets.key"));
    files.replace("secret", ticket_secret(3_600).as_bytes());
    let secret = files.text("secret");
    let fleet = format!("--fleet redis://127.0.0.1:1 --fleet-secret {secret}");
    let terminators = [
        Terminator::proxy(echo(), &files, &keys),
        Terminator::demo(&format!("--tickets off {fleet}")),
    ];
    for terminator in &terminators {
        terminator.s_client("-tls1_2 -reconnect");
        terminator.s_client("-tls1_3");
    }
    (terminators, files)
}

fn dashboard() -> Value {
    serde_json::from_str(&text(DASHBOARD)).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list)
}

/// A query of the dashboard with the names of its series, as Grafana sends it.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = list(&dashboard["panels"]).iter();
    let targets = panels.flat_map(|panel| list(&panel["targets"]));
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    let queries = targets.map(|target| {
        let query = word(&target["expr"]);
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1m");
        let query = query.replace("$job", ".+").replace("$instance", ".+");
        assert!(!query.contains('$'), "{query}");
        (query, word(&target["legendFormat"]))
    });
    queries.collect()
}

/// The queries for the values of the dashboard's variables.
fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let variables = list(&dashboard["templating"]["list"]).iter();
    let queries = variables.filter_map(|variable| variable["query"]["query"].as_str());
    let values = queries.map(|query| {
        let inside = query.strip_prefix("label_values(");
        let inside = inside.and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inside
            .and_then(|inside| inside.rsplit_once(", "))
            .expect(query);
        (selector.replace("$job", ".+"), label.to_owned())
    });
    values.collect()
}

#[test]
fn every_series_of_the_rules_and_of_the_dashboard_exists() {
    let (terminators, _files) = terminators();
    let metrics = terminators
        .each_ref()
        .map(|terminator| terminator.admin("/metrics").1);
    let metrics = metrics.concat();
    let dashboard = dashboard();
    let queries = queries(&dashboard).into_iter().map(|(query, _)| query);
    let variables = variables(&dashboard)
        .into_iter()
        .map(|(selector, _)| selector);
    let queries = queries.chain(variables).collect::<Vec<_>>().join("\n");
    for (file, text) in [(RULES, text(RULES)), (DASHBOARD, queries)] {
        let selectors = Selector::all(&text);
        assert!(selectors.len() > 15, "{file}: {selectors:?}");
        for selector in selectors {
            assert!(selector.exists_in(&metrics), "{file}: {selector:?}");
        }
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let (rules, tests) = (path(RULES), path(TESTS));
    for arguments in [["check", "rules"], ["test", "rules"]] {
        let file = if arguments[0] == "check" {
            &rules
        } else {
            &tests
        };
        let output = Command::new("promtool").args(arguments).arg(file).output();
        let Ok(output) = output else {
            return skipped("tests with promtool (Debian: prometheus)");
        };
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(output.status.success(), "{arguments:?}: {printed}");
    }
}

#[test]
fn each_alert_has_a_test_in_which_it_fires() {
    let (rules, tests) = (text(RULES), text(TESTS));
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        count += 1;
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert}");
    }
    assert!(count > 10, "{count}");
}

#[test]
fn prometheus_evaluates_the_rules_and_every_query_of_the_dashboard() {
    let (terminators, _files) = terminators();
    let targets = terminators.each_ref().map(|terminator| terminator.admin);
    let Some(prometheus) = Prometheus::start(&path(RULES), &targets) else {
        return;
    };
    let dashboard = dashboard();
    for (query, legend) in queries(&dashboard) {
        let labels = legend.split("{{").skip(1);
        let labels: Vec<_> = labels.filter_map(|rest| rest.split_once("}}")).collect();
        for result in prometheus.results(&query) {
            for (label, _) in &labels {
                assert!(
                    result["metric"][label].is_string(),
                    "{query}: {legend}: {result}"
                );
            }
        }
    }
    for (selector, label) in variables(&dashboard) {
        let values = prometheus.ask(&format!("label/{label}/values"), ("match[]", &selector));
        assert!(!list(&values).is_empty(), "{selector}: {label}");
    }
    eventually("the rules are evaluated", || {
        let answer = prometheus.ask("rules", ("type", "alert"));
        let groups = list(&answer["groups"]);
        let rules: Vec<_> = groups
            .iter()
            .flat_map(|group| list(&group["rules"]))
            .collect();
        let failed = rules.iter().find(|rule| rule["health"] == "err");
        assert!(failed.is_none(), "{failed:?}");
        rules.len() > 10 && rules.iter().all(|rule| rule["health"] == "ok")
    });
    // Nothing is wrong with these terminators; what is pending waits for it to be so for longer.
    let firing = prometheus.ask("query", ("query", r#"ALERTS{alertstate="firing"}"#));
    let firing: Vec<_> = list(&firing["result"]).iter().collect();
    let may_fire = |alert: &&&Value| alert["metric"]["alertname"] == "RekindleCertificateEnds";
    let others = firing.len() - firing.iter().filter(may_fire).count();
    assert_eq!(others, 0, "{firing:?}");
}

#[test]
fn panels_are_told_apart_and_lie_beside_each_other() {
    let dashboard = dashboard();
    let mut taken = Vec::new();
    let mut ids = Vec::new();
    for panel in list(&dashboard["panels"]) {
        ids.push(panel["id"].as_u64().expect("a number"));
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a number"));
        assert!(x + width <= 24, "{panel}");
        for row in y..y + height {
            for column in x..x + width {
                assert!(!taken.contains(&(row, column)), "{panel}");
                taken.push((row, column));
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count > 20), (count, true));
}
