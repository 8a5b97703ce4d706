//! What the terminator counts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use rekindle::openssl::{ResumedBy, Resumption};
use rekindle_prometheus::ResumptionCollector;

use super::certificates::{Certificates, ServerCertificate};
use super::exposition::Exposition;
use super::latency::{LATENCY_KINDS, Latencies, LatencyCollector, LatencyCounts};
use super::text_format::from_open_metrics;
use super::upstreams::UpstreamCollector;
use crate::serve::{HandshakeError, SharedFleet, Upstreams, handshake_kind};
use crate::sizing::{Histogram, ReuseEstimator};

/// Names of labels, each with its value.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics. A counter takes no lock; a family takes one to look up its labels.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    connections_active: Gauge,
    pub(crate) accept_errors: Counter,
    handshakes: Family<Labels<2>, Counter>,
    handshake_failures: Family<Labels<1>, Counter>,
    latencies: Arc<Latencies>,
    pub(crate) client_broken: Counter,
    pub(crate) upstream_broken: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) bytes_from_client: Counter,
    pub(crate) bytes_from_upstream: Counter,
    reloads: Family<Labels<2>, Counter>,
    certificates: Certificates,
}

/// The protocols that are spoken here, as OpenSSL names them.
const PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Handshakes of a protocol and a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandshakeCount {
    pub(super) protocol: &'static str,
    pub(super) kind: &'static str,
    pub(super) count: u64,
}

impl Metrics {
    pub(crate) fn new(
        resumption: &Resumption,
        reuse: Arc<ReuseEstimator>,
        upstreams: Arc<Upstreams>,
        fleet: Option<&SharedFleet>,
    ) -> Self {
        let mut all = Registry::with_prefix("rekindle");
        let help = "Versions of the terminator and of the OpenSSL that it runs with";
        let versions = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("openssl", openssl::version::version()),
        ];
        all.register("build", help, Info::new(versions.to_vec()));
        let connections_accepted = new(&mut all, "connections_accepted", "Connections accepted");
        let help = "Connections closed at once because --max-connections was reached";
        let connections_refused = new(&mut all, "connections_refused", help);
        let help = "Connections open now, handshakes included";
        let connections_active = new(&mut all, "connections_active", help);
        let help = "Failures to accept a connection: no file descriptor or no memory left";
        let accept_errors = new(&mut all, "accept_errors", help);
        let help = "Handshakes completed, by protocol and by the kind of resumption";
        let handshakes = new(&mut all, "handshakes", help);
        let help = "Handshakes not completed, by reason";
        let handshake_failures = new(&mut all, "handshake_failures", help);
        let help = "Connections broken while forwarding, by the side that broke";
        let broken = new(&mut all, "connections_broken", help);
        let (client_broken, upstream_broken) = of_both_sides(&broken);
        let help = "Connections ended because no byte had moved on them for too long";
        let timed_out = new(&mut all, "connections_timed_out", help);
        let bytes = Family::default();
        let help = "Plain bytes forwarded, by the side that they came from";
        all.register_with_unit("received", help, Unit::Bytes, bytes.clone());
        let (bytes_from_client, bytes_from_upstream) = of_both_sides(&bytes);
        let help = "Reloads, by SIGHUP or of changed ticket keys, by what was read and the result";
        let reloads = new(&mut all, "reloads", help);
        let (latencies, certificates) = (Arc::new(Latencies::default()), Certificates::default());
        all.register_collector(Box::new(LatencyCollector(Arc::clone(&latencies))));
        all.register_collector(Box::new(certificates.clone()));
        all.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));
        all.register_collector(Box::new(ReuseDistances(reuse)));
        all.register_collector(Box::new(UpstreamCollector(upstreams)));
        if let Some(fleet) = fleet {
            all.register_collector(Box::new(fleet.collector()));
        }
        let metrics = Self {
            registry: all,
            connections_accepted,
            connections_refused,
            connections_active,
            accept_errors,
            handshakes,
            handshake_failures,
            latencies,
            client_broken,
            upstream_broken,
            timed_out,
            bytes_from_client,
            bytes_from_upstream,
            reloads,
            certificates,
        };
        metrics.start_at_zero();
        metrics
    }

    /// Counts a connection as active for as long as the result lives, unless that many are.
    pub(crate) fn activate(&self, limit: usize) -> Option<Active> {
        let before = self.connections_active.inc();
        let active = Active(self.connections_active.clone());
        usize::try_from(before)
            .is_ok_and(|before| before < limit)
            .then_some(active)
    }

    /// How many connections are open.
    pub(crate) fn active(&self) -> i64 {
        self.connections_active.get()
    }

    /// Puts these certificates in the place of those of before.
    pub(crate) fn show_certificates(&self, certificates: Vec<ServerCertificate>) {
        self.certificates.replace(certificates);
    }

    pub(super) fn certificates(&self) -> Arc<[ServerCertificate]> {
        self.certificates.in_use()
    }

    /// A handshake that took so long, from the accept of its connection on.
    pub(crate) fn handshake_done(
        &self,
        protocol: &'static str,
        resumed: Option<ResumedBy>,
        took: Duration,
    ) {
        let labels = [("protocol", protocol), ("kind", handshake_kind(resumed))];
        self.handshakes.get_or_create(&labels).inc();
        self.latencies.note(resumed.is_some(), took);
    }

    /// Those that there were, of each protocol and kind.
    pub(super) fn handshakes(&self) -> Vec<HandshakeCount> {
        let kinds = ResumedBy::ALL.map(Some).into_iter().chain([None]);
        let kinds = kinds.map(handshake_kind);
        let both = kinds.flat_map(|kind| PROTOCOLS.map(|protocol| (protocol, kind)));
        let counts = both.filter_map(|(protocol, kind)| {
            let counter = self
                .handshakes
                .get(&[("protocol", protocol), ("kind", kind)])?;
            let count = counter.get();
            Some(HandshakeCount {
                protocol,
                kind,
                count,
            })
        });
        counts.collect()
    }

    /// All full handshakes, and all that were resumed.
    pub(super) fn full_and_resumed(&self) -> (u64, u64) {
        let [full, resumed] = self.latencies.counts();
        (full.total(), resumed.total())
    }

    /// How long handshakes took, with the names of their kinds.
    pub(super) fn latencies(&self) -> [(&'static str, LatencyCounts); LATENCY_KINDS.len()] {
        let [full, resumed] = self.latencies.counts();
        [(LATENCY_KINDS[0], full), (LATENCY_KINDS[1], resumed)]
    }

    /// Handshakes that failed, by reason.
    pub(super) fn failures(&self) -> Vec<(&'static str, u64)> {
        let count = |reason| {
            let counter = self.handshake_failures.get(&[("reason", reason)]);
            (reason, counter.map_or(0, |counter| counter.get()))
        };
        HandshakeError::REASONS.map(count).into()
    }

    pub(crate) fn handshake_failed(&self, error: &HandshakeError) {
        let labels = [("reason", error.reason())];
        self.handshake_failures.get_or_create(&labels).inc();
    }

    pub(crate) fn reloaded(&self, of: &'static str, result: &'static str) {
        let labels = [("of", of), ("result", result)];
        self.reloads.get_or_create(&labels).inc();
    }

    /// All metrics in a format.
    pub(super) fn encode(&self, format: Exposition) -> Result<String, fmt::Error> {
        let mut out = String::with_capacity(16 * 1024);
        text::encode(&mut out, &self.registry)?;
        Ok(match format {
            Exposition::OpenMetrics(_) => out,
            Exposition::Text => from_open_metrics(&out),
        })
    }

    /// A rate over a series that begins with its first event misses that event.
    fn start_at_zero(&self) {
        for reason in HandshakeError::REASONS {
            drop(self.handshake_failures.get_or_create(&[("reason", reason)]));
        }
        for of in ["certificate", "ticket_keys"] {
            for result in ["updated", "unchanged", "failed"] {
                let labels = [("of", of), ("result", result)];
                drop(self.reloads.get_or_create(&labels));
            }
        }
    }
}

/// A new metric that is in the registry.
fn new<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

/// The series of the client and of the upstream.
fn of_both_sides(family: &Family<Labels<1>, Counter>) -> (Counter, Counter) {
    let of = |side| family.get_or_create_owned(&[("side", side)]);
    (of("client"), of("upstream"))
}

/// One connection in the gauge of active ones.
#[derive(Debug)]
pub(crate) struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The estimate of reuse distances, read at each scrape.
#[derive(Debug)]
struct ReuseDistances(Arc<ReuseEstimator>);

impl Collector for ReuseDistances {
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
