//! One upstream: its address, its health, and what is counted and logged of it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::connect::{connect, timed_out};
use super::dial::{self, Started};
use super::health::{Admission, Health};
use super::stream::Stream;
use crate::cli::UpstreamAddress;
use crate::log_limit::LogLimit;

/// The longest that a trial keeps its client from the other upstreams.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Upstream {
    name: String,
    target: Target,
    pub(super) health: Health,
    failures: AtomicU64,
    log: Log,
}

/// What a connection is made to.
#[derive(Debug)]
enum Target {
    Ip(SocketAddr),
    Name(String),
    Unix(PathBuf),
}

#[derive(Debug, Default)]
struct Log {
    /// The last line said that the upstream is down.
    said_down: AtomicBool,
    down: LogLimit,
    local: LogLimit,
}

/// An upstream as the metrics show it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UpstreamStatus {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// Attempts to connect that failed.
    pub(crate) failures: u64,
}

impl Upstream {
    pub(super) fn new(address: UpstreamAddress) -> Self {
        let name = address.to_string();
        let target = match address {
            UpstreamAddress::Unix(path) => Target::Unix(path),
            UpstreamAddress::Tcp(address) => match address.as_str().parse() {
                Ok(ip) => Target::Ip(ip),
                Err(_) => Target::Name(address.as_str().into()),
            },
        };
        Self {
            name,
            target,
            health: Health::default(),
            failures: AtomicU64::new(0),
            log: Log::default(),
        }
    }

    /// The address, as it was configured.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: self.name.clone(),
            up: self.health.is_up(),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Connects. `untried` upstreams, this one included, share the time until the deadline.
    pub(super) async fn connect(
        &self,
        admission: Admission,
        deadline: Instant,
        untried: usize,
    ) -> io::Result<Stream> {
        let deadline = || share(admission, deadline, untried);
        let stream = match &self.target {
            Target::Unix(path) => return dial::unix(path).map(Stream::Unix),
            Target::Ip(address) => match dial::start(*address)? {
                Started::Connected(stream) => stream,
                Started::Pending(pending) => timeout_at(deadline(), pending.connected())
                    .await
                    .map_err(|_| timed_out("timed out"))??,
            },
            // Boxed: a task keeps the room of its largest future for as long as it lives.
            Target::Name(name) => Box::pin(connect(name, deadline())).await?,
        };
        // While no program listens on a port of this machine from the range that clients get, the
        // kernel may choose just this port for the client, which then is connected to itself.
        if !matches!(admission, Admission::Up(_)) && stream.local_addr()? == stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Stream::Tcp(stream))
    }

    pub(super) fn connected(&self, now: impl FnOnce() -> Duration) {
        if !self.health.is_up() {
            self.health.connected(now());
            self.log_state(None);
        }
    }

    pub(super) fn failed(&self, error: &io::Error, admission: Admission, now: Duration) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let name = &self.name;
        debug!(%error, "an attempt to connect to upstream {name} failed");
        if dial::is_local(error) {
            if let Some(suppressed) = self.log.local.admit() {
                warn!(suppressed, "cannot connect to upstream {name}: {error}");
            }
        } else if self.health.failed(admission, now) {
            self.log_state(Some(error));
        }
    }

    /// One line when the upstream goes down and one when it is back, at most one pair in ten
    /// seconds. Where the limit suppresses the line, the next trial that fails makes up for it.
    ///
    /// `SeqCst`: of a thread that says "down" and a thread that finds the upstream up, at least one
    /// sees what the other has stored, so that "down" is never the last word on what is up.
    fn log_state(&self, error: Option<&io::Error>) {
        let (name, said_down) = (&self.name, &self.log.said_down);
        if let Some(error) = error
            && !said_down.load(Ordering::SeqCst)
            && self.log.down.admit().is_some()
        {
            warn!("cannot connect to upstream {name}: {error}");
            said_down.store(true, Ordering::SeqCst);
        }
        if self.health.is_up() && said_down.swap(false, Ordering::SeqCst) {
            info!("upstream {name} is back");
        }
    }
}

/// The end of one attempt. The last upstream has all the time that is left.
fn share(admission: Admission, deadline: Instant, untried: usize) -> Instant {
    if untried <= 1 {
        return deadline;
    }
    let now = Instant::now();
    let share = deadline.saturating_duration_since(now) / untried as u32;
    now + match admission {
        Admission::Trial => share.min(TRIAL_TIMEOUT),
        Admission::Up(_) | Admission::LastResort => share,
    }
}
