//! What became of tickets, and how old they were.

use std::time::Duration;

use maud::{Markup, html};
use rekindle::resume::TicketStats;

use super::chart;
use super::figures::{length, metric, table, words};
use super::snapshot::Snapshot;
use crate::numbers::count;

/// What an operator should know of an outcome.
fn meaning(event: &str) -> &'static str {
    match event {
        "sealed" => "given to clients",
        "not_sealed" => "could not be made; the handshake went on without",
        "opened" => "came back and resumed, by the key that seals",
        "renewed" => "came back and resumed, by an older key; a new ticket was given",
        "unknown_key" => "of a key that this machine never had: do all machines share their keys?",
        "retired_key" => "of a key that has ended",
        "bad_mac" => "damaged or forged",
        "malformed" => "too short to be a ticket",
        "expired" => "older than the session timeout",
        "lineage_ended" => "too long since the last full handshake",
        "name_differs" => "of another server name",
        "revoked" => "revoked",
        "context_differs" => "opened, but of another session id context",
        "unusable" => "opened, but of another version or cipher suite",
        _ => "",
    }
}

pub(super) fn outcomes(snapshot: &Snapshot) -> Markup {
    table(
        "Stateless tickets",
        &["outcome", "tickets", "meaning"],
        html! {
            @for (event, count) in snapshot.tickets.events() {
                tr {
                    th scope="row" { (words(event)) }
                    td.number { (metric("tickets_total", &[("event", event)], count)) }
                    td { (meaning(event)) }
                }
            }
        },
    )
}

pub(super) fn ages(snapshot: &Snapshot) -> Markup {
    let ages = snapshot.tickets.ages;
    let (all, most) = (
        ages.iter().sum(),
        ages.into_iter().max().unwrap_or(0).max(1),
    );
    let bounds = TicketStats::AGES.map(|seconds| length(Duration::from_secs(seconds)));
    let last = bounds.last().map(|bound| format!("more than {bound}"));
    let names = bounds
        .iter()
        .map(|bound| format!("up to {bound}"))
        .chain(last);
    let ends = TicketStats::AGES.map(|seconds| seconds.to_string());
    let ends = ends.into_iter().chain(["+Inf".into()]);
    html! {
        p { "Tickets that opened: " (metric("ticket_age_seconds_count", &[], all)) "." }
        (table("Tickets that opened, by their age", &["age", "tickets", "share"], html! {
            @for ((name, end), number) in names.zip(ends).zip(ages) {
                tr {
                    th scope="row" { (name) }
                    td.number { data value=(number) data-age-up-to=(end) { (count(number)) } }
                    td.drawn { (chart::bar(number as f64 / most as f64)) }
                }
            }
        }))
    }
}
