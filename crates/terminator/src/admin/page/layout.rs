//! The page as a whole.

use maud::{DOCTYPE, Markup, html};

use super::figures::moment;
use super::snapshot::Snapshot;
use super::{cache, fleet, handshakes, keys, operator, peers, tickets};

/// A part of the page: the name of its place, its heading, and what makes it.
type Section = (&'static str, &'static str, fn(&Snapshot) -> Markup);

const SECTIONS: [Section; 10] = [
    ("handshakes", "Handshakes", handshakes::rates),
    ("latency", "How long handshakes take", handshakes::latency),
    ("upstreams", "Upstreams", peers::upstreams),
    ("tickets", "Tickets", tickets::outcomes),
    (
        "ages",
        "How old tickets are when they come back",
        tickets::ages,
    ),
    ("keys", "Ticket keys", keys::keys),
    ("cache", "Session cache", cache::cache),
    (FLEET, "Fleet", fleet::fleet),
    ("certificates", "Certificates", peers::certificates),
    ("events", "What went wrong lately", operator::events),
];

/// It is there only if sessions are shared.
const FLEET: &str = "fleet";

pub(in crate::admin) fn render(snapshot: &Snapshot) -> String {
    let is_shown = |(id, ..): &&Section| *id != FLEET || snapshot.fleet.is_some();
    let sections: Vec<&Section> = SECTIONS.iter().filter(is_shown).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head())
            body {
                a.skip href="#main" { "To the figures" }
                header {
                    h1 { "rekindle-terminator" }
                    (status(snapshot))
                    p {
                        span #live role="status" { "Not live: as of the time above." }
                        " "
                        button #pause type="button" hidden { "Pause" }
                    }
                    nav aria-label="Sections" {
                        ul {
                            @for (id, title, _) in &sections {
                                li { a href={ "#" (id) } { (title) } }
                            }
                        }
                    }
                }
                main #main {
                    @for (id, title, content) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            div id={ (id) "-live" } data-live { (content(snapshot)) }
                        }
                    }
                    @if snapshot.may_change { (operator::changes(snapshot)) }
                }
                footer {
                    p {
                        "The same numbers for machines: " a href="/metrics" { "/metrics" }
                        ". Whether new connections are served: " a href="/healthz" { "/healthz" }
                        "."
                    }
                }
            }
        }
    };
    page.into_string()
}

fn head() -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { "rekindle-terminator" }
            link rel="icon" href="data:,";
            link rel="stylesheet" href="/page.css";
            script src="/page.js" defer {}
        }
    }
}

fn status(snapshot: &Snapshot) -> Markup {
    let up = snapshot
        .upstreams
        .iter()
        .filter(|upstream| upstream.up)
        .count();
    let (class, word) = match (up, snapshot.upstreams.len()) {
        _ if snapshot.draining => ("bad", "Draining"),
        (0, 1..) => ("bad", "No upstream is up"),
        (up, all) if up < all => ("warn", "Serving; some upstreams are down"),
        _ => ("good", "Serving"),
    };
    html! {
        p #status data-live {
            strong class=(class) { (word) }
            ". Version " (env!("CARGO_PKG_VERSION")) ", " (openssl::version::version()) ". "
            (moment(snapshot.now)) "."
        }
    }
}
