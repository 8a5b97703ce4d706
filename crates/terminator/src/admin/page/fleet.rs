//! The fleet: whether its store answers, and what was shared.

use std::time::Duration;

use maud::{Markup, html};
use rekindle_fleet::FleetStats;

use super::figures::{counts, length, metric, moment, series, table};
use super::snapshot::Snapshot;
use crate::serve::FleetStatus;

pub(super) fn fleet(snapshot: &Snapshot) -> Markup {
    html! {
        @if let Some(status) = &snapshot.fleet { (shown(status, snapshot.now)) }
    }
}

fn shown(status: &FleetStatus, now: Duration) -> Markup {
    let stats = &status.stats;
    let lag = stats.lag_millis as f64 / 1e3;
    html! {
        (store(status, now))
        p {
            (metric("fleet_waiting", &[], stats.waiting)) " changes wait for the store. "
            "The last announcement of another machine came after "
            data value=(lag) data-series=(series("fleet_lag_seconds", &[])) {
                (stats.lag_millis) " ms"
            }
            ". Removed sessions that are remembered: "
            (metric("fleet_tombstones", &[], stats.tombstones)) "."
        }
        (table("Shared with other machines", &["what", "told", "received"], shared(stats)))
        (counts(
            "Sessions that were not shared",
            "fleet_dropped_total",
            ["reason", "sessions"],
            &stats.dropped(),
        ))
        (counts(
            "Refused, of what came",
            "fleet_refused_total",
            ["reason", "values"],
            &stats.refused(),
        ))
        @if status.fetches {
            (counts(
                "Lookups for clients",
                "fleet_fetches_total",
                ["result", "lookups"],
                &stats.fetches(),
            ))
        }
    }
}

fn store(status: &FleetStatus, now: Duration) -> Markup {
    let FleetStats {
        store_up,
        store_since,
        store_errors,
        ..
    } = status.stats;
    let since = Duration::from_secs(store_since);
    html! {
        p {
            "Store: " (status.address) ", "
            @match store_up {
                true => strong.good { "up" },
                false => strong.bad { "away" },
            }
            " since " (moment(since)) " (" (length(now.saturating_sub(since))) "). "
            "Connections that failed: " (metric("fleet_store_errors_total", &[], store_errors)) "."
        }
        @if !store_up {
            p.bad {
                "New sessions stay on this machine, and their clients make a full handshake on \
                 others. Removals and revocations wait, and are told when the store is back; until \
                 then other machines do not know of them."
            }
        }
    }
}

fn shared(stats: &FleetStats) -> Markup {
    let published = |what, number| metric("fleet_published_total", &[("what", what)], number);
    let received = |what, number| metric("fleet_received_total", &[("what", what)], number);
    html! {
        tr {
            th scope="row" { "sessions" }
            td.number { (published("session", stats.published)) }
            td.number {
                (received("announced", stats.replicated)) ", after a join "
                (received("caught_up", stats.caught_up)) ", known already "
                (received("known", stats.known))
            }
        }
        tr {
            th scope="row" { "removals and revocations" }
            td.number { (published("ending", stats.endings_published)) }
            td.number { (received("ending", stats.endings_received)) }
        }
    }
}
