//! Clients that keep their sessions, and behave well and badly.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use openssl::nid::Nid;
use openssl::ssl::{ErrorCode, SslOptions, SslStream, SslVersion};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rekindle_test_servers::{TlsClient, connect};
use socket2::SockRef;

use crate::history::{End, History, Visit};
use crate::operator::NAMES;
use crate::wire::{Facts, Request, difference};

/// A request whose client leaves before the end of the answer has an odd number.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// One request after the other, of all kinds; some break off.
    Busy,
    /// Reads a large answer in small parts.
    Slow,
    /// Shakes hands, and says nothing more.
    Idle,
    /// Says a part of a hello.
    HalfOpen,
}

impl Behaviour {
    pub(crate) fn leaves(id: u64) -> bool {
        id % 2 == 1
    }
}

/// What a visitor that comes again and again uses.
struct Visitor {
    tls: TlsClient,
    name: &'static str,
    /// When the last connection began that brought bytes, and a session before them.
    session: Option<Instant>,
}

pub(crate) struct Client {
    address: SocketAddr,
    visitors: Vec<Visitor>,
    random: SmallRng,
    history: Arc<History>,
}

/// What a client does with a request.
struct Plan {
    request: Request,
    leaves: bool,
    half_closes: bool,
    /// Between two reads.
    pause: Duration,
}

impl Client {
    pub(crate) fn new(seed: u64, address: SocketAddr, history: &Arc<History>) -> Self {
        let kinds = [
            (SslVersion::TLS1_2, SslOptions::NO_TICKET),
            (SslVersion::TLS1_2, SslOptions::empty()),
            (SslVersion::TLS1_3, SslOptions::empty()),
        ];
        let all = kinds
            .iter()
            .flat_map(|kind| NAMES.map(|name| (*kind, name)));
        let visitors = all.map(|((version, options), name)| Visitor {
            tls: TlsClient::with(version, |builder| {
                builder.set_options(options);
                builder
                    .set_alpn_protos(b"\x02h2\x08http/1.1")
                    .expect("a list");
            }),
            name,
            session: None,
        });
        Self {
            address,
            visitors: visitors.collect(),
            random: SmallRng::seed_from_u64(seed),
            history: Arc::clone(history),
        }
    }

    /// One connection, from its beginning to its end.
    pub(crate) fn visit(&mut self, behaviour: Behaviour) {
        let plan = self.plan(behaviour);
        let chosen = self.random.random_range(0..self.visitors.len());
        let visitor = &mut self.visitors[chosen];
        let begin = Instant::now();
        let mut visit = Visit {
            id: plan.request.id,
            behaviour,
            begin,
            facts: None,
            session_age: None,
            wrong: None,
            received: 0,
            expected: 0,
            end: End::Left,
        };
        let tcp = connect(self.address);
        match behaviour {
            Behaviour::HalfOpen => half_open(&tcp, chosen),
            _ => visit.end = visitor.converse(tcp, &plan, &mut visit),
        }
        if visit.received > 0 {
            visitor.session = Some(begin);
        }
        self.history.judge(&visit);
    }

    fn plan(&mut self, behaviour: Behaviour) -> Plan {
        let random = &mut self.random;
        let is_busy = behaviour == Behaviour::Busy;
        let mut one_in = |many: u32| is_busy && random.random_range(0..many) == 0;
        let (leaves, half_closes) = (one_in(20), one_in(10));
        let (upload, is_large) = (one_in(20), one_in(20));
        let small = random.random_range(1..512);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) * 2;
        Plan {
            request: Request {
                id: number + u64::from(leaves),
                upload: if upload { 8 << 10 } else { 0 },
                answer: match behaviour {
                    Behaviour::Slow => 64 << 10,
                    Behaviour::Idle | Behaviour::HalfOpen => 0,
                    Behaviour::Busy if is_large => 16 << 10,
                    Behaviour::Busy => small,
                },
            },
            leaves,
            half_closes,
            pause: Duration::from_millis(if is_busy { 0 } else { 20 }),
        }
    }
}

impl Visitor {
    fn converse(&self, tcp: TcpStream, plan: &Plan, visit: &mut Visit) -> End {
        let client = tcp.local_addr().expect("it is connected");
        visit.session_age = self.tls.session().and(self.session).map(|at| at.elapsed());
        let offers = self.tls.session().is_some();
        let mut stream = match self.tls.try_connect(self.name, tcp) {
            Ok(stream) => stream,
            Err(error) => return End::Error(format!("handshake: {error}")),
        };
        let ssl = stream.ssl();
        if ssl.version2() == Some(SslVersion::TLS1_2) {
            self.tls.keep_session(&stream);
        }
        visit.facts = Some(Facts {
            client,
            version: ssl.version_str().into(),
            name: self.name.into(),
            alpn: String::from_utf8_lossy(ssl.selected_alpn_protocol().unwrap_or_default()).into(),
            resumed: ssl.session_reused(),
        });
        // Where no byte has come, there may be a session of TLS 1.2.
        visit.session_age = visit.session_age.or(offers.then_some(Duration::MAX));
        if common_name(&stream).as_deref() != Some(self.name) {
            visit.wrong = Some(format!("certificate of {:?}", common_name(&stream)));
        }
        if plan.request.answer == 0 {
            return read(&mut stream, &mut Vec::new(), plan);
        }
        let answer = plan.request.answered();
        visit.expected = answer.len();
        let asked = stream.write_all(&plan.request.encode());
        // Of an upstream that has broken, reading tells more.
        let _ = asked.and_then(|()| stream.write_all(&plan.request.uploaded()));
        if plan.half_closes {
            let _ = stream.shutdown();
        }
        let mut got = Vec::with_capacity(answer.len());
        let end = read(&mut stream, &mut got, plan);
        visit.received = got.len();
        visit.wrong = visit.wrong.take().or(difference(&got, &answer));
        if end == End::Left {
            let _ = SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
        } else {
            let _ = stream.shutdown();
        }
        end
    }
}

/// Reads to the end, or to a part of it.
fn read(stream: &mut SslStream<TcpStream>, got: &mut Vec<u8>, plan: &Plan) -> End {
    let mut buffer = [0; 16 * 1024];
    loop {
        if plan.leaves && (got.len() * 2 >= plan.request.answer as usize || plan.half_closes) {
            return End::Left;
        }
        match stream.ssl_read(&mut buffer) {
            Ok(read) => got.extend_from_slice(&buffer[..read]),
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => return End::Clean,
            Err(error) if error.code() == ErrorCode::SYSCALL && error.io_error().is_none() => {
                return End::Cut;
            }
            Err(error) if error.to_string().contains("unexpected eof") => return End::Cut,
            Err(error) => return End::Error(error.to_string()),
        }
        if !plan.pause.is_zero() {
            thread::sleep(plan.pause);
        }
    }
}

/// The beginning of a record of a hello, or nothing; and waits until the terminator has enough.
fn half_open(mut tcp: &TcpStream, length: usize) {
    let _ = tcp.write_all(&[22, 3, 1, 2, 0, 1, 0][..length]);
    // A reset tells the end as well.
    let _: io::Result<_> = tcp.read(&mut [0]);
}

fn common_name(stream: &SslStream<TcpStream>) -> Option<String> {
    let certificate = stream.ssl().peer_certificate()?;
    let entry = certificate
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .next()?;
    entry.data().to_string().ok()
}
