//! A burst: many clients connect at the same moment, all from one thread.
//!
//! Each client's ClientHello is made before the first one connects, as clients on machines of their
//! own would have it ready. Then all connect, one system call after the other, and each goes on as
//! its server answers. No client closes before the last one was answered.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::{Duration, Instant};
use std::{fs, mem};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use openssl::ssl::{Error, ErrorCode, SslContext, SslSession, SslStream};
use rustix::thread::sched_setaffinity;

use super::bench::{Bench, LEAST_RESUMED, Started, missed};
use super::exchange::{PATIENCE, client, connection, failed, wait_for_end};
use super::upstream::Question;
use crate::record::{Record, case, interleave};
use crate::threads::on_threads;
use crate::tls::HandshakeKind;

/// How long the last client may wait: some repetitions of a SYN.
const LONGEST: Duration = Duration::from_secs(15);

/// What the clients of a burst saw.
struct Burst {
    /// From each client's own connecting to its answer, in nanoseconds.
    latency: Histogram<u64>,
    resumed: u64,
    failures: u64,
    first_failure: Option<String>,
    /// Connections that the kernel dropped for want of room in a listener's queue.
    dropped: u64,
    /// What the clients can offer the next time.
    sessions: Vec<SslSession>,
}

/// What is recorded of each burst, and what its case has besides.
type Quantity = (
    &'static str,
    &'static str,
    Option<&'static str>,
    fn(&Burst) -> f64,
);

const LATENCY: &str = "latency in a burst";
const QUANTITIES: [Quantity; 6] = [
    (LATENCY, "us", Some("p50"), |b| b.latency(0.5)),
    (LATENCY, "us", Some("p99"), |b| b.latency(0.99)),
    (LATENCY, "us", Some("max"), |b| b.latency(1.0)),
    ("failed in a burst", "clients", None, |b| b.failures as f64),
    ("dropped in a burst", "connects", None, |b| b.dropped as f64),
    ("really resumed in a burst", "%", None, Burst::share),
];

/// In each round every server has two bursts: the second one's clients resume the sessions of the
/// first one's.
pub(super) fn compare(bench: &Bench<'_>, started: &[Started], record: &mut Record) {
    let clients = usize::from(bench.options.burst);
    let context = client(HandshakeKind::FullTls13).expect("a client's context");
    let two = |address| {
        let full = burst(&context, address, clients, &[]);
        let resumed = burst(&context, address, clients, &full.sessions);
        [full, resumed]
    };
    let take = |(_, running): &Started, _| {
        let prepare = |_| {
            let cpus = bench.cores.generator;
            sched_setaffinity(None, &cpus).expect("our own processors are allowed");
        };
        let mut both = on_threads(1, prepare, |()| two(running.address));
        both.pop().expect("one thread")
    };
    let turns = interleave(0..=bench.options.rounds as usize, started, take);
    for (number, kind) in [HandshakeKind::FullTls13, HandshakeKind::Tls13Ticket]
        .iter()
        .enumerate()
    {
        let mut measured = Vec::new();
        for ((name, _), turns) in started.iter().zip(&turns) {
            let bursts: Vec<_> = turns.iter().map(|both| &both[number]).collect();
            match stand(&bursts, *kind, name, record) {
                Ok(()) => measured.push((name, bursts)),
                Err(problem) => missed(record, name, &format!("burst, {kind}: {problem}")),
            }
        }
        for (quantity, unit, quantile, value) in QUANTITIES {
            let mut case = case([
                ("way", kind.to_string()),
                ("connections", clients.to_string()),
                ("threads", bench.workers.to_string()),
            ]);
            case.extend(quantile.map(|quantile| ("quantile".to_owned(), quantile.to_owned())));
            let samples = |bursts: &Vec<&Burst>| bursts.iter().map(|burst| value(burst)).collect();
            let all = measured
                .iter()
                .map(|(name, bursts)| (name, samples(bursts)));
            record.add_case(["loopback", quantity, unit], &case, all);
        }
    }
}

/// Notes what failed. The error says why there are no figures to record.
fn stand(
    bursts: &[&Burst],
    kind: HandshakeKind,
    name: &str,
    record: &mut Record,
) -> Result<(), String> {
    let failures: u64 = bursts.iter().map(|burst| burst.failures).sum();
    if let Some(first) = bursts.iter().find_map(|burst| burst.first_failure.as_ref()) {
        record.note(format!(
            "loopback: {name}: burst, {kind}: {failures} connections failed, the first: {first}"
        ));
    }
    if bursts.iter().any(|burst| burst.latency.is_empty()) {
        return Err("nothing was answered".into());
    }
    let shares = bursts.iter().map(|burst| burst.share());
    if !kind.resumes() {
        assert!(
            shares.sum::<f64>() == 0.0,
            "{name}: resumed what was not offered"
        );
        return Ok(());
    }
    match shares.fold(f64::INFINITY, f64::min) {
        // A client that failed in the burst before has left no session.
        least if least < LEAST_RESUMED && failures == 0 => {
            Err(format!("only {least:.1} % were resumed"))
        }
        _ => Ok(()),
    }
}

struct Client {
    stream: SslStream<Wire>,
    started: Instant,
    asked: bool,
    done: bool,
}

/// TCP, once it is there; what is written earlier waits.
#[derive(Default)]
struct Wire {
    tcp: Option<TcpStream>,
    early: Vec<u8>,
}

/// Connects `clients` clients at once; those with a session offer it. Panics when this machine
/// cannot do that.
fn burst(
    context: &SslContext,
    address: SocketAddr,
    clients: usize,
    sessions: &[SslSession],
) -> Burst {
    let client = |number| Client::new(context, sessions.get(number)).expect("a client");
    let mut clients: Vec<_> = (0..clients).map(client).collect();
    let mut burst = Burst {
        latency: Histogram::new(3).expect("three digits are valid"),
        resumed: 0,
        failures: 0,
        first_failure: None,
        dropped: listen_drops(),
        sessions: Vec::new(),
    };
    let run = burst.run(address, &mut clients);
    run.expect("clients can connect and wait");
    burst.dropped = listen_drops().saturating_sub(burst.dropped);
    burst.end(clients);
    burst
}

impl Burst {
    /// In microseconds.
    fn latency(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Percentage of the answered that were resumed.
    fn share(&self) -> f64 {
        100.0 * self.resumed as f64 / (self.latency.len() as f64).max(1.0)
    }

    fn run(&mut self, address: SocketAddr, clients: &mut [Client]) -> io::Result<()> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(clients.len());
        let start = Instant::now();
        let mut waiting = clients.len();
        for (number, client) in clients.iter_mut().enumerate() {
            if let Err(error) = client.connect(address, Token(number), &poll) {
                self.fail(failed("connect")(error));
                client.done = true;
                waiting -= 1;
            }
        }
        while waiting > 0 {
            let left = LONGEST.saturating_sub(start.elapsed());
            match poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if left.is_zero() {
                break;
            }
            for event in &events {
                let client = &mut clients[event.token().0];
                if client.done {
                    continue;
                }
                match client.advance() {
                    Ok(false) => continue,
                    Ok(true) => self.count(client),
                    Err(failure) => self.fail(failure),
                }
                client.done = true;
                waiting -= 1;
            }
        }
        for client in clients.iter_mut().filter(|client| !client.done) {
            self.fail(format!("no answer in {LONGEST:?}"));
            client.stream.get_mut().tcp = None;
        }
        Ok(())
    }

    fn count(&mut self, client: &Client) {
        let nanos = u64::try_from(client.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latency.record(nanos).expect("the histogram grows");
        let ssl = client.stream.ssl();
        self.resumed += u64::from(ssl.session_reused());
        self.sessions.extend(ssl.session().map(ToOwned::to_owned));
    }

    fn fail(&mut self, failure: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(failure);
    }

    /// Ends all connections, as a single [`exchange`](super::exchange::exchange) does.
    fn end(&mut self, mut clients: Vec<Client>) {
        let ended = |client: &mut Client| client.stream.shutdown().is_ok();
        clients.retain_mut(ended);
        for mut client in clients {
            let Some(tcp) = client.stream.get_mut().tcp.take() else {
                continue;
            };
            let mut tcp = net::TcpStream::from(tcp);
            let blocking = tcp.set_nonblocking(false);
            let bounded = blocking.and_then(|()| tcp.set_read_timeout(Some(PATIENCE)));
            let ended = bounded.map_err(failed("end"));
            if let Err(failure) = ended.and_then(|()| wait_for_end(&mut tcp)) {
                self.first_failure.get_or_insert(failure);
            }
        }
    }
}

impl Client {
    fn new(context: &SslContext, session: Option<&SslSession>) -> Result<Self, String> {
        let ssl = connection(context, session.map(AsRef::as_ref))?;
        let stream = SslStream::new(ssl, Wire::default()).map_err(failed("stream"))?;
        let mut client = Self {
            stream,
            started: Instant::now(),
            asked: false,
            done: false,
        };
        pending("ClientHello", client.stream.connect())?;
        Ok(client)
    }

    fn connect(&mut self, address: SocketAddr, token: Token, poll: &Poll) -> io::Result<()> {
        self.started = Instant::now();
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut tcp, token, both)?;
        self.stream.get_mut().tcp = Some(tcp);
        Ok(())
    }

    /// Goes on as far as it can, and says whether the answer is there.
    fn advance(&mut self) -> Result<bool, String> {
        match self.stream.get_mut().write_early() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            result => result.map_err(failed("connect"))?,
        }
        if !self.asked {
            if pending("handshake", self.stream.connect())?.is_none() {
                return Ok(false);
            }
            let asked = self.stream.ssl_write(&[Question::Byte.byte()]);
            self.asked = pending("question", asked)?.is_some();
        }
        let mut answer = [0];
        match pending("answer", self.stream.ssl_read(&mut answer))? {
            None => Ok(false),
            Some(_) if Question::Byte.is_answered_by(0, &answer) => Ok(true),
            Some(_) => Err(format!("answer: {answer:?}")),
        }
    }
}

/// None where it has to wait for the other side.
fn pending<T>(what: &'static str, result: Result<T, Error>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.code() {
            ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(None),
            _ => Err(failed(what)(error)),
        },
    }
}

impl Wire {
    fn tcp(&mut self) -> io::Result<&mut TcpStream> {
        self.tcp
            .as_mut()
            .ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn write_early(&mut self) -> io::Result<()> {
        if !self.early.is_empty() {
            let early = mem::take(&mut self.early);
            let written = self.tcp().and_then(|tcp| tcp.write(&early));
            self.early = early;
            self.early.drain(..written?);
        }
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp()?.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tcp {
            Some(tcp) => tcp.write(bytes),
            None => self.early.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `ListenDrops` of all sockets so far; zero where the kernel does not say.
fn listen_drops() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next(), lines.next());
    let words = |line: Option<&'_ str>| -> Vec<String> {
        let words = line.unwrap_or_default().split_whitespace();
        words.map(ToOwned::to_owned).collect()
    };
    let mut pairs = words(names).into_iter().zip(words(values));
    let found = pairs.find(|(name, _)| name == "ListenDrops");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_test_servers::{BlackHole, free_address, serve};

    fn failures(address: SocketAddr) -> (u64, String) {
        let context = client(HandshakeKind::FullTls13).unwrap();
        let burst = burst(&context, address, 5, &[]);
        assert!(burst.latency.is_empty() && burst.sessions.is_empty());
        (burst.failures, burst.first_failure.unwrap())
    }

    #[test]
    fn clients_that_are_refused_or_hung_up_on_are_counted() {
        let (count, failure) = failures(free_address());
        assert!(count == 5 && failure.contains("connect: "), "{failure}");
        let (count, failure) = failures(serve(|_| Ok(())));
        assert!(count == 5 && !failure.contains("no answer"), "{failure}");
    }

    #[test]
    fn what_a_full_queue_drops_is_counted() {
        let before = listen_drops();
        drop(BlackHole::new("127.0.0.1:0".parse().unwrap()));
        assert!(listen_drops() > before);
    }
}
