//! What the page shows is what the metrics say.

use std::collections::HashMap;

use rekindle_test_servers::{Files, RedisServer, Visitor, free_address};
use serde_json::Value;

use crate::answering;
use crate::browser::{Browser, Options};
use crate::common::{Terminator, eventually, handshakes, ticket_secret};

/// Each number of the page that is one of the metrics, with its series.
const SHOWN: &str = "return [...document.querySelectorAll('[data-series]')]
    .map((shown) => [shown.dataset.series, shown.value])";

/// The samples of the metrics.
fn metrics(terminator: &Terminator) -> HashMap<String, f64> {
    let (_, text) = terminator.admin("/metrics");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| line.rsplit_once(' ').expect("a value"));
    let samples = samples.map(|(series, value)| (series.into(), value.parse().expect("a number")));
    samples.collect()
}

fn shown(browser: &Browser) -> Vec<(String, f64)> {
    let Value::Array(shown) = browser.run(SHOWN) else {
        panic!("a list")
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let pair = |pair: &Value| (text(&pair[0]), text(&pair[1]).parse().expect("a number"));
    shown.iter().map(pair).collect()
}

#[track_caller]
fn assert_equal(browser: &Browser, terminator: &Terminator) -> HashMap<String, f64> {
    let metrics = metrics(terminator);
    let shown = shown(browser);
    for (series, number) in &shown {
        let expected = metrics.get(series);
        let expected = expected.unwrap_or_else(|| panic!("the metrics have no {series}"));
        // Keys get older between the two.
        let slack = if series.contains("ticket_key_") {
            5.0
        } else {
            0.0
        };
        assert!(
            (number - expected).abs() <= slack,
            "{series}: {number}, not {expected}"
        );
    }
    // A family that is shown is shown whole.
    let family = |series: &str| series.split('{').next().unwrap_or("").to_owned();
    let families: Vec<_> = shown.iter().map(|(series, _)| family(series)).collect();
    for series in metrics
        .keys()
        .filter(|series| families.contains(&family(series)))
    {
        assert!(
            shown.iter().any(|(shown, _)| shown == series),
            "{series} is not shown"
        );
    }
    metrics
}

/// The same from the buckets that Prometheus gets, as PromQL computes it.
fn quantile(metrics: &HashMap<String, f64>, kind: &str, share: f64) -> f64 {
    let of_kind = format!("kind=\"{kind}\"");
    let buckets = metrics.iter().filter(|(series, _)| {
        series.starts_with("rekindle_handshake_seconds_bucket{") && series.contains(&of_kind)
    });
    let bound = |series: &str| {
        let rest = series.split("le=\"").nth(1).expect("a bound");
        let bound = rest.split('"').next().expect("a bound");
        bound
            .replace("+Inf", "inf")
            .parse::<f64>()
            .expect("a number")
    };
    let mut buckets: Vec<_> = buckets
        .map(|(series, count)| (bound(series), *count))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rank = share * buckets.last().expect("buckets").1;
    let at = buckets
        .iter()
        .position(|(_, count)| *count >= rank && *count > 0.0);
    let at = at.expect("a bucket");
    let (lower, below) = at.checked_sub(1).map_or((0.0, 0.0), |at| buckets[at]);
    let (upper, count) = buckets[at];
    lower + (upper - lower) * (rank - below) / (count - below)
}

#[test]
fn what_the_page_shows_is_what_the_metrics_say() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let files = Files::with_certificate("figures");
    // Of two upstreams one is down, and one cached session is looked up again and again.
    let words = format!("--upstream {}", free_address());
    let terminator = Terminator::proxy(answering(), &files, &words);
    terminator.s_client("-tls1_2 -no_ticket -reconnect");
    terminator.s_client("-tls1_2 -reconnect");
    let client = Visitor::new("-tls1_3");
    client.visit(terminator.address);
    client.come_back(terminator.address).expect_reused([true]);
    terminator.s_client("-tls1_1");
    terminator.wait_for_metric("rekindle_connections_active", 0);
    terminator.wait_for_metric(&handshakes("TLSv1.2", "session_id"), 5);

    browser.open(&format!("http://{}/", terminator.admin));
    let metrics = assert_equal(&browser, &terminator);
    let of = |series: &str| metrics[series];
    assert_eq!(of(&handshakes("TLSv1.2", "ticket")), 5.0);
    assert_eq!(of(r#"rekindle_cache_lookups_total{result="hit"}"#), 5.0);
    assert!(of(r#"rekindle_tickets_total{event="opened"}"#) >= 6.0);

    for (kind, share, name) in [
        ("full", 0.5, "p50"),
        ("full", 0.99, "p99"),
        ("resumed", 0.5, "p50"),
        ("resumed", 0.999, "p99.9"),
    ] {
        let selector = format!("[data-kind=\"{kind}\"][data-quantile=\"{name}\"]");
        let shown = browser.run(&format!(
            "return document.querySelector('{selector}').value"
        ));
        let shown: f64 = shown.as_str().expect("text").parse().expect("a number");
        let expected = quantile(&metrics, kind, share);
        assert!(
            (shown - expected).abs() < 1e-9,
            "{kind} {name}: {shown}, not {expected}"
        );
    }
    ages_are_those_of_the_metrics(&browser, &metrics);
    // All lookups found their session, and so they do in any cache.
    assert!(
        browser
            .text("#cache")
            .contains("Of 5 lookups 100.0 % found their session.")
    );
    assert!(browser.text("#cache").contains("100,000 (now) 100.0 %"));
    assert!(browser.text("#upstreams").contains("down: passed over"));
    assert!(browser.text("#status").contains("some upstreams are down"));
    assert!(
        browser
            .text("#events")
            .contains("cannot connect to upstream")
    );
}

#[test]
fn the_fleet_is_shown_as_the_metrics_say() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    if !RedisServer::is_installed("the page of a terminator that shares sessions") {
        return;
    }
    let store = RedisServer::start();
    let files = Files::new();
    files.replace("secret", ticket_secret(3_600).as_bytes());
    let (url, secret) = (store.url(), files.text("secret"));
    let words = format!(
        "--threads 1 --tickets off --fleet-sharing both --fleet {url} --fleet-secret {secret}"
    );
    let machines = [(); 2].map(|()| Terminator::demo(&words));
    for machine in &machines {
        machine.wait_for_metric("rekindle_fleet_store_up", 1);
    }
    machines[0].s_client("-tls1_2");
    for machine in &machines {
        machine.wait_for_metric("rekindle_cache_entries", 1);
    }
    browser.open(&format!("http://{}/", machines[1].admin));
    let metrics = assert_equal(&browser, &machines[1]);
    let shown = shown(&browser).into_iter();
    let of_fleet = shown.filter(|(series, _)| series.starts_with("rekindle_fleet_"));
    // Each but `store_up`, which is shown in words.
    let counted = metrics
        .keys()
        .filter(|series| series.starts_with("rekindle_fleet_"));
    assert_eq!(of_fleet.count(), counted.count() - 1);
    let fleet = browser.text("#fleet");
    assert!(
        fleet.contains(&format!("Store: {url}, up since ")),
        "{fleet}"
    );
}

fn ages_are_those_of_the_metrics(browser: &Browser, metrics: &HashMap<String, f64>) {
    let shown = browser.run(
        "return [...document.querySelectorAll('[data-age-up-to]')]
            .map((shown) => [shown.dataset.ageUpTo, shown.value])",
    );
    let mut below = 0.0;
    let shown = shown.as_array().expect("a list");
    assert_eq!(shown.len(), 12);
    for bucket in shown {
        let [end, number] = [0, 1].map(|at| bucket[at].as_str().expect("text"));
        let end = if end == "+Inf" {
            "+Inf".into()
        } else {
            format!("{end}.0")
        };
        let count = metrics[&format!("rekindle_ticket_age_seconds_bucket{{le=\"{end}\"}}")];
        assert_eq!(number.parse(), Ok(count - below), "{end}");
        below = count;
    }
}

#[test]
fn the_page_follows_until_it_is_paused() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let terminator = Terminator::demo("");
    browser.open(&format!("http://{}/", terminator.admin));
    let handshakes = || browser.text("#handshakes");
    assert!(!handshakes().contains("TLSv1.3"));
    eventually("the script", || browser.text("#live") == "Live.");
    terminator.s_client("-tls1_3");
    eventually("the handshake", || handshakes().contains("TLSv1.3 full 1"));
    eventually("a rate", || browser.count("#handshakes polygon.full") == 1);
    assert_equal(&browser, &terminator);

    browser.click("#pause");
    assert_eq!(browser.text("#live"), "Paused.");
    terminator.s_client("-tls1_2");
    let before = browser.text("#status");
    let passed = std::time::Instant::now();
    // Two turns of the script.
    eventually("five seconds", || passed.elapsed().as_secs() >= 5);
    assert_eq!(browser.text("#status"), before);
    assert!(!handshakes().contains("TLSv1.2"));
    browser.click("#pause");
    eventually("the other one", || handshakes().contains("TLSv1.2 full 1"));

    drop(terminator);
    let gone = "Not live: the terminator does not answer.";
    eventually("the end", || browser.text("#live") == gone);
}

#[test]
fn without_scripts_it_shows_the_same() {
    let wanted = Options {
        without_scripts: true,
        ..Options::default()
    };
    let Some(browser) = Browser::start(wanted) else {
        return;
    };
    let terminator = Terminator::demo("");
    terminator.s_client("-tls1_2 -reconnect");
    terminator.wait_for_metric("rekindle_connections_active", 0);
    browser.open(&format!("http://{}/", terminator.admin));
    assert_equal(&browser, &terminator);
    assert_eq!(browser.text("#live"), "Not live: as of the time above.");
    let hidden = browser.run("return document.getElementById('pause').hidden");
    assert_eq!(hidden, true);
    terminator.s_client("-tls1_3");
    terminator.wait_for_metric(&handshakes("TLSv1.3", "full"), 1);
    assert!(
        !browser.text("#handshakes").contains("TLSv1.3"),
        "it is not live"
    );
    browser.open(&format!("http://{}/", terminator.admin));
    assert!(browser.text("#handshakes").contains("TLSv1.3 full 1"));
}
