//! Old ticket keys are gone from memory: the test searches all memory of its own process for them.
//!
//! The test keeps the bytes to search for under a mask, or it would find its own copy. One test for
//! all forms, since no other test may hold keys at the same time; and two readings, one while all
//! keys are in force and one when all have left, since a reading takes seconds.
#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use common::{Client, Mechanism, ask_for_certificates, server, server_builder};
use rekindle::ManualClock;
use rekindle::openssl::Resumption;
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyRole, RingKey, TicketCipher, TicketKey, TicketKeys, TicketPolicy,
    TicketRing, TicketRingBuilder, TicketSecret,
};
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
    let (raw, hex) = (&secret[..16], &digits.as_bytes()[..32]);
    let found = vec![needle("raw", raw), needle("digits", hex)];
    wipe(digits.into_bytes());
    found
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// The secrets of all keys in force.
fn of_ring(name: &str, ring: &TicketRing) -> Vec<Needle> {
    let keys = ring.load();
    let of_key = |(i, key): (usize, &RingKey)| {
        let what = format!("{name}, key {i}");
        let mut found = needles(&format!("{what}: MAC secret"), key.key().hmac_secret());
        found.extend(needles(&format!("{what}: AES key"), key.key().aes_key()));
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
            let is_last = len == end - at || len < 64;
            at += if is_last { len } else { len - 63 };
        }
    }
    wipe(buffer);
    counts
}

fn look(memory: &[u8], needles: &[Needle], counts: &mut [usize]) {
    let mut by_first = vec![Vec::new(); 256];
    for (i, needle) in needles.iter().enumerate() {
        by_first[usize::from(needle.masked[0] ^ MASK)].push(i);
    }
    for (at, byte) in memory.iter().enumerate() {
        for i in &by_first[usize::from(*byte)] {
            let masked = &needles[*i].masked;
            let here = memory[at..].iter().zip(masked);
            let same = here.take_while(|(byte, masked)| *byte ^ MASK == **masked);
            counts[*i] += usize::from(same.count() == masked.len());
        }
    }
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

/// Begins to issue a ticket that OpenSSL then cannot: the session is too large for one.
fn fail_to_issue(ring: &Arc<TicketRing>) {
    let resumption = Resumption::builder().sessions(10).ticket_ring(ring.clone());
    let resumption = resumption.build().unwrap();
    let mut server = server_builder(b"tests");
    ask_for_certificates(&mut server, &resumption);
    resumption.install(&mut server).unwrap();
    let client = Client::with_a_large_certificate(Mechanism::Tls13Ticket);
    assert!(client.try_connect(&server.build(), None, None).is_err());
}

/// Writes a key file, or a folder where each key has one, and wipes the content in memory.
fn write_file(dir: &TempDir, format: TicketKeyFormat) -> std::path::PathBuf {
    let cipher = format.cipher().unwrap_or(TicketCipher::Aes256);
    let entry = |(i, role)| {
        let key = TicketKey::random(cipher).unwrap();
        KeyEntry::new(key, role, KeyLocation::record(i))
    };
    let roles = [KeyRole::Next, KeyRole::Seal, KeyRole::Open];
    let keys = TicketKeys::new(roles.into_iter().enumerate().map(entry).collect()).unwrap();
    // Only h2o's format has times.
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let contents = format.write(&keys, now).unwrap();
    let path = dir.path().join(format.name());
    if let [content] = &contents[..] {
        fs::write(&path, content).unwrap();
        return path;
    }
    fs::create_dir(&path).unwrap();
    for (place, content) in contents.iter().rev().enumerate() {
        fs::write(path.join(place.to_string()), content).unwrap();
    }
    path
}

/// A file with a secret and a ratchet that is one period behind, and its state.
fn write_secret(dir: &TempDir) -> (std::path::PathBuf, Vec<Needle>) {
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let secret = TicketSecret::random(HOUR, Some(unix - HOUR)).unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, &**secret_text(&secret.clone().into())).unwrap();
    (path, needles("state", secret.bytes()))
}

#[test]
fn old_keys_are_gone() {
    let clock = Arc::new(ManualClock::new());
    let dir = TempDir::new().unwrap();

    // Keys of the ring's own, keys through the API, keys from files of every format, derived keys.
    let own = Arc::new(builder(&clock).own_keys().build().unwrap());
    let given = Arc::new(builder(&clock).own_keys().build().unwrap());
    let keys = TicketKeys::random().unwrap();
    let records = TicketKeyFormat::TrafficServer48.write(&keys, HOUR).unwrap();
    given.update(&records[0]).unwrap();
    drop((keys, records));
    let (path, state) = write_secret(&dir);
    let files =
        TicketKeyFormat::ALL.map(|format| TicketKeyFile::keys(write_file(&dir, format), format));
    let files = files.into_iter().chain([TicketKeyFile::secret(path)]);
    let open = |mut file: TicketKeyFile| (Arc::new(file.open(builder(&clock)).unwrap()), file);
    let from_files: Vec<_> = files.map(open).collect();
    let mut rings = vec![("own", &own), ("given", &given)];
    for (ring, file) in &from_files {
        let name = file.path().file_name().unwrap().to_str().unwrap();
        rings.push((name, ring));
    }
    let mut old = Vec::new();
    for (name, ring) in &rings {
        use_keys(ring);
        old.extend(of_ring(name, ring));
    }
    let in_force = old.len();
    old.extend(state);
    for (i, (needle, count)) in old.iter().zip(count(&old)).enumerate() {
        if i >= in_force {
            assert_eq!(count, 0, "the ratchet has left its first {}", needle.what);
        } else if needle.what.ends_with("raw") {
            assert_ne!(count, 0, "keys in force are found: {}", needle.what);
        }
    }

    // What a thread still has when its last ticket came to nothing.
    let (ready, is_ready) = mpsc::channel();
    let (end, may_end) = mpsc::channel();
    let idle = thread::spawn({
        let own = Arc::clone(&own);
        move || {
            fail_to_issue(&own);
            drop(own);
            ready.send(()).unwrap();
            may_end.recv().unwrap();
        }
    });
    is_ready.recv().unwrap();

    // Replaced at once: keys from files, and derived ones.
    for (ring, _) in &from_files {
        ring.replace(&TicketKeys::random().unwrap()).unwrap();
    }
    // The ring's own have ended four hours later; given ones are too old, and the ring falls back.
    clock.advance(4 * HOUR);
    for (_, ring) in &rings {
        use_keys(ring);
        ring.maintain().unwrap();
    }
    assert!(given.status().fallback);
    for (needle, count) in old.iter().zip(count(&old)) {
        assert_eq!(count, 0, "{}", needle.what);
    }
    end.send(()).unwrap();
    idle.join().unwrap();
}
