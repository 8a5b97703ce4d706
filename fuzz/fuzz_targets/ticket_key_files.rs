//! A file of ticket keys that is written, cut, replaced by a folder or device, and reloaded,
//! against a parser of the rules written a second time. What a reload refuses changes nothing.
//!
//! A target of its own beside `ticket_keys`: reading a file costs a hundred times what parsing does
//! (room for the longest one is set aside, and wiped). Run it with `TMPDIR` in memory.
#![no_main]

mod rules;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{KeyFault, TicketKeyError, TicketKeys, TicketRing, Update};
use rekindle_key_files::{
    Reload, TicketFileError, TicketFileFault as Fault, TicketKeyFile, TicketKeyFormat,
};

use rules::{Looks, content_looks, duplicates, fault, is_newline, looks, name, secrets};

type Record = [u8; 48];

/// Reads of the file in one run at most: they are what costs.
const MAX_READS: usize = 4;

static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("rekindle-fuzz-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder for the file");
    dir.join("ticket-keys")
});

/// What is at the path.
#[derive(Clone, Debug, PartialEq)]
enum State {
    File(Vec<u8>),
    Absent,
    /// An empty one: a folder without keys.
    Directory,
    /// A link to a device: reading it might never end.
    Device,
    /// A link to itself: unreadable, also for root. (A mode of 0 does not keep root out.)
    Loop,
}

impl State {
    fn make(&self) {
        remove();
        match self {
            Self::File(content) => fs::write(&*PATH, content),
            Self::Absent => Ok(()),
            Self::Directory => fs::create_dir(&*PATH),
            Self::Device => symlink("/dev/zero", &*PATH),
            Self::Loop => symlink(&*PATH, &*PATH),
        }
        .expect("a writable folder");
    }
}

fn remove() {
    let _ = fs::remove_file(&*PATH).or_else(|_| fs::remove_dir(&*PATH));
}

struct Model {
    state: State,
    /// Once it could be opened: the file, the ring that came with it, what must be in that, and the
    /// content that was last taken from the file.
    open: Option<(TicketKeyFile, TicketRing, Vec<Record>, Vec<u8>)>,
}

fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let mut model = Model {
        state: State::Absent,
        open: None,
    };
    remove();
    let mut reads = 0;
    while !u.is_empty() && reads < MAX_READS {
        let (code, n) = (byte(&mut u), byte(&mut u));
        match (code % 8, &mut model.state) {
            (0 | 1, _) => model.state = State::File(content(&mut u, n)),
            (2, State::File(content)) => content.truncate(n.into()),
            (3, State::File(content)) => content.extend((0..n).map(|_| byte(&mut u))),
            (4, state) => {
                *state = match n % 6 {
                    0 => State::Absent,
                    1 => State::Directory,
                    2 => State::Device,
                    3 => State::Loop,
                    // The longest that is read, which is too many keys, and one byte more.
                    n => State::File(vec![0; TicketKeyFile::MAX_LEN + usize::from(n - 4)]),
                }
            }
            (5, _) => {
                model.update(&content(&mut u, n));
                continue;
            }
            (_, State::File(content)) if parse(content).is_none() => break,
            _ => {
                model.read();
                reads += 1;
                continue;
            }
        }
        model.state.make();
    }
    remove();
});

fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or(0)
}

/// Up to seven records of a few, the first of them all zero, and something behind; or just bytes.
fn content(u: &mut Unstructured<'_>, n: u8) -> Vec<u8> {
    if n >= 0xC0 {
        return (0..n - 0xC0).map(|_| byte(u)).collect();
    }
    let mut content: Vec<u8> = (0..n % 8).flat_map(|_| record(byte(u))).collect();
    content.extend((0..n / 8 % 4).map(|_| byte(u)));
    content
}

/// Record `n` has the name of some others. The first is all zero, two more are weak, one is text;
/// from 0xE0 on they have secrets of one of the first.
fn record(n: u8) -> Record {
    let secrets = if n < 0xE0 { n } else { n - 0xDF };
    let mut record = rules::record(n % 32, secrets);
    let (mac, aes) = record[16..].split_at_mut(16);
    match n {
        0 => record = [0; 48],
        0xDD => record[16..].copy_from_slice(b"no secrets, but words of a poem."),
        0xDE => aes.fill(n),
        0xDF => aes.copy_from_slice(mac),
        _ => {}
    }
    record
}

/// Whether an error is the one that the model expects.
type IsExpected = fn(&TicketKeyError) -> bool;

/// The rules, written a second time: whole records of 48 bytes, at least one, none weak, no name
/// and no pair of secrets twice. `None` where this model does not look so closely.
fn parse(content: &[u8]) -> Option<Result<Vec<Record>, IsExpected>> {
    // Base64 is read from files, and not through the API.
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    if content.len() >= 64 && content.iter().all(is_base64) {
        return None;
    }
    match content_looks(content) {
        Looks::NotRandom => return Some(Err(|e| matches!(e, TicketKeyError::NotRecords(_)))),
        Looks::MaybeNot => return None,
        Looks::Random => {}
    }
    let records = content.chunks_exact(48).map(|r| r.try_into().expect("48"));
    let records: Vec<Record> = records.collect();
    if records.is_empty() {
        return Some(Err(|e| matches!(e, TicketKeyError::TooShort { .. })));
    }
    let (whole, left) = content.split_at(48 * records.len());
    if !is_newline(whole, left) {
        return Some(Err(|e| matches!(e, TicketKeyError::TrailingBytes { .. })));
    }
    if records.len() > TicketKeys::MAX_KEYS {
        return Some(Err(|e| *e == TicketKeyError::TooMany));
    }
    for record in &records {
        match (fault(record), looks(record)) {
            (Some(KeyFault::AllZero), _) => return Some(Err(|e| is_bad(e, KeyFault::AllZero))),
            (Some(KeyFault::RepeatedByte), _) => {
                return Some(Err(|e| is_bad(e, KeyFault::RepeatedByte)));
            }
            (Some(_), _) => return Some(Err(|e| is_bad(e, KeyFault::EqualSecrets))),
            (None, Looks::NotRandom) => return Some(Err(is_not_random)),
            (None, Looks::MaybeNot) => return None,
            (None, Looks::Random) if rules::shows_secrets(record) => return None,
            (None, Looks::Random) => {}
        }
    }
    let parts: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
    if !duplicates(&parts, name).is_empty() {
        return Some(Err(|e| matches!(e, TicketKeyError::DuplicateName { .. })));
    }
    if !duplicates(&parts, secrets).is_empty() {
        return Some(Err(|e| {
            matches!(e, TicketKeyError::DuplicateMaterial { .. })
        }));
    }
    Some(Ok(records))
}

fn is_not_random(error: &TicketKeyError) -> bool {
    let is = |fault: &KeyFault| matches!(fault, KeyFault::NotRandom(_));
    matches!(error, TicketKeyError::Bad { fault, .. } if is(fault))
}

fn is_bad(error: &TicketKeyError, is: KeyFault) -> bool {
    matches!(error, TicketKeyError::Bad { fault, .. } if *fault == is)
}

impl Model {
    /// Opens the file or, if it is open, reloads it.
    fn read(&mut self) {
        let Some((mut file, ring, keys, taken)) = self.open.take() else {
            return self.open();
        };
        let result = file.reload(&ring);
        let expected = self.expect(&result);
        self.open = Some(match (expected, result) {
            (Some((records, content)), Ok(done)) => {
                match done {
                    Reload::Unchanged => assert_eq!(taken, content),
                    Reload::Updated(update) => {
                        assert_ne!(taken, content);
                        check(&update, &ring, &records);
                        return self.opened(file, ring, records, content);
                    }
                }
                (file, ring, keys, taken)
            }
            (None, Err(_)) => (file, ring, keys, taken),
            (expected, _) => panic!("expected {}", expected.is_some()),
        });
        self.check_ring();
    }

    fn open(&mut self) {
        let mut file = TicketKeyFile::keys(&*PATH, TicketKeyFormat::TrafficServer48);
        let result = file.open(TicketRing::builder());
        if let Some((records, content)) = self.expect(&result) {
            self.opened(file, result.expect("as expected"), records, content);
        }
    }

    fn opened(&mut self, file: TicketKeyFile, ring: TicketRing, keys: Vec<Record>, taken: Vec<u8>) {
        assert_eq!(file.path(), &**PATH);
        self.open = Some((file, ring, keys, taken));
        self.check_ring();
    }

    /// What reading must find now; `None` and a look at the error where it must fail.
    fn expect<T>(&self, result: &Result<T, TicketFileError>) -> Option<(Vec<Record>, Vec<u8>)> {
        let error = result.as_ref().err();
        match (&self.state, error.map(|error| &error.fault)) {
            (State::File(content), fault) if content.len() <= TicketKeyFile::MAX_LEN => {
                let expected = parse(content).expect("or it is not read");
                match (expected, fault) {
                    (Ok(records), None) => return Some((records, content.clone())),
                    (Err(is), Some(Fault::Malformed(error))) => assert!(is(error), "{error}"),
                    (expected, fault) => panic!("{:?}, not {fault:?}", expected.is_ok()),
                }
            }
            (State::File(_), Some(Fault::TooLong))
            | (State::Absent | State::Loop, Some(Fault::Unreadable(_)))
            | (State::Directory, Some(Fault::EmptyFolder { .. }))
            | (State::Device, Some(Fault::NotAFile)) => {}
            (state, fault) => panic!("{fault:?}, for {state:?}"),
        }
        assert_eq!(error.expect("a fault").path, **PATH);
        None
    }

    /// Keys that come through the API. Reloading a file that has not changed leaves them alone.
    fn update(&mut self, content: &[u8]) {
        if let Some((_, ring, keys, _)) = &mut self.open {
            let Some(expected) = parse(content) else {
                return;
            };
            match (expected, ring.update(content)) {
                (Ok(records), Ok(update)) => {
                    check(&update, ring, &records);
                    *keys = records;
                }
                (Err(is), Err(error)) => assert!(is(&error), "{error}"),
                (expected, result) => panic!("{:?}, not {result:?}", expected.is_ok()),
            }
        }
        self.check_ring();
    }

    fn check_ring(&self) {
        let Some((_, ring, keys, _)) = &self.open else {
            return;
        };
        let now = ring.load();
        assert_eq!(now.len(), keys.len());
        for (key, record) in now.iter().map(|key| key.key()).zip(keys) {
            assert_eq!(key.name()[..], record[..16]);
            assert_eq!(key.hmac_secret()[..], record[16..32]);
            assert_eq!(key.aes_key()[..], record[32..]);
        }
    }
}

/// The first key seals.
fn check(update: &Update, ring: &TicketRing, records: &[Record]) {
    assert_eq!(update.keys, records.len());
    assert!(!update.fallback);
    let (now, keys) = (ring.now(), ring.load());
    let sealing = keys.sealing(now).expect("a key that seals").key();
    assert_eq!(sealing.name()[..], records[0][..16]);
    assert_eq!(update.sealing, sealing.fingerprint());
}
