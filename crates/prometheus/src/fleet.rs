//! The collector of a fleet that shares sessions.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rekindle_fleet::{Fleet, FleetStats};

use crate::encode::{counter, gauge, labelled};

/// Reads the statistics of a [`Fleet`] at each scrape.
///
/// It holds the fleet for as long as the registry holds the collector.
#[derive(Debug)]
pub struct FleetCollector {
    fleet: Arc<Fleet>,
}

impl FleetCollector {
    /// A collector to register with
    /// [`Registry::register_collector`](prometheus_client::registry::Registry::register_collector).
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet }
    }
}

impl Collector for FleetCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.fleet.stats();
        store(&mut encoder, &stats)?;
        shared(&mut encoder, &stats)
    }
}

fn store(out: &mut DescriptorEncoder<'_>, stats: &FleetStats) -> fmt::Result {
    let help = "Whether the fleet's store has answered lately";
    gauge(out, "fleet_store_up", help, None, stats.store_up.into())?;
    let help = "Connections to the fleet's store that failed, or could not be made";
    counter(out, "fleet_store_errors", help, stats.store_errors)?;
    let help = "Sessions, removals and revocations that wait for the fleet's store";
    gauge(out, "fleet_waiting", help, None, number(stats.waiting))?;
    let help = "Removed sessions that are remembered until they would have ended";
    gauge(
        out,
        "fleet_tombstones",
        help,
        None,
        number(stats.tombstones),
    )?;
    let help = "Age of the last announcement of another machine when it was read";
    let unit = Some(&Unit::Seconds);
    let lag = out.encode_descriptor("fleet_lag", help, unit, MetricType::Gauge)?;
    ConstGauge::new(stats.lag_millis as f64 / 1e3).encode(lag)
}

fn shared(out: &mut DescriptorEncoder<'_>, stats: &FleetStats) -> fmt::Result {
    let published = [
        ("session", stats.published),
        ("ending", stats.endings_published),
    ];
    let help =
        "Sessions, and endings of sessions (removals, revocations), that the store has taken";
    labelled(out, "fleet_published", help, "what", &published)?;
    let received = [
        ("announced", stats.replicated),
        ("caught_up", stats.caught_up),
        ("known", stats.known),
        ("ending", stats.endings_received),
    ];
    let help =
        "Sessions of other machines, inserted when announced or after a join, or known; endings";
    labelled(out, "fleet_received", help, "what", &received)?;
    let help = "Sessions that were not shared, by reason";
    labelled(out, "fleet_dropped", help, "reason", &stats.dropped())?;
    let help = "Values from the store that were not taken, by reason";
    labelled(out, "fleet_refused", help, "reason", &stats.refused())?;
    let help = "Lookups in the store for a client that named a session, by result";
    labelled(out, "fleet_fetches", help, "result", &stats.fetches())
}

fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
