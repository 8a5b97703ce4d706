//! Everything that the page shows, read at one time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rekindle::openssl::Resumption;
use rekindle::resume::TicketStats;
use rekindle::tickets::RingStatus;
use rekindle::{Stats, Time};

use crate::admin::certificates::ServerCertificate;
use crate::admin::history::{History, Rate, SPAN};
use crate::admin::latency::LatencyCounts;
use crate::admin::metrics::{HandshakeCount, Metrics};
use crate::recent_events::{RecentEvent, RecentEvents};
use crate::serve::{FleetStatus, SharedFleet, UpstreamStatus, Upstreams};
use crate::sizing::{Curve, ReuseEstimator};

/// Times over which rates are told.
const RATES: [(&str, Duration); 3] = [
    ("10 seconds", Duration::from_secs(10)),
    ("minute", Duration::from_secs(60)),
    ("5 minutes", SPAN),
];

/// What the page is about.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) resumption: Resumption,
    pub(crate) reuse: Arc<ReuseEstimator>,
    pub(crate) upstreams: Arc<Upstreams>,
    /// None: sessions are not shared.
    pub(crate) fleet: Option<SharedFleet>,
}

#[derive(Debug)]
pub(in crate::admin) struct Snapshot {
    /// By the wall clock, since 1970.
    pub(super) now: Duration,
    pub(super) draining: bool,
    /// Whether sessions can be revoked and keys rotated here.
    pub(super) may_change: bool,
    pub(super) connections: Connections,
    pub(super) handshakes: Vec<HandshakeCount>,
    pub(super) failures: Vec<(&'static str, u64)>,
    pub(super) rates: Vec<Rate>,
    /// Over the last seconds and minutes, with the name of the time.
    pub(super) mean_rates: Vec<(&'static str, Option<Rate>)>,
    pub(super) latencies: [(&'static str, LatencyCounts); 2],
    pub(super) tickets: TicketStats,
    pub(super) ring: RingStatus,
    /// By the ring's clock.
    pub(super) ring_now: Time,
    pub(super) cache: Stats,
    pub(super) capacity: usize,
    /// The share of sessions that the curve is estimated from.
    pub(super) sampled: f64,
    /// None before the first lookup.
    pub(super) curve: Option<Curve>,
    pub(super) upstreams: Vec<UpstreamStatus>,
    pub(super) without_upstream: u64,
    pub(super) fleet: Option<FleetStatus>,
    pub(super) certificates: Arc<[ServerCertificate]>,
    /// The latest first.
    pub(super) events: Vec<RecentEvent>,
}

#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) active: u64,
}

impl Observed {
    pub(in crate::admin) fn snapshot(
        &self,
        history: &History,
        draining: bool,
        may_change: bool,
    ) -> Snapshot {
        let (metrics, ring) = (&self.metrics, self.resumption.ticket_ring());
        let cache = self.resumption.cache();
        let (stats, estimate) = (cache.stats(), self.reuse.estimate());
        Snapshot {
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            draining,
            may_change,
            connections: Connections {
                accepted: metrics.connections_accepted.get(),
                refused: metrics.connections_refused.get(),
                active: u64::try_from(metrics.active()).unwrap_or(0),
            },
            handshakes: metrics.handshakes(),
            failures: metrics.failures(),
            rates: history.rates(),
            mean_rates: RATES
                .map(|(name, span)| (name, history.rate_over(span)))
                .into(),
            latencies: metrics.latencies(),
            tickets: self.resumption.ticket_stats(),
            ring: ring.status(),
            ring_now: ring.now(),
            cache: stats,
            capacity: cache.capacity(),
            sampled: estimate.sampled,
            curve: curve(&estimate.histogram.buckets(), &stats),
            upstreams: self.upstreams.statuses(),
            without_upstream: self.upstreams.exhausted(),
            fleet: self.fleet.as_ref().map(SharedFleet::status),
            certificates: metrics.certificates(),
            events: RecentEvents::latest(),
        }
    }
}

/// As `advise` reads it from the metrics.
fn curve(buckets: &[(f64, u64)], stats: &Stats) -> Option<Curve> {
    let lookups = stats.hits + stats.misses + stats.expired;
    let mut sum = 0;
    let cumulative = buckets.iter().map(|(bound, count)| {
        sum += count;
        (*bound, sum as f64)
    });
    let curve = Curve::new(cumulative.collect(), lookups as f64);
    curve.filter(|_| lookups > 0)
}
