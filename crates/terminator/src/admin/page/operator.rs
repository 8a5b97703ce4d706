//! What an operator has to look at, and may do.

use std::time::UNIX_EPOCH;

use maud::{Markup, html};
use rekindle::tickets::KeySource;
use tracing::Level;

use super::figures::{moment, table};
use super::snapshot::Snapshot;

pub(super) fn events(snapshot: &Snapshot) -> Markup {
    if snapshot.events.is_empty() {
        return html! { p { "Nothing since the start." } };
    }
    table(
        "Warnings and errors of the log, the latest first",
        &["time", "", "what"],
        html! {
            @for event in &snapshot.events {
                tr {
                    @let at = event.at.duration_since(UNIX_EPOCH).unwrap_or_default();
                th scope="row" { (moment(at)) }
                    td {
                        @match event.level {
                            Level::ERROR => strong.bad { "error" },
                            _ => strong.warn { "warning" },
                        }
                    }
                    td.text { (event.text) }
                }
            }
        },
    )
}

pub(super) fn changes(snapshot: &Snapshot) -> Markup {
    let own_keys = snapshot.ring.source == KeySource::Local;
    html! {
        section #change aria-labelledby="change-title" {
            h2 #change-title { "Change" }
            form method="post" action="/revoke" {
                p {
                    label for="token" { "Token of " code { "--admin-write" } " " }
                    input #token name="token" type="password" autocomplete="off" required;
                }
                p {
                    button type="submit" formaction="/revoke" { "Revoke all sessions" }
                    " Cached sessions and tickets of before end: each client makes a full \
                     handshake."
                }
                @if own_keys {
                    p {
                        button type="submit" formaction="/rotate" { "Rotate the ticket keys" }
                        " A new key seals from now on; tickets of before still open."
                    }
                } @else {
                    p { "The ticket keys come from a file or a secret, and rotate there." }
                }
                p { output #answer role="status" {} }
            }
        }
    }
}
