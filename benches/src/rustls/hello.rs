//! ClientHellos that offer as many sessions as fit: what it costs a server to find none of them.
//! rustls's own store is empty; ours has 100,000 sessions of others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection};

use super::contenders::Options;
use super::handshakes::{Identity, connection, feed, servers};
use crate::record::{Record, case, interleave};

/// Identities, and the bytes of each. With its binder, one takes 39 bytes more.
const OFFERS: [(usize, usize); 4] = [(1_600, 1), (900, 32), (900, 33), (250, 220)];

/// A record's longest payload.
const RECORD: usize = 16_384;

pub(super) fn run(options: &Options, record: &mut Record) {
    let identity = Identity::new();
    let servers = servers(&identity);
    let plain = plain_hello(&identity);
    for (identities, bytes) in OFFERS {
        let hello = laden(&plain, identities, bytes);
        let times = interleave(0..=options.rounds, &servers, |(_, server), _| {
            turn(server, &hello, options.length())
        });
        let case = case([
            ("identities", identities.to_string()),
            ("bytes", bytes.to_string()),
        ]);
        let names = servers.iter().map(|(name, _)| name);
        let what = ["rustls", "time per ClientHello", "us"];
        record.add_turns(what, &case, names, &times, |time| *time);
    }
}

/// Microseconds until the server has answered with a full handshake.
fn turn(server: &Arc<ServerConfig>, hello: &[u8], length: Duration) -> f64 {
    let (mut hellos, mut time, begin) = (0, Duration::ZERO, Instant::now());
    while begin.elapsed() < length {
        let mut server = ServerConnection::new(Arc::clone(server)).expect("a connection");
        let start = Instant::now();
        feed(&mut server, hello);
        time += start.elapsed();
        hellos += 1;
        assert!(server.wants_write() && server.is_handshaking());
    }
    time.as_nanos() as f64 / 1e3 / f64::from(hellos)
}

/// The ClientHello of a client that has been nowhere, without its record's header.
fn plain_hello(identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = connection(&identity.client(&TLS13)).write_tls(&mut bytes);
    written.expect("a vector takes all");
    bytes.split_off(5)
}

/// The same with an extension `pre_shared_key` at its end (RFC 8446, section 4.2.11), in records.
fn laden(plain: &[u8], identities: usize, bytes: usize) -> Vec<u8> {
    let mut offered = Vec::new();
    for number in 0..identities {
        let mut identity = vec![0x5a; bytes];
        let digits = number.to_le_bytes();
        let some = bytes.min(digits.len());
        identity[..some].copy_from_slice(&digits[..some]);
        offered.extend(with_length(identity));
        offered.extend([0; 4]);
    }
    let binders = (0..identities).flat_map(|_| [&[32][..], &[0; 32]].concat());
    let extension = [with_length(offered), with_length(binders.collect())].concat();
    let extension = [vec![0, 41], with_length(extension)].concat();

    // Type and length, version, random, session id, suites, compression: then the extensions.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(plain[at]);
    at += 2 + usize::from(u16::from_be_bytes([plain[at], plain[at + 1]]));
    at += 1 + usize::from(plain[at]);
    let extensions = with_length([&plain[at + 2..], &extension[..]].concat());
    let body = [&plain[4..at], &extensions[..]].concat();
    let length = u32::try_from(body.len())
        .expect("three bytes")
        .to_be_bytes();
    let hello = [&plain[..1], &length[1..], &body[..]].concat();
    let record = |part: &[u8]| [vec![22, 3, 1], with_length(part.to_vec())].concat();
    hello.chunks(RECORD).flat_map(record).collect()
}

/// With its length in two bytes before it.
fn with_length(bytes: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("two bytes").to_be_bytes();
    [&length[..], &bytes[..]].concat()
}
