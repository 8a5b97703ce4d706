//! The ring of ticket keys, read at each scrape. Keys go by their fingerprints, which tell no secret.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rekindle::tickets::{KeyPosition, KeyStatus, RingStatus};

use crate::encode::{counter, gauge};

/// Keys that have series of their own, at most: a file may hold thousands.
const LABELLED: usize = 16;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, status: &RingStatus) -> fmt::Result {
    let keys = "Keys in the ring: those to come, the one that seals, and those that still open";
    gauge(out, "ticket_keys", keys, None, status.keys.len())?;
    let nearest = nearest(&status.keys);
    let age = "Time since a key began to seal; 0 for one that is to come";
    labelled(out, "ticket_key_age", age, nearest, |key| key.age)?;
    let opens = "Time for which a key still opens tickets";
    labelled(out, "ticket_key_opens_for", opens, nearest, |key| {
        key.opens_for
    })?;
    let next = "Time until another key seals, if one is known that will";
    seconds(out, "ticket_key_next_rotation", next, status.next_rotation)?;
    let seals = "Time for which there is a key that seals, of those known now; absent if for ever";
    seconds(out, "ticket_key_seals_for", seals, status.seals_for)?;
    let fallback = "Whether a key of this machine's own seals because no provided one may";
    gauge(
        out,
        "ticket_key_fallback",
        fallback,
        None,
        status.fallback.into(),
    )?;
    let fallbacks = "How often keys of this machine's own had to take over";
    counter(out, "ticket_key_fallbacks", fallbacks, status.fallbacks)?;
    let rotations = "How often another key began to seal, by time or by an update";
    counter(out, "ticket_key_rotations", rotations, status.rotations)?;
    let source = "Where keys come from: local (made here), given (a file), derived (a secret)";
    let mut source = out.encode_descriptor("ticket_key_source", source, None, MetricType::Gauge)?;
    ConstGauge::new(1).encode(source.encode_family(&[("source", status.source.name())])?)
}

/// Those around the one that seals.
fn nearest(keys: &[KeyStatus]) -> &[KeyStatus] {
    let sealing = keys
        .iter()
        .position(|key| key.position == KeyPosition::Sealing);
    let first = sealing.unwrap_or(0).saturating_sub(LABELLED / 2);
    let end = keys.len().min(first + LABELLED);
    &keys[end.saturating_sub(LABELLED)..end]
}

fn labelled(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    keys: &[KeyStatus],
    value: impl Fn(&KeyStatus) -> Duration,
) -> fmt::Result {
    let unit = Some(&Unit::Seconds);
    let mut family = out.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for key in keys {
        let fingerprint = key.fingerprint.to_string();
        let position = match key.position {
            KeyPosition::Next => "next",
            KeyPosition::Sealing => "sealing",
            KeyPosition::Previous(_) => "previous",
        };
        let labels = [("key", fingerprint.as_str()), ("position", position)];
        whole_seconds(value(key)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn seconds(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<Duration>,
) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let unit = Some(&Unit::Seconds);
    whole_seconds(value).encode(out.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

fn whole_seconds(duration: Duration) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}
