//! A file of ticket keys that is written, cut, replaced by what is no file, and reloaded, against a
//! parser of the rules told again. What a reload refuses changes nothing.
//!
//! A target of its own beside `ticket_keys`: reading a file costs a hundred times what parsing does
//! (room for the longest one is set aside, and wiped). Run it with `TMPDIR` in memory.
#![no_main]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{Reload, TicketFileError, TicketKeyError, TicketKeyFile, TicketRing};

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
    Directory,
    /// A link to a device: reading it might never end.
    Device,
    /// A link to itself: unreadable for anybody. (A mode of 0 does not keep root out.)
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
    // Whichever it is.
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
                    // The longest that is read, and one byte more. Zeros, or comparing 20,000 names
                    // would take most of the time.
                    n => State::File(vec![0; TicketKeyFile::MAX_LEN + usize::from(n - 4)]),
                }
            }
            (5, _) => {
                model.update(&content(&mut u, n));
                continue;
            }
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

/// Record `n` has the name of some others, and secrets of its own.
fn record(n: u8) -> Record {
    let mut record = [n; 48];
    record[..16].fill(n % 32);
    record
}

/// The rules, told again: whole records of 48 bytes, at least one, none all zero, no name twice.
fn parse(content: &[u8]) -> Result<Vec<Record>, fn(&TicketKeyError) -> bool> {
    let records = content.chunks_exact(48).map(|r| r.try_into().expect("48"));
    let records: Vec<Record> = records.collect();
    if records.is_empty() {
        return Err(|e| matches!(e, TicketKeyError::TooShort { .. }));
    }
    if records.contains(&[0; 48]) {
        return Err(|e| matches!(e, TicketKeyError::AllZero { .. }));
    }
    let mut names: Vec<_> = records.iter().map(|r| &r[..16]).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < records.len() {
        return Err(|e| matches!(e, TicketKeyError::DuplicateName { .. }));
    }
    Ok(records)
}

impl Model {
    /// Opens the file, or reloads it.
    fn read(&mut self) {
        let (result, reload) = match &mut self.open {
            Some((file, ring, ..)) => (file.reload(ring).map(Some), true),
            None => match TicketKeyFile::open(&*PATH) {
                Ok((file, ring)) => {
                    self.open = Some((file, ring, Vec::new(), Vec::new()));
                    (Ok(None), false)
                }
                Err(error) => (Err(error), false),
            },
        };
        match self.expect(&result) {
            Some((records, content)) => {
                let (file, ring, keys, taken) = self.open.as_mut().expect("opened");
                assert_eq!(file.path(), &**PATH);
                let done = result.expect("as expected");
                if reload && *taken == content {
                    assert_eq!(done, Some(Reload::Unchanged));
                } else {
                    if let Some(Reload::Updated(update)) = done {
                        let trailing = content.len() % 48;
                        assert_eq!((update.keys, update.trailing), (records.len(), trailing));
                        assert_eq!(update.sealing, ring.load().sealing().fingerprint());
                    } else {
                        assert!(!reload, "the content has changed");
                    }
                    (*keys, *taken) = (records, content);
                }
            }
            None => assert!(result.is_err()),
        }
        self.check_ring();
    }

    /// What reading must find now; `None` and a look at the error where it must fail.
    fn expect<T>(&self, result: &Result<T, TicketFileError>) -> Option<(Vec<Record>, Vec<u8>)> {
        let error = result.as_ref().err();
        let path = match (&self.state, error) {
            (State::File(content), error) if content.len() <= TicketKeyFile::MAX_LEN => {
                match (parse(content), error) {
                    (Ok(records), None) => return Some((records, content.clone())),
                    (Err(is), Some(TicketFileError::Malformed { path, source })) => {
                        assert!(is(source), "{source}");
                        path
                    }
                    (expected, error) => panic!("{:?}, not {error:?}", expected.is_ok()),
                }
            }
            (State::File(_), Some(TicketFileError::TooLong { path }))
            | (State::Absent | State::Loop, Some(TicketFileError::Unreadable { path, .. }))
            | (State::Directory | State::Device, Some(TicketFileError::NotAFile { path })) => path,
            (state, error) => panic!("{error:?}, for {state:?}"),
        };
        assert_eq!(path, &*PATH);
        None
    }

    /// Keys that come through the API. Reloading a file that has not changed leaves them alone.
    fn update(&mut self, content: &[u8]) {
        if let Some((_, ring, keys, _)) = &mut self.open {
            match (parse(content), ring.update(content)) {
                (Ok(records), Ok(update)) => {
                    assert_eq!(update.keys, records.len());
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
        for (key, record) in now.iter().zip(keys) {
            assert_eq!(key.name()[..], record[..16]);
            assert_eq!(key.hmac_secret()[..], record[16..32]);
            assert_eq!(key.aes_key()[..], record[32..]);
        }
    }
}
