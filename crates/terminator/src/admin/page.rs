//! What a visitor sees: JSON for programs, one small page for browsers.

use rekindle::Stats;
use rekindle::openssl::TicketStats;
use serde_json::json;

/// What one connection's handshake came to.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) protocol: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) resumed: bool,
    /// As the metrics name it.
    pub(crate) kind: &'static str,
    /// The first digits, if there is a session id.
    pub(crate) session_id: Option<String>,
}

pub(crate) fn json(visit: &Visit, stats: &Stats, tickets: &TicketStats) -> String {
    let answer = json!({
        "protocol": visit.protocol,
        "cipher": visit.cipher,
        "resumed": visit.resumed,
        "handshake": visit.kind,
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

/// No value in here comes from the client, so there is nothing to escape.
pub(crate) fn html(visit: &Visit, stats: &Stats, tickets: &TicketStats) -> String {
    let class = if visit.resumed { "resumed" } else { "new" };
    let session_id = match &visit.session_id {
        Some(id) => format!("{id}…"),
        None => "none".to_owned(),
    };
    let entries = format!("{} ({} bytes)", stats.entries, stats.bytes);
    let (hits, misses, expired) = (stats.hits, stats.misses, stats.expired);
    let lookups = format!("{hits} hits, {misses} misses, {expired} expired");
    let (sealed, opened, renewed) = (tickets.sealed, tickets.opened, tickets.renewed);
    let tickets = format!("{sealed} sealed, {opened} opened, {renewed} renewed");
    let rows = [
        ("Protocol", visit.protocol),
        ("Cipher suite", visit.cipher),
        ("Session id", &session_id),
        ("Sessions in the cache", &entries),
        ("Lookups", &lookups),
        ("Tickets", &tickets),
    ];
    let row = |(name, value): &(&str, &str)| format!("<tr><th>{name}<td>{value}\n");
    let rows: String = rows.iter().map(row).collect();
    PAGE.replace("{class}", class)
        .replace("{verdict}", verdict(visit.kind))
        .replace("{rows}", &rows)
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

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rekindle: {verdict}</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem;
         color: #1c2330; background: #fbfbfa; }
  h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 1.5rem; padding-left: .75rem;
       border-left: .35rem solid; }
  .new { border-color: #8a94a6; }
  .resumed { border-color: #d9622b; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .4rem 0;
           border-bottom: 1px solid #e4e4e0; }
  th { font-weight: 500; color: #5b6472; width: 14rem; }
  p { color: #5b6472; }
  @media (prefers-color-scheme: dark) {
    body { color: #e6e8ec; background: #16181d; }
    th, td { border-color: #2b2f38; }
    th, p { color: #98a1b0; }
  }
</style>
<h1 class="{class}">{verdict}</h1>
<table>
{rows}</table>
<p>A browser keeps a connection open and shows the same handshake again when you reload.
   Wait half a minute, or open a new window, for another connection.</p>
</html>
"#;
