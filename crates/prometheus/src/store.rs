//! What rustls has asked of the store.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use rekindle::resume::StoreStats;

use crate::encode::labelled;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, stats: &StoreStats) -> fmt::Result {
    let results = [
        ("stored", stats.stored),
        ("refused", stats.refused),
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("revoked", stats.revoked),
        ("taken", stats.taken),
        ("invalid_keys", stats.invalid_keys),
    ];
    let what = "Calls of the session store, by what came of them; a take is a hit as well";
    labelled(out, "store_calls", what, "result", &results)
}
