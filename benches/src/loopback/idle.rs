//! The memory of connections that do nothing: what the server's processes hold more than before,
//! for each of them. Every measurement has a server that was just started, because what one has
//! once held it may keep for others.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::SslStream;
use rekindle_test_servers::{Process, Running};

use super::bench::{Bench, missed};
use super::exchange::{client, failed, open};
use super::servers::Server;
use super::upstream::Question;
use crate::record::{Record, case, interleave, named};
use crate::tls::HandshakeKind;

/// What the clients have done before they fall silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A full handshake, a question, its answer.
    Exchanged,
    /// They have connected.
    Connected,
    /// They have sent a part of a ClientHello besides.
    Started,
}

named!(State {
    Exchanged => "after an exchange",
    Connected => "not a byte sent",
    Started => "part of a ClientHello sent",
});

/// Resident bytes of a server.
#[derive(Clone, Copy, Debug)]
struct Memory {
    connections: usize,
    before: u64,
    after: u64,
}

type Quantity = (&'static str, fn(&Memory) -> f64);

const QUANTITIES: [Quantity; 3] = [
    ("resident per connection", |m| {
        (m.after as f64 - m.before as f64) / m.connections as f64
    }),
    ("resident before", |m| m.before as f64),
    ("resident with connections", |m| m.after as f64),
];

/// More rounds would tell no more: memory hardly differs between them.
const MOST_ROUNDS: usize = 3;

/// Less is no change.
const STEADY: u64 = 16 << 10;
const POLL: Duration = Duration::from_millis(100);
/// How long a server may take to accept all connections.
const LONGEST: Duration = Duration::from_secs(20);
/// One that accepts none for so long will not: Traffic Server accepts when a client says something.
const LONGEST_STILL: Duration = Duration::from_secs(3);

/// The beginning of a record of 512 bytes with a ClientHello in it. What follows in the
/// ClientHello, its random value, is none.
const PART_OF_HELLO: &[u8] =
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not so random as it is ";

/// Measures every server in every state.
pub(super) fn compare(bench: &Bench<'_>, servers: &[Server], record: &mut Record) {
    let connections = usize::from(bench.options.idle);
    for state in [State::Exchanged, State::Connected, State::Started] {
        let take = |server: &Server, round| {
            let running = bench.start(server, &format!("{state}-{round}"), true)?;
            let memory = state.measure(running, connections);
            memory.map_err(|problem| format!("{connections} connections, {state}: {problem}"))
        };
        let rounds = MOST_ROUNDS.min(bench.options.rounds as usize);
        let mut measured: Vec<(_, Vec<Memory>)> = Vec::new();
        let turns = interleave(1..=rounds, servers, take);
        for (server, turns) in servers.iter().zip(turns) {
            match turns.into_iter().collect() {
                Ok(turns) => measured.push((server.name, turns)),
                Err::<_, String>(problem) => missed(record, server.name, &problem),
            }
        }
        let case = case([
            ("state", state.to_string()),
            ("connections", connections.to_string()),
            ("threads", bench.workers.to_string()),
        ]);
        for (quantity, value) in QUANTITIES {
            let samples = |turns: &Vec<Memory>| turns.iter().map(value).collect();
            let all = measured.iter().map(|(name, turns)| (name, samples(turns)));
            record.add_case(["loopback", quantity, "bytes"], &case, all);
        }
    }
}

impl State {
    /// Opens that number of connections, holds them, and looks at the server's memory. Ends the
    /// server.
    /// The error says what it did not bear.
    fn measure(self, server: Running, connections: usize) -> Result<Memory, String> {
        let address = server.address;
        let begin = |bytes: &[u8]| -> Result<TcpStream, String> {
            let mut tcp = TcpStream::connect(address).map_err(failed("connect"))?;
            tcp.write_all(bytes).map_err(failed("ClientHello"))?;
            Ok(tcp)
        };
        match self {
            Self::Exchanged => {
                let context = client(HandshakeKind::FullTls13).map_err(failed("context"))?;
                let open = || open(&context, address, None, Question::Byte);
                hold(server, connections, open, SslStream::get_ref)
            }
            Self::Connected => hold(server, connections, || begin(&[]), |tcp| tcp),
            Self::Started => hold(server, connections, || begin(PART_OF_HELLO), |tcp| tcp),
        }
    }
}

fn hold<T>(
    server: Running,
    connections: usize,
    open: impl Fn() -> Result<T, String>,
    tcp: impl Fn(&T) -> &TcpStream,
) -> Result<Memory, String> {
    let process = &server.process;
    let before = settled(process, 0)?;
    let needed = process.descriptors() + connections;
    let held = (0..connections).map(|_| open());
    let held = held.collect::<Result<Vec<_>, _>>()?;
    let after = settled(process, needed)?;
    let closed = held.iter().filter(|held| !is_open(tcp(held))).count();
    // Before its clients, so that no port of theirs stays in TIME_WAIT.
    drop(server);
    match closed {
        0 => Ok(Memory {
            connections,
            before,
            after,
        }),
        _ => Err(format!("it closed {closed} of {connections}")),
    }
}

/// What a server holds when that no longer changes, and it has at least that number of descriptors
/// open: it has accepted all connections.
fn settled(process: &Process, descriptors: usize) -> Result<u64, String> {
    let look = || (process.memory(), process.descriptors());
    let start = Instant::now();
    let (mut last, mut since) = (look(), start);
    loop {
        thread::sleep(POLL);
        let (memory, open) = look();
        if memory.abs_diff(last.0) >= STEADY || open != last.1 {
            since = Instant::now();
        } else if open >= descriptors {
            return Ok(memory);
        }
        if since.elapsed() > LONGEST_STILL || start.elapsed() > LONGEST {
            return Err(format!(
                "it has {open} descriptors instead of {descriptors}"
            ));
        }
        last = (memory, open);
    }
}

/// Whether the server neither closed it nor said anything.
fn is_open(tcp: &TcpStream) -> bool {
    let peeked = tcp.set_nonblocking(true).and_then(|()| tcp.peek(&mut [0]));
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}
