//! Flights of early data.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use rekindle::resume::EarlyDataStats;

use crate::encode::labelled;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, stats: &EarlyDataStats) -> fmt::Result {
    let outcomes = [
        ("accepted", stats.accepted),
        ("replayed", stats.replayed),
        ("too_old", stats.too_old),
        ("foreign", stats.foreign),
        ("starting", stats.starting),
        ("handover", stats.handover),
        ("full", stats.full),
        ("name_differs", stats.name_differs),
        ("alpn_differs", stats.alpn_differs),
        ("retried", stats.retried),
        ("not_resumed", stats.not_resumed),
    ];
    let what = "Flights of early data, by what became of them";
    labelled(out, "early_data", what, "outcome", &outcomes)
}
