//! Upstreams, and certificates.

use std::time::Duration;

use maud::{Markup, html};

use super::figures::{cut, length, metric, moment, series, table};
use super::snapshot::Snapshot;
use crate::admin::certificates::ServerCertificate;

const DAY: u64 = 24 * 60 * 60;
/// What is shown of a certificate: names, and characters of each text.
const NAMES: usize = 5;
const LONGEST: usize = 120;

pub(super) fn upstreams(snapshot: &Snapshot) -> Markup {
    html! {
        @if snapshot.upstreams.is_empty() {
            p { "There are none: the demo answers by itself." }
        } @else {
            (table("Upstreams", &["upstream", "state", "failed attempts"], html! {
                @for one in &snapshot.upstreams {
                    @let labels = [("upstream", one.name.as_str())];
                    tr {
                        th scope="row" { (cut(&one.name, LONGEST)) }
                        td {
                            @match one.up {
                                true => strong.good { "up" },
                                false => strong.bad { "down: passed over" },
                            }
                        }
                        td.number {
                            (metric("upstream_connect_failures_total", &labels, one.failures))
                        }
                    }
                }
            }))
        }
        p {
            "Connections that reached none: "
            (metric("connections_without_upstream_total", &[], snapshot.without_upstream)) "."
        }
    }
}

pub(super) fn certificates(snapshot: &Snapshot) -> Markup {
    let heads = ["file", "subject", "names", "ends", "SHA-256"];
    table(
        "Certificates in use",
        &heads,
        html! {
            @for one in snapshot.certificates.iter() {
                tr {
                    th scope="row" { (cut(&one.name, LONGEST)) }
                    td { (cut(&one.subject, LONGEST)) }
                    td { (names(one)) }
                    td { (ends(one, snapshot.now)) }
                    td { code { (cut(&one.sha256, 16)) } }
                }
            }
        },
    )
}

fn names(certificate: &ServerCertificate) -> Markup {
    let names = &certificate.names;
    html! {
        ul {
            @for name in names.iter().take(NAMES) { li { (cut(name, LONGEST)) } }
            @if names.len() > NAMES { li { "and " (names.len() - NAMES) " more" } }
        }
    }
}

fn ends(certificate: &ServerCertificate, now: Duration) -> Markup {
    let unix = |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let (end, soon) = (unix(certificate.not_after), unix(certificate.soon_after));
    let labels = [("certificate", certificate.name.as_str())];
    let name = "certificate_not_after_timestamp_seconds";
    html! {
        data value=(end.as_secs()) data-series=(series(name, &labels)) { (moment(end)) }
        ", "
        @match end.checked_sub(now) {
            None => strong.bad { "it has ended" },
            Some(left) if now > soon => strong.warn { "in " (length(left)) },
            Some(left) => { "in " (left.as_secs() / DAY) " days" },
        }
    }
}
