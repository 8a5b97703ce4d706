//! Old ticket keys are gone from memory: the test reads all of its own process's, and looks for them.
//!
//! What it looks for it keeps under a mask, or it would find itself. One test for all cases: no other
//! may hold keys meanwhile.
#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use common::{Client, Mechanism, server};
use rekindle::ManualClock;
use rekindle::openssl::Resumption;
use rekindle::tickets::{TicketKeys, TicketPolicy, TicketRing, TicketRingBuilder, TicketSecret};
use rekindle_key_files::{TicketKeyFile, TicketKeyFormat, secret_text};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3_600);
const MASK: u8 = 0xA7;

/// Something secret, in one of the forms that it may have in memory.
struct Needle {
    what: String,
    masked: Vec<u8>,
}

/// A secret, and its hexadecimal digits.
fn needles(what: &str, secret: &[u8]) -> Vec<Needle> {
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let needle = |form: &str, bytes: &[u8]| Needle {
        what: format!("{what}, {form}"),
        masked: bytes.iter().map(|byte| byte ^ MASK).collect(),
    };
    let found = vec![
        needle("raw", &secret[..16]),
        needle("digits", &digits.as_bytes()[..32]),
    ];
    wipe(digits.into_bytes());
    found
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// The secrets of all keys in force.
fn of_ring(ring: &TicketRing) -> Vec<Needle> {
    let keys = ring.load();
    let of_key = |(i, key): (usize, &rekindle::tickets::RingKey)| {
        let mut found = needles(&format!("key {i}: MAC secret"), key.key().hmac_secret());
        found.extend(needles(&format!("key {i}: AES key"), key.key().aes_key()));
        found
    };
    keys.iter().enumerate().flat_map(of_key).collect()
}

/// How often each needle is in the memory that this process may write to.
fn count(needles: &[Needle]) -> Vec<usize> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut counts = vec![0; needles.len()];
    let mut buffer = vec![0; 1 << 20];
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    for line in maps.lines() {
        let mut fields = line.split(' ');
        let (range, mode) = (fields.next().unwrap(), fields.next().unwrap());
        if !mode.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let address = |digits| usize::from_str_radix(digits, 16).unwrap();
        let (mut at, to) = (address(from), address(to));
        while at < to {
            // The buffer holds what was read last.
            if own.contains(&at) {
                at = own.end.next_multiple_of(16).min(to);
                continue;
            }
            let end = if at < own.start {
                to.min(own.start)
            } else {
                to
            };
            let len = buffer.len().min(end - at);
            memory.seek(SeekFrom::Start(at as u64)).unwrap();
            if memory.read_exact(&mut buffer[..len]).is_err() {
                break;
            }
            look(&buffer[..len], needles, &mut counts);
            // Over the border between two pieces.
            at += if len == end - at || len < 64 {
                len
            } else {
                len - 63
            };
        }
    }
    wipe(buffer);
    counts
}

fn look(memory: &[u8], needles: &[Needle], counts: &mut [usize]) {
    let mut firsts = [false; 256];
    for needle in needles {
        firsts[usize::from(needle.masked[0] ^ MASK)] = true;
    }
    for (at, byte) in memory.iter().enumerate() {
        if !firsts[usize::from(*byte)] {
            continue;
        }
        for (needle, count) in needles.iter().zip(counts.iter_mut()) {
            let here = memory[at..].iter().zip(&needle.masked);
            let same = here.take_while(|(byte, masked)| *byte ^ MASK == **masked);
            *count += usize::from(same.count() == needle.masked.len());
        }
    }
}

#[track_caller]
fn assert_gone(case: &str, needles: &[Needle]) {
    for (needle, count) in needles.iter().zip(count(needles)) {
        assert_eq!(count, 0, "{case}: {}", needle.what);
    }
}

#[track_caller]
fn assert_here(case: &str, needles: &[Needle]) {
    let counts = count(needles);
    let raw = needles.iter().zip(&counts);
    let missing = raw.filter(|(needle, count)| needle.what.ends_with("raw") && **count == 0);
    assert_eq!(missing.count(), 0, "{case}: keys in force are found");
}

fn builder(clock: &Arc<ManualClock>) -> TicketRingBuilder {
    let policy = TicketPolicy::default().period(HOUR).lifetime(HOUR);
    let policy = policy.max_age(3 * HOUR);
    let builder = TicketRing::builder().clock(clock.clone());
    builder.policy(policy)
}

/// Seals and opens tickets with the ring's keys, with OpenSSL on both sides.
fn use_keys(ring: &Arc<TicketRing>) {
    let resumption = Resumption::builder().sessions(10).ticket_ring(ring.clone());
    let resumption = resumption.build().unwrap();
    for kind in [Mechanism::Tls12Ticket, Mechanism::Tls13Ticket] {
        let (server, client) = (server(&resumption), Client::new(kind));
        client.connect(&server);
        assert!(client.reconnect(&server).resumed());
    }
}

/// A key file's content, written by ourselves and then wiped.
fn write_file(dir: &TempDir, format: TicketKeyFormat) -> std::path::PathBuf {
    use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, TicketKey};
    let cipher = format
        .cipher()
        .unwrap_or(rekindle::tickets::TicketCipher::Aes256);
    let given = |(i, role)| {
        KeyEntry::new(
            TicketKey::random(cipher).unwrap(),
            role,
            KeyLocation::record(i),
        )
    };
    let duties = [KeyRole::Next, KeyRole::Seal, KeyRole::Open];
    let keys = TicketKeys::new(duties.into_iter().enumerate().map(given).collect()).unwrap();
    let now = Duration::from_secs(1_800_000_000);
    let now = match format {
        TicketKeyFormat::H2o => std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap(),
        _ => now,
    };
    let content = format.write(&keys, now).unwrap();
    let path = dir.path().join(format.name());
    fs::write(&path, &*content).unwrap();
    path
}

#[test]
fn old_keys_are_gone() {
    let clock = Arc::new(ManualClock::new());
    let dir = TempDir::new().unwrap();

    // Keys of the ring's own: all of them have ended four hours later.
    let ring = Arc::new(builder(&clock).own_keys().build().unwrap());
    use_keys(&ring);
    let old = of_ring(&ring);
    assert_here("own", &old);
    clock.advance(4 * HOUR);
    use_keys(&ring);
    ring.maintain().unwrap();
    assert_gone("own", &old);

    // Through the API: replaced at once.
    let keys = TicketKeys::random().unwrap();
    let records = TicketKeyFormat::TrafficServer48.write(&keys, HOUR).unwrap();
    ring.update(&records).unwrap();
    drop((keys, records));
    use_keys(&ring);
    let old = of_ring(&ring);
    assert_here("given", &old);
    // Too old: keys of the ring's own take over.
    clock.advance(3 * HOUR);
    ring.maintain().unwrap();
    use_keys(&ring);
    assert!(ring.status().fallback);
    assert_gone("given", &old);

    // From files of every format.
    for format in TicketKeyFormat::ALL {
        let mut file = TicketKeyFile::keys(write_file(&dir, format), format);
        let ring = Arc::new(file.open(builder(&clock)).unwrap());
        use_keys(&ring);
        let old = of_ring(&ring);
        assert_here(format.name(), &old);
        ring.replace(&TicketKeys::random().unwrap()).unwrap();
        use_keys(&ring);
        assert_gone(format.name(), &old);
    }

    // Derived, with a ratchet: of the first state nothing is left, nor of the keys.
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let secret = TicketSecret::random(HOUR, Some(unix - HOUR)).unwrap();
    let path = dir.path().join("secret");
    let text = secret_text(&secret);
    let digits = text
        .split_whitespace()
        .skip_while(|word| *word != "secret")
        .nth(2);
    let digits = digits.expect("64 digits").as_bytes().to_vec();
    let state: Vec<u8> = digits
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect();
    fs::write(&path, &**text).unwrap();
    drop(text);
    let mut old = needles("state", &state);
    wipe(digits);
    wipe(state);
    drop(secret);
    let mut file = TicketKeyFile::secret(&path);
    let ring = Arc::new(file.open(builder(&clock)).unwrap());
    // The ratchet has gone on by one period at once.
    assert_gone("the ratchet's first state", &old);
    use_keys(&ring);
    old.extend(of_ring(&ring));
    ring.replace(&TicketKeys::random().unwrap()).unwrap();
    use_keys(&ring);
    assert_gone("derived", &old);
}
