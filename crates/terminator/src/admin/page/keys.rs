//! The ring of ticket keys in time. A fingerprint stands for each key.

use std::time::Duration;

use maud::{Markup, html};
use rekindle::Time;
use rekindle::tickets::{KeyPosition, KeySource, KeyStatus, TimePoint};

use super::chart;
use super::figures::{length, metric, metric_seconds, moment, table};
use super::snapshot::Snapshot;

/// The most keys that are shown, as in the metrics.
const SHOWN: usize = 16;
/// What is shown at most of the time before now, and of the time after.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const HEADS: [&str; 6] = ["key", "position", "age", "seals", "opens for", "time line"];

pub(super) fn keys(snapshot: &Snapshot) -> Markup {
    let ring = &snapshot.ring;
    let keys = ring.nearest(SHOWN);
    let scale = Scale::of(keys, snapshot);
    let total = ring.keys.len() as u64;
    html! {
        p { (source(ring.source)) }
        @if ring.fallback {
            p.bad {
                "No provided key may seal: a key of this machine's own does, whose tickets no \
                 other machine opens."
            }
        }
        (table("Keys, the next ones first", &HEADS, html! {
            @for key in keys { (row(key, &scale, snapshot)) }
        }))
        p.axis.ends {
            span { (length(scale.before)) " ago" } span { "in " (length(scale.after)) }
        }
        p.note {
            span.key.seals {} "seals tickets " span.key.opens {} "opens them "
            span.key.mark {} "now"
        }
        (table("The ring", &["keys", "next rotation in", "rotations", "fallbacks"], html! {
            tr {
                td.number { (metric("ticket_keys", &[], total)) }
                td.number {
                    @match ring.next_rotation {
                        Some(next) => {
                            (metric_seconds("ticket_key_next_rotation_seconds", &[], next))
                        }
                        None => "not known",
                    }
                }
                td.number { (metric("ticket_key_rotations_total", &[], ring.rotations)) }
                td.number { (metric("ticket_key_fallbacks_total", &[], ring.fallbacks)) }
            }
        }))
    }
}

fn source(source: KeySource) -> &'static str {
    match source {
        KeySource::Local => "Keys are made here, and no other machine has them.",
        KeySource::Given => "Keys come from a file or a folder.",
        KeySource::Derived => "Keys are derived from a secret that machines share.",
        _ => "",
    }
}

fn row(key: &KeyStatus, scale: &Scale, snapshot: &Snapshot) -> Markup {
    let fingerprint = key.fingerprint.to_string();
    let position = key.position.name();
    let labels = [("key", fingerprint.as_str()), ("position", position)];
    let seals = seals(key, snapshot);
    let name = format!(
        "Key {fingerprint}, {position}, opens for {}",
        opens_for(key)
    );
    html! {
        tr {
            th scope="row" { code { (fingerprint) } }
            td { (position) @if key.local && snapshot.ring.fallback { ", made here" } }
            td.number { (metric_seconds("ticket_key_age_seconds", &labels, key.age)) }
            td { (seals) }
            td.number {
                @if is_endless(key.times.open_until) { "no end" }
                @else { (metric_seconds("ticket_key_opens_for_seconds", &labels, key.opens_for)) }
            }
            td.drawn { (scale.lane(key, &name)) }
        }
    }
}

fn opens_for(key: &KeyStatus) -> String {
    match is_endless(key.times.open_until) {
        true => "an unknown time".into(),
        false => length(key.opens_for),
    }
}

fn is_endless(time: Time) -> bool {
    time == Time::NEVER
}

/// When a key seals, as far as that lies ahead.
fn seals(key: &KeyStatus, snapshot: &Snapshot) -> Markup {
    let Snapshot { now, ring_now, .. } = *snapshot;
    let ahead = |time: Time| moment(now.saturating_add(time.duration_since(ring_now)));
    let (from, until) = (key.times.seal_from, key.times.seal_until);
    html! {
        @match key.position {
            KeyPosition::Next if is_endless(from) => "when a reload says so",
            KeyPosition::Next => { "from " (ahead(from)) },
            KeyPosition::Sealing if is_endless(until) => "until it is replaced",
            KeyPosition::Sealing => { "until " (ahead(until)) },
            KeyPosition::Previous(_) => "no longer",
        }
    }
}

/// What part of time the lanes show.
struct Scale {
    now: Time,
    before: Duration,
    after: Duration,
}

impl Scale {
    fn of(keys: &[KeyStatus], snapshot: &Snapshot) -> Self {
        let finite = keys.iter().filter(|key| !is_endless(key.times.open_until));
        let after = finite.map(|key| key.opens_for).max();
        let before = keys.iter().map(|key| key.age).max();
        let bound = |time: Option<Duration>| {
            time.unwrap_or(LONGEST)
                .clamp(Duration::from_secs(60), LONGEST)
        };
        Self {
            now: snapshot.ring_now,
            before: bound(before),
            after: bound(after),
        }
    }

    /// Where a time is, as a share of the width; outside of it where it is not shown.
    fn place(&self, time: Time) -> f64 {
        let ahead = time.as_millis() as f64 - self.now.as_millis() as f64;
        let (before, after) = (self.before.as_secs_f64(), self.after.as_secs_f64());
        (ahead / 1e3 + before) / (before + after)
    }

    fn lane(&self, key: &KeyStatus, name: &str) -> Markup {
        let times = key.times;
        let began = match times.seal_from == Time::BEGINNING {
            // It is not known when it began to seal: since it is here.
            true => self.place(self.now) - self.share(key.age),
            false => self.place(times.seal_from),
        };
        let seals = (times.seal_from < times.seal_until && times.seal_from != Time::NEVER)
            .then(|| (began, self.place(times.seal_until.min(times.open_until))));
        // Next keys open before they seal: machines that are ahead seal with them.
        let opens = match key.position {
            KeyPosition::Next => self.place(self.now),
            _ => began,
        };
        let until = self.place(times.open_until);
        chart::lane(seals, (opens, until), self.place(self.now), name)
    }

    fn share(&self, time: Duration) -> f64 {
        time.as_secs_f64() / (self.before + self.after).as_secs_f64()
    }
}
