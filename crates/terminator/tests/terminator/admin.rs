//! `/metrics`, `/healthz` and `/revoke`: what they do.

use std::io::Write;
use std::process::{Command, Stdio};

use rekindle_test_servers::{Files, Printed, Visitor, skipped};

use crate::common::{Terminator, handshakes};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn health() {
    let terminator = Terminator::demo("");
    let (status, body) = terminator.admin("/healthz");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, "ok\n");
    assert_eq!(terminator.admin("/elsewhere").0, "HTTP/1.1 404 Not Found");
}

#[test]
fn sessions_are_revoked() {
    for (words, series) in [
        ("--tickets on", r#"rekindle_tickets_total{event="revoked"}"#),
        (
            "--tickets off",
            r#"rekindle_sessions_refused_total{reason="revoked"}"#,
        ),
    ] {
        let files = Files::new();
        files.replace("token", TOKEN.as_bytes());
        let token = files.text("token");
        let terminator = Terminator::demo(&format!("{words} --admin-write {token}"));
        for version in ["-tls1_2", "-tls1_3"] {
            let before = terminator.metric(series);
            let client = Visitor::new(version);
            client.visit(terminator.address);
            client.come_back(terminator.address).expect_reused([true]);
            // To look at it revokes nothing.
            let looked = terminator.admin("/revoke").0;
            assert_eq!(looked, "HTTP/1.1 405 Method Not Allowed");
            client.come_back(terminator.address).expect_reused([true]);
            let revoked = terminator.post("/revoke", TOKEN);
            assert_eq!(revoked.0, "HTTP/1.1 200 OK");
            client.come_back(terminator.address).expect_reused([false]);
            assert_eq!(terminator.metric(series), before + 1, "{words} {version}");
        }
    }
}

#[test]
fn metrics_tell_what_happened() {
    let terminator = Terminator::demo("--tickets off");
    terminator.s_client("-tls1_2 -reconnect");
    terminator.get("-tls1_3");
    terminator.wait_for_metric("rekindle_connections_active", 0);

    for (series, value) in [
        ("rekindle_connections_accepted_total", 7),
        ("rekindle_connections_refused_total", 0),
        (&handshakes("TLSv1.2", "full"), 1),
        (&handshakes("TLSv1.2", "session_id"), 5),
        (&handshakes("TLSv1.3", "full"), 1),
        (r#"rekindle_cache_lookups_total{result="hit"}"#, 5),
        ("rekindle_ticket_keys", 2),
        (r#"rekindle_ticket_key_source{source="local"}"#, 1),
    ] {
        assert_eq!(terminator.metric(series), value, "{series}");
    }
    assert!(terminator.metric("rekindle_cache_entries") > 0);
    assert!(terminator.metric("rekindle_cache_size_bytes") > 0);
}

#[test]
fn metrics_are_well_formed_and_complete() {
    let terminator = Terminator::demo("");
    let (status, text) = terminator.admin("/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in text.lines() {
        assert!(
            line.starts_with("# ") || line.starts_with("rekindle_"),
            "{line}"
        );
    }
    let versions = format!(
        r#"rekindle_build_info{{version="{}",openssl="{}"}} 1"#,
        env!("CARGO_PKG_VERSION"),
        openssl::version::version()
    );
    assert!(text.lines().any(|line| line == versions), "{text}");
    // Every series that an alert could be about is there before its first event.
    for series in [
        r#"rekindle_handshake_failures_total{reason="timeout"}"#,
        r#"rekindle_handshake_failures_total{reason="tls"}"#,
        r#"rekindle_handshake_failures_total{reason="io"}"#,
        "rekindle_connections_without_upstream_total",
        r#"rekindle_received_bytes_total{side="client"}"#,
        r#"rekindle_received_bytes_total{side="upstream"}"#,
        r#"rekindle_cache_evictions_total{reason="expired"}"#,
        r#"rekindle_cache_evictions_total{reason="unused"}"#,
        r#"rekindle_cache_evictions_total{reason="idle"}"#,
        r#"rekindle_cache_evictions_total{reason="line_full"}"#,
        r#"rekindle_cache_refusals_total{reason="too_large"}"#,
        r#"rekindle_cache_refusals_total{reason="over_budget"}"#,
        r#"rekindle_sessions_refused_total{reason="name_differs"}"#,
        r#"rekindle_early_data_total{outcome="accepted"}"#,
        r#"rekindle_cache_refusals_total{reason="reclamation"}"#,
        "rekindle_cache_retired_bytes",
        "rekindle_cache_capacity",
        "rekindle_cache_reuse_distance_sessions_sum",
        "rekindle_cache_reuse_distance_sessions_count",
        r#"rekindle_cache_reuse_distance_sessions_bucket{le="100000.0"}"#,
        r#"rekindle_cache_reuse_distance_sessions_bucket{le="+Inf"}"#,
        "rekindle_cache_reuse_sampled_ratio",
        "rekindle_cache_reuse_dropped_total",
        r#"rekindle_tickets_total{event="sealed"}"#,
        r#"rekindle_tickets_total{event="not_sealed"}"#,
        r#"rekindle_tickets_total{event="unknown_key"}"#,
        r#"rekindle_conflicts_total{with="session_callbacks"}"#,
        r#"rekindle_conflicts_total{with="no_session_id_context"}"#,
        r#"rekindle_tickets_total{event="bad_mac"}"#,
        r#"rekindle_tickets_opened_by_total{position="older"}"#,
        r#"rekindle_ticket_age_seconds_bucket{le="1.0"}"#,
        r#"rekindle_ticket_age_seconds_bucket{le="+Inf"}"#,
        "rekindle_ticket_age_seconds_sum",
        "rekindle_ticket_keys",
        "rekindle_ticket_key_next_rotation_seconds",
        "rekindle_ticket_key_seals_for_seconds",
        "rekindle_ticket_key_fallback",
        "rekindle_ticket_key_fallbacks_total",
        "rekindle_ticket_key_rotations_total",
        r#"rekindle_certificate_not_after_timestamp_seconds{certificate="self-signed"}"#,
        r#"rekindle_reloads_total{of="certificate",result="failed"}"#,
        r#"rekindle_reloads_total{of="ticket_keys",result="failed"}"#,
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with(&format!("{series} "))),
            "{series} is missing"
        );
    }
}

#[test]
fn metrics_come_in_the_format_that_was_asked_for() {
    let terminator = Terminator::demo("");
    let text = "text/plain; version=0.0.4; charset=utf-8";
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // What curl sends, a scraper of text, a client of OpenMetrics, and Prometheus 2.
    for (accept, content_type) in [
        ("*/*", text),
        ("text/plain;version=0.0.4", text),
        ("application/openmetrics-text; version=1.0.0", open_metrics),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            open_metrics,
        ),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.2", text),
    ] {
        let (head, metrics) = terminator.admin_accepting("/metrics", accept);
        assert_eq!(head.content_type, content_type, "{accept}");
        let is_open = content_type == open_metrics;
        assert_eq!(metrics.ends_with("# EOF\n"), is_open, "{accept}");
        assert_eq!(metrics.contains("\n# UNIT "), is_open, "{accept}");
        let suffix = if is_open { "" } else { "_total" };
        let counter = format!("\n# TYPE rekindle_accept_errors{suffix} counter\n");
        assert!(metrics.contains(&counter), "{accept}: {metrics}");
    }
}

#[test]
fn a_series_has_the_same_name_in_both_formats() {
    let terminator = Terminator::demo("");
    terminator.get("-tls1_3");
    terminator.wait_for_metric("rekindle_connections_active", 0);
    let [text, open_metrics] = ["*/*", "application/openmetrics-text"].map(|accept| {
        let (_, metrics) = terminator.admin_accepting("/metrics", accept);
        let samples = metrics.lines().filter(|line| !line.starts_with('#'));
        let series = samples.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned());
        series.collect::<Vec<_>>()
    });
    assert_eq!(text, open_metrics);
}

/// Each family has a help, and a name as Prometheus' conventions have it: those of the collector
/// for embedders as well.
#[test]
fn promtool_has_no_complaint() {
    let terminator = Terminator::demo("");
    terminator.get("-tls1_2");
    terminator.get("-tls1_3");
    let (_, metrics) = terminator.admin("/metrics");
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        return skipped("tests with promtool (Debian: prometheus)");
    };
    let mut stdin = promtool.stdin.take().expect("piped");
    (stdin.write_all(metrics.as_bytes())).expect("it reads all");
    drop(stdin);
    let output = promtool.wait_with_output().expect("it ends");
    let complaints = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&complaints), "", "{metrics}");
    assert!(output.status.success(), "{:?}", output.status);
}

#[test]
fn reuse_distances_tell_which_capacity_finds_a_session() {
    let terminator = Terminator::demo("--tickets off --sessions 2 --threads 1");
    assert_eq!(terminator.metric("rekindle_cache_capacity"), 2);
    let [first, other, third] = [(); 3].map(|()| Visitor::new("-tls1_2"));
    let resumed = |printed: Printed| printed.assert_no_error().reused() == [true];
    let keep = |client: &Visitor<'_>| resumed(client.visit(terminator.address));
    let show = |client: &Visitor<'_>| resumed(client.come_back(terminator.address));
    let finds = |sessions| {
        let bucket = format!("rekindle_cache_reuse_distance_sessions_bucket{{le=\"{sessions}\"}}");
        terminator.metric(&bucket)
    };

    assert!(!keep(&first));
    assert!(show(&first), "no other came in between");
    assert_eq!((finds("1.0"), finds("+Inf")), (1, 1));

    assert!(!keep(&other));
    assert!(show(&first), "one other came in between");
    assert_eq!((finds("1.0"), finds("2.0"), finds("+Inf")), (1, 2, 2));

    // Never resumed, the other makes room for a third; that it was asked for is known all the same.
    assert!(!keep(&third));
    assert!(!show(&other));
    let found = [finds("1.0"), finds("2.0"), finds("3.0"), finds("+Inf")];
    assert_eq!(found, [1, 2, 3, 3]);
}

#[test]
fn a_stateful_ticket_has_a_reuse_distance() {
    let terminator = Terminator::demo("--tickets off");
    let client = Visitor::new("-tls1_3");
    client.visit(terminator.address);
    client.come_back(terminator.address).expect_reused([true]);
    for found_by in ["100000.0", "+Inf"] {
        let bucket = format!("rekindle_cache_reuse_distance_sessions_bucket{{le=\"{found_by}\"}}");
        assert_eq!(terminator.metric(&bucket), 1, "{found_by}");
    }
}

#[test]
fn reuse_distances_are_those_of_the_cache_not_of_tickets() {
    let terminator = Terminator::demo("");
    terminator.s_client("-tls1_2 -reconnect");
    terminator.wait_for_metric(&handshakes("TLSv1.2", "ticket"), 5);
    let count = "rekindle_cache_reuse_distance_sessions_count";
    assert_eq!(terminator.metric(count), 0);
}
