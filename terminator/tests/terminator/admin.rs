//! `/metrics` and `/healthz`.

use crate::common::Terminator;
use crate::common::client::{s_client, s_client_get};

#[test]
fn health() {
    let terminator = Terminator::demo(&[]);
    let (status, body) = terminator.admin("/healthz");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, "ok\n");
    assert_eq!(terminator.admin("/elsewhere").0, "HTTP/1.1 404 Not Found");
}

#[test]
fn metrics_tell_what_happened() {
    let terminator = Terminator::demo(&["--tickets", "off"]);
    s_client(terminator.address, &["-tls1_2", "-reconnect"]);
    s_client_get(terminator.address, &["-tls1_3"]);
    terminator.wait_for_metric("rekindle_connections_active", 0);

    for (series, value) in [
        ("rekindle_connections_accepted_total", 7),
        ("rekindle_connections_refused_total", 0),
        (
            r#"rekindle_handshakes_total{protocol="TLSv1.2",kind="full"}"#,
            1,
        ),
        (
            r#"rekindle_handshakes_total{protocol="TLSv1.2",kind="session_id"}"#,
            5,
        ),
        (
            r#"rekindle_handshakes_total{protocol="TLSv1.3",kind="full"}"#,
            1,
        ),
        (r#"rekindle_cache_lookups_total{result="hit"}"#, 5),
        ("rekindle_ticket_keys", 1),
    ] {
        assert_eq!(terminator.metric(series), value, "{series}");
    }
    assert!(terminator.metric("rekindle_cache_entries") > 0);
    assert!(terminator.metric("rekindle_cache_size_bytes") > 0);
}

#[test]
fn metrics_are_well_formed_and_complete() {
    let terminator = Terminator::demo(&[]);
    let (status, text) = terminator.admin("/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines() {
        assert!(
            line.starts_with("# ") || line.starts_with("rekindle_"),
            "{line}"
        );
    }
    // Every series that an alert could be about is there before its first event.
    for series in [
        r#"rekindle_handshake_failures_total{reason="timeout"}"#,
        r#"rekindle_handshake_failures_total{reason="tls"}"#,
        r#"rekindle_handshake_failures_total{reason="io"}"#,
        "rekindle_upstream_connect_failures_total",
        r#"rekindle_received_bytes_total{side="client"}"#,
        r#"rekindle_received_bytes_total{side="upstream"}"#,
        r#"rekindle_cache_evictions_total{reason="expired"}"#,
        r#"rekindle_cache_evictions_total{reason="unused"}"#,
        r#"rekindle_cache_evictions_total{reason="idle"}"#,
        r#"rekindle_cache_evictions_total{reason="line_full"}"#,
        r#"rekindle_cache_refusals_total{reason="too_large"}"#,
        r#"rekindle_cache_refusals_total{reason="over_budget"}"#,
        r#"rekindle_cache_refusals_total{reason="reclamation"}"#,
        "rekindle_cache_retired_bytes",
        r#"rekindle_tickets_total{event="sealed"}"#,
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
