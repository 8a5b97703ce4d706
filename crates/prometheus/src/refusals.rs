//! Sessions of the cache that were not resumed although they were found.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use rekindle::resume::SessionStats;

use crate::encode::labelled;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, stats: &SessionStats) -> fmt::Result {
    let reasons = [
        ("name_differs", stats.name_differs),
        ("revoked", stats.revoked),
    ];
    let what =
        "Sessions found in the cache and not resumed, by reason; lookups count them as expired";
    labelled(out, "sessions_refused", what, "reason", &reasons)
}
