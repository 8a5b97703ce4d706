//! The estimate of reuse distances, read at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::sizing::{Histogram, ReuseEstimator};

#[derive(Debug)]
pub(crate) struct Collector(pub(super) Arc<ReuseEstimator>);

impl collector::Collector for Collector {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let estimate = self.0.estimate();
        distances(&mut out, &estimate.histogram)?;
        ConstGauge::new(estimate.sampled).encode(out.encode_descriptor(
            "cache_reuse_sampled_ratio",
            "Share of the sessions that the reuse distances are estimated from",
            None,
            MetricType::Gauge,
        )?)?;
        ConstCounter::new(estimate.dropped).encode(out.encode_descriptor(
            "cache_reuse_dropped",
            "Uses of sampled sessions that were dropped, so that no handshake waited for another",
            None,
            MetricType::Counter,
        )?)
    }
}

fn distances(out: &mut DescriptorEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let buckets = histogram.buckets();
    let count = buckets.iter().map(|(_, count)| count).sum();
    out.encode_descriptor(
        "cache_reuse_distance",
        "Lookups by the least number of sessions that an LRU cache must hold to find them, \
         estimated from a sample; \
         lookups that no cache finds are above every bound, and not in the sum",
        Some(&Unit::Other("sessions".into())),
        MetricType::Histogram,
    )?
    .encode_histogram::<NoLabelSet>(histogram.sum(), count, &buckets, None)
}
