//! The metrics of the upstreams, read at each scrape: series of an upstream that a reload takes out
//! of the configuration are gone with it.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::serve::Upstreams;

/// The label is an address of the configuration: clients cannot add series.
const LABEL: &str = "upstream";

#[derive(Debug)]
pub(super) struct UpstreamCollector(pub(super) Arc<Upstreams>);

impl Collector for UpstreamCollector {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        ConstCounter::new(self.0.exhausted()).encode(out.encode_descriptor(
            "connections_without_upstream",
            "Connections closed because no upstream could be reached",
            None,
            MetricType::Counter,
        )?)?;
        let statuses = self.0.statuses();
        if statuses.is_empty() {
            return Ok(());
        }
        let help = "Attempts to connect to an upstream that failed; another may have served";
        let (name, kind) = ("upstream_connect_failures", MetricType::Counter);
        let mut failures = out.encode_descriptor(name, help, None, kind)?;
        for status in &statuses {
            let labels = [(LABEL, status.name.as_str())];
            ConstCounter::new(status.failures).encode(failures.encode_family(&labels)?)?;
        }
        let help =
            "Whether an upstream is up, as connections to it tell: 0 while it is passed over";
        let mut up = out.encode_descriptor("upstream_up", help, None, MetricType::Gauge)?;
        for status in &statuses {
            let labels = [(LABEL, status.name.as_str())];
            ConstGauge::new(i64::from(status.up)).encode(up.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
