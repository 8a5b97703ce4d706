//! What the terminator counts, and its text for Prometheus.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rekindle::openssl::Resumption;
use rekindle_prometheus::ResumptionCollector;

use super::reuse_distances;
use crate::serve::HandshakeError;
use crate::sizing::ReuseEstimator;

/// All counters. They are bumped without a lock; families take one only to look up a label.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    connections_active: Gauge,
    pub(crate) accept_errors: Counter,
    handshakes: Family<HandshakeLabels, Counter>,
    handshake_failures: Family<ReasonLabel, Counter>,
    pub(crate) upstream_unreachable: Counter,
    pub(crate) client_broken: Counter,
    pub(crate) upstream_broken: Counter,
    pub(crate) bytes_from_client: Counter,
    pub(crate) bytes_from_upstream: Counter,
    reloads: Family<ReloadLabels, Counter>,
}

impl Metrics {
    pub(crate) fn new(resumption: &Resumption, reuse: Arc<ReuseEstimator>) -> Self {
        let broken = Family::<SideLabel, Counter>::default();
        let bytes = Family::<SideLabel, Counter>::default();
        let metrics = Self {
            registry: Registry::default(),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            connections_active: Gauge::default(),
            accept_errors: Counter::default(),
            handshakes: Family::default(),
            handshake_failures: Family::default(),
            upstream_unreachable: Counter::default(),
            client_broken: broken.get_or_create_owned(&SideLabel { side: "client" }),
            upstream_broken: broken.get_or_create_owned(&SideLabel { side: "upstream" }),
            bytes_from_client: bytes.get_or_create_owned(&SideLabel { side: "client" }),
            bytes_from_upstream: bytes.get_or_create_owned(&SideLabel { side: "upstream" }),
            reloads: Family::default(),
        };
        metrics.start_at_zero();
        metrics.registered(broken, bytes, resumption, reuse)
    }

    /// Counts a connection as active for as long as the result lives.
    pub(crate) fn active(&self) -> Active<'_> {
        self.connections_active.inc();
        Active(&self.connections_active)
    }

    pub(crate) fn handshake_done(&self, protocol: &'static str, kind: &'static str) {
        self.handshakes
            .get_or_create(&HandshakeLabels { protocol, kind })
            .inc();
    }

    pub(crate) fn handshake_failed(&self, error: &HandshakeError) {
        self.handshake_failures
            .get_or_create(&ReasonLabel {
                reason: error.reason(),
            })
            .inc();
    }

    pub(crate) fn reloaded(&self, of: ReloadOf, result: ReloadResult) {
        self.reloads
            .get_or_create(&ReloadLabels {
                of: of.label(),
                result: result.label(),
            })
            .inc();
    }

    /// OpenMetrics text, which Prometheus reads.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut out = String::with_capacity(8 * 1024);
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// A rate over a series that begins with its first event misses that event.
    fn start_at_zero(&self) {
        for reason in HandshakeError::REASONS {
            drop(
                self.handshake_failures
                    .get_or_create(&ReasonLabel { reason }),
            );
        }
        for of in [ReloadOf::Certificate, ReloadOf::TicketKeys] {
            for result in [
                ReloadResult::Updated,
                ReloadResult::Unchanged,
                ReloadResult::Failed,
            ] {
                drop(self.reloads.get_or_create(&ReloadLabels {
                    of: of.label(),
                    result: result.label(),
                }));
            }
        }
    }

    fn registered(
        mut self,
        broken: Family<SideLabel, Counter>,
        bytes: Family<SideLabel, Counter>,
        resumption: &Resumption,
        reuse: Arc<ReuseEstimator>,
    ) -> Self {
        let mut all = Registry::with_prefix("rekindle");
        all.register(
            "connections_accepted",
            "Connections accepted",
            self.connections_accepted.clone(),
        );
        all.register(
            "connections_refused",
            "Connections closed at once because --max-connections was reached",
            self.connections_refused.clone(),
        );
        all.register(
            "connections_active",
            "Connections open now, handshakes included",
            self.connections_active.clone(),
        );
        all.register(
            "accept_errors",
            "Failures to accept for want of files or memory",
            self.accept_errors.clone(),
        );
        all.register(
            "handshakes",
            "Handshakes completed, by protocol and by the way of resumption",
            self.handshakes.clone(),
        );
        all.register(
            "handshake_failures",
            "Handshakes not completed, by reason",
            self.handshake_failures.clone(),
        );
        all.register(
            "upstream_connect_failures",
            "Connections closed because the upstream could not be reached",
            self.upstream_unreachable.clone(),
        );
        all.register(
            "connections_broken",
            "Connections broken while forwarding, by the side that broke",
            broken,
        );
        all.register_with_unit(
            "received",
            "Plain bytes forwarded, by the side they came from",
            Unit::Bytes,
            bytes,
        );
        all.register(
            "reloads",
            "Reloads, by SIGHUP or of changed ticket keys, by what was read and the result",
            self.reloads.clone(),
        );
        all.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));
        all.register_collector(Box::new(reuse_distances::Collector::new(reuse)));
        self.registry = all;
        self
    }
}

/// One connection in the gauge of active ones.
#[derive(Debug)]
pub(crate) struct Active<'a>(&'a Gauge);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What a reload reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReloadOf {
    Certificate,
    TicketKeys,
}

impl ReloadOf {
    fn label(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::TicketKeys => "ticket_keys",
        }
    }

    /// As the log says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::TicketKeys => "ticket key",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ReloadResult {
    Updated,
    Unchanged,
    Failed,
}

impl ReloadResult {
    fn label(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    protocol: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SideLabel {
    side: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    of: &'static str,
    result: &'static str,
}
