//! Handshakes: how many, of which kind, how fast.

use maud::{Markup, html};

use super::chart;
use super::figures::{counts, metric, table, words};
use super::snapshot::Snapshot;
use crate::admin::history::Rate;
use crate::admin::latency::{LatencyCounts, Quantile};
use crate::numbers::percent;

const RATES: [&str; 4] = ["over the last", "full", "resumed", "share resumed"];

/// The quantiles, and how they are called.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")];

pub(super) fn rates(snapshot: &Snapshot) -> Markup {
    let Snapshot {
        rates,
        mean_rates,
        connections,
        ..
    } = snapshot;
    let peak = chart::peak(rates);
    let name = format!(
        "Handshakes a second over the last 5 minutes, at most {peak:.1}: full, and on top resumed"
    );
    html! {
        figure {
            p.axis { "at most " (format!("{peak:.1}")) " a second" }
            (chart::rates(rates, &name))
            p.axis.ends { span { "5 minutes ago" } span { "now" } }
            figcaption {
                span.key.resumed {} "resumed " span.key.full {} "full"
            }
        }
        (table("Handshakes a second", &RATES, html! {
            @for (name, rate) in mean_rates { (mean(name, *rate)) }
        }))
        (table("Handshakes so far", &["protocol", "kind", "handshakes"], html! {
            @for one in &snapshot.handshakes {
                @let labels = [("protocol", one.protocol), ("kind", one.kind)];
                tr {
                    th scope="row" { (one.protocol) }
                    td { (words(one.kind)) }
                    td.number { (metric("handshakes_total", &labels, one.count)) }
                }
            }
        }))
        (counts(
            "Handshakes that failed",
            "handshake_failures_total",
            ["reason", "handshakes"],
            &snapshot.failures,
        ))
        (table("Connections", &["open now", "accepted", "refused"], html! {
            tr {
                td.number { (metric("connections_active", &[], connections.active)) }
                td.number { (metric("connections_accepted_total", &[], connections.accepted)) }
                td.number { (metric("connections_refused_total", &[], connections.refused)) }
            }
        }))
    }
}

fn mean(name: &str, rate: Option<Rate>) -> Markup {
    let share = rate.and_then(|rate| rate.share());
    html! {
        tr {
            th scope="row" { (name) }
            td.number { (rate.map_or_else(dash, |rate| format!("{:.1}", rate.full))) }
            td.number { (rate.map_or_else(dash, |rate| format!("{:.1}", rate.resumed))) }
            td.number { (share.map_or_else(dash, percent)) }
        }
    }
}

fn dash() -> String {
    "–".into()
}

pub(super) fn latency(snapshot: &Snapshot) -> Markup {
    let heads = ["kind", "p50", "p99", "p99.9", "handshakes"];
    html! {
        (table("From the accept to the end of the handshake, since the start", &heads, html! {
            @for (kind, counts) in &snapshot.latencies {
                tr {
                    th scope="row" { (kind) }
                    @for (share, name) in QUANTILES { (quantile(kind, counts, share, name)) }
                    td.number {
                        (metric("handshake_seconds_count", &[("kind", kind)], counts.total()))
                    }
                }
            }
        }))
        p.note {
            "The way to the client and back is in it. Interpolated between the bounds of "
            code { "rekindle_handshake_seconds" } "."
        }
    }
}

fn quantile(kind: &str, counts: &LatencyCounts, share: f64, name: &str) -> Markup {
    let quantile = counts.quantile(share);
    let (seconds, shown) = match quantile {
        None => (String::new(), dash()),
        Some(Quantile::About(seconds)) => (seconds.to_string(), time(seconds)),
        Some(Quantile::Above(seconds)) => {
            (seconds.to_string(), format!("more than {}", time(seconds)))
        }
    };
    html! {
        td.number { data value=(seconds) data-quantile=(name) data-kind=(kind) { (shown) } }
    }
}

/// With three digits at most.
fn time(seconds: f64) -> String {
    let millis = seconds * 1e3;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        ..100.0 => format!("{millis:.1} ms"),
        ..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{seconds:.2} s"),
    }
}
