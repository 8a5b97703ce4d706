//! Clients that come, come back at once, and come back later.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{SslOptions, SslVersion};
use rekindle_test_servers::{DEADLINE, TlsClient};

/// Another client of a kind comes this often.
const EACH: Duration = Duration::from_millis(200);

/// A thread that sleeps this much too long was suspended, with the whole machine perhaps.
const SUSPENDED: Duration = Duration::from_secs(5);

/// When a client comes back that does so later.
const LATER: Duration = Duration::from_millis(500);

/// Whether a client takes tickets in TLS 1.2, or speaks TLS 1.3. Machines have `--tickets off`.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Tls12Id,
    Tls12,
    Tls13,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Tls12Id, Kind::Tls12, Kind::Tls13];

/// What became of clients.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// That came for the first time.
    pub(super) first: usize,
    pub(super) at_once: CameBack,
    pub(super) later: CameBack,
    /// Why handshakes failed.
    pub(super) failed: Vec<String>,
    /// From the connection's begin to the handshake's end.
    pub(super) times: Times,
    /// Whether this process stood still: what the others did meanwhile tells nothing.
    pub(super) is_suspended: bool,
}

#[derive(Debug, Default)]
pub(super) struct CameBack {
    pub(super) all: usize,
    pub(super) resumed: usize,
}

#[derive(Default)]
pub(super) struct Times(Vec<Duration>);

/// Ends the clients, also when the test fails.
pub(super) struct EndsWhenDropped<'a>(pub(super) &'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Kind {
    pub(super) fn client(self) -> TlsClient {
        let version = match self {
            Self::Tls12Id | Self::Tls12 => SslVersion::TLS1_2,
            Self::Tls13 => SslVersion::TLS1_3,
        };
        TlsClient::with(version, |builder| {
            if let Self::Tls12Id = self {
                builder.set_options(SslOptions::NO_TICKET);
            }
        })
    }
}

/// Clients of a kind, until no more are to come and the last one has come back.
pub(super) fn run(kind: Kind, address: SocketAddr, ends: &AtomicBool) -> Counts {
    let mut counts = Counts::default();
    let mut to_come_back = VecDeque::new();
    let mut next = Some(Instant::now());
    loop {
        let now = Instant::now();
        next = next.filter(|_| !ends.load(Ordering::Relaxed));
        let back = to_come_back.front().map(|(at, _)| *at);
        match (back, next) {
            (Some(at), _) if at <= now => {
                let client = to_come_back.pop_front();
                let visited = client.and_then(|(_, client)| counts.visit(&client, address));
                counts.later.came(visited);
            }
            (_, Some(at)) if at <= now => {
                next = Some(now + EACH);
                let client = kind.client();
                if counts.visit(&client, address).is_some() {
                    counts.first += 1;
                    let visited = counts.visit(&client, address);
                    counts.at_once.came(visited);
                    to_come_back.push_back((Instant::now() + LATER, client));
                }
            }
            (back, next) => {
                let Some(at) = back.into_iter().chain(next).min() else {
                    return counts;
                };
                thread::sleep(at - now);
                counts.is_suspended |= at.elapsed() > SUSPENDED;
            }
        }
    }
}

impl Counts {
    /// Whether it was resumed. None if it failed.
    fn visit(&mut self, client: &TlsClient, address: SocketAddr) -> Option<bool> {
        let begin = Instant::now();
        match visit(client, address) {
            Ok((resumed, time)) => {
                self.times.0.push(time);
                Some(resumed)
            }
            Err(error) => {
                let time = begin.elapsed();
                // Only a stop interrupts a call with a timeout.
                self.is_suspended |= error.to_string().contains("Interrupted system call");
                self.failed.push(format!("{error} after {time:?}"));
                None
            }
        }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.first += other.first;
        self.at_once = self.at_once.and(other.at_once);
        self.later = self.later.and(other.later);
        self.failed.extend(other.failed);
        self.times.0.extend(other.times.0);
        self.is_suspended |= other.is_suspended;
        self
    }
}

impl CameBack {
    fn came(&mut self, resumed: Option<bool>) {
        self.all += usize::from(resumed.is_some());
        self.resumed += usize::from(resumed == Some(true));
    }

    fn and(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            resumed: self.resumed + other.resumed,
        }
    }
}

impl Times {
    /// The time that this percentage of the handshakes takes at most.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().unwrap_or_default()
    }
}

/// There may be thousands.
impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} times", self.0.len())
    }
}

/// A handshake, a request and its answer: whether it was resumed, and how long the handshake took.
pub(super) fn visit(client: &TlsClient, address: SocketAddr) -> io::Result<(bool, Duration)> {
    let begin = Instant::now();
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(DEADLINE))?;
    let stream = client.try_connect("localhost", tcp);
    let mut stream = stream.map_err(|error| io::Error::other(error.to_string()))?;
    let time = begin.elapsed();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    // In TLS 1.3, tickets come before it.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1") {
        return Err(io::Error::other("another answer"));
    }
    if stream.ssl().version2() == Some(SslVersion::TLS1_2) {
        client.keep_session(&stream);
    }
    let _ = stream.shutdown();
    Ok((stream.ssl().session_reused(), time))
}
