//! The ring of ticket keys. A fingerprint stands for each key, and reveals no secret.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rekindle::tickets::{KeyStatus, RingStatus};

use crate::encode::{counter, gauge};

/// The most keys that have series of their own: a file may hold thousands.
const LABELLED: usize = 16;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, status: &RingStatus) -> fmt::Result {
    let keys = "Keys in the ring: those that will seal, the one that seals, those that still open";
    gauge(out, "ticket_keys", keys, None, status.keys.len())?;
    let nearest = status.nearest(LABELLED);
    let age = "Time since a key began to seal; 0 for one that will seal later";
    labelled(out, "ticket_key_age", age, nearest, |key| key.age)?;
    let opens = "Time for which a key still opens tickets";
    labelled(out, "ticket_key_opens_for", opens, nearest, |key| {
        key.opens_for
    })?;
    let next = "Time until another key seals; absent if none is known";
    seconds(out, "ticket_key_next_rotation", next, status.next_rotation)?;
    let seals = "Time until no key of those known now may seal; absent if for ever";
    seconds(out, "ticket_key_seals_for", seals, status.seals_for)?;
    let help = "Whether a key of this machine's own seals because no provided key may";
    gauge(
        out,
        "ticket_key_fallback",
        help,
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
        let position = key.position.name();
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
