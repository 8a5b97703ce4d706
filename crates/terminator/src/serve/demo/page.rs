//! What a visitor sees: JSON for programs, one small page for browsers.

use std::net::SocketAddr;

use maud::{DOCTYPE, html};
use rekindle::Stats;
use rekindle::openssl::TicketStats;
use serde_json::json;

/// What one connection's handshake came to.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) protocol: &'static str,
    pub(super) cipher: &'static str,
    pub(super) resumed: bool,
    /// As the metrics name it.
    pub(super) kind: &'static str,
    /// The first digits, if there is a session id.
    pub(super) session_id: Option<String>,
    /// Where the visitor finds the admin page.
    pub(super) admin: Option<SocketAddr>,
}

pub(super) fn json(visit: &Visit, stats: &Stats, tickets: &TicketStats) -> String {
    let answer = json!({
        "protocol": visit.protocol,
        "cipher": visit.cipher,
        "resumed": visit.resumed,
        "handshake": visit.kind,
        "verdict": verdict(visit.kind),
        "session_id": visit.session_id,
        "cache": {
            "entries": stats.entries,
            "bytes": stats.bytes,
            "hits": stats.hits,
            "misses": stats.misses,
            "expired": stats.expired,
            "inserts": stats.inserts,
        },
        "tickets": {
            "sealed": tickets.sealed,
            "opened": tickets.opened,
            "renewed": tickets.renewed,
            "unknown_key": tickets.unknown_key,
        },
    });
    format!("{answer:#}\n")
}

/// The page closes its connection, and its script makes another one every few seconds. Without the
/// script, a reload does.
pub(super) fn html(visit: &Visit) -> String {
    let class = if visit.resumed { "resumed" } else { "full" };
    let verdict = verdict(visit.kind);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "rekindle: " (verdict) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/demo.css";
                script src="/demo.js" defer {}
            }
            body {
                main {
                    h1.(class) { (verdict) }
                    p {
                        "This page came over " (visit.protocol) " with " (visit.cipher) ". The \
                         server has closed that connection, so the next one begins with another \
                         handshake. A browser that has been here shows the ticket that it was \
                         given, and resumes."
                    }
                    h2 { "Your connections" }
                    ol #visits { li.(class) { (verdict) " (this page)" } }
                    p #more hidden {
                        button #again type="button" { "Connect again" }
                    }
                    p {
                        "A browser that does not trust this certificate (the demo has made it) \
                         begins each connection twice, and shows a ticket each time. So every \
                         other handshake may be full here, and none would be with a certificate \
                         that it trusts."
                    }
                    noscript { p { "Reload the page: each time it comes over a new connection." } }
                    @if let Some(admin) = visit.admin {
                        p {
                            "What the operator sees: "
                            a href={ "http://" (admin) "/" } { "http://" (admin) "/" }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn verdict(kind: &str) -> &'static str {
    match kind {
        "full" => "Full handshake",
        "session_id" => "Resumed by session id",
        "stateful_ticket" => "Resumed from the cache, by a ticket that names the session",
        "ticket" => "Resumed by ticket",
        "renewed_ticket" => "Resumed by ticket, and a new ticket given",
        _ => "Resumed",
    }
}
