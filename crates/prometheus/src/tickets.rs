//! What became of stateless tickets.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use rekindle::resume::TicketStats;

use crate::encode::labelled;

/// As [`TicketStats::opened_by`] numbers the positions of keys.
const POSITIONS: [&str; TicketStats::PLACES] = [
    "next",
    "sealing",
    "previous_1",
    "previous_2",
    "previous_3",
    "previous_4",
    "previous_5",
    "older",
];

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, stats: &TicketStats) -> fmt::Result {
    let what = "Stateless tickets, by what was done with them";
    labelled(out, "tickets", what, "event", &stats.events())?;
    let positions: Vec<_> = POSITIONS.into_iter().zip(stats.opened_by).collect();
    let what = "Stateless tickets opened or renewed, by the position of the key in the ring";
    labelled(out, "tickets_opened_by", what, "position", &positions)?;
    ages(out, stats)
}

fn ages(out: &mut DescriptorEncoder<'_>, stats: &TicketStats) -> fmt::Result {
    let bounds = TicketStats::AGES.map(|seconds| seconds as f64);
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(stats.ages).collect();
    let count = stats.ages.iter().sum();
    out.encode_descriptor(
        "ticket_age",
        "Age of stateless tickets when a client came back with them and they opened",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?
    .encode_histogram::<NoLabelSet>(stats.ages_sum as f64, count, &buckets, None)
}
