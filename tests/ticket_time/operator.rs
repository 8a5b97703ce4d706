//! The operator of a file with ticket keys or a secret: what the file holds, and which keys follow.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use rekindle::tickets::{TicketSecret, Validity};
use rekindle_key_files::{KeyFileContent, TicketKeyFile, TicketKeyFormat, secret_text};
use tempfile::TempDir;

use super::{DAY, seconds};

/// Here each name goes with one key.
pub(crate) type Name = [u8; 16];

/// What provides the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// The ring itself.
    Own,
    /// A file as Traffic Server has it, without times.
    Records,
    /// A file as h2o has it: each key has its times.
    Timed,
    /// A secret.
    Derived,
    /// A secret with a ratchet.
    Ratchet,
}

/// The operator and the file.
pub(crate) struct Operator {
    pub(crate) provider: Provider,
    period: u64,
    lifetime: u64,
    dir: TempDir,
    /// Of a file of keys: the numbers that they are made from, the one that seals first.
    pub(crate) numbers: Vec<u64>,
    pub(crate) retired: Vec<u64>,
    /// Of a secret: as it is in the file.
    secret: TicketSecret,
    edits: u64,
    /// Of a secret: as it is at the beginning of each period that was asked for.
    states: BTreeMap<u64, TicketSecret>,
    derived: BTreeMap<u64, Name>,
}

impl Operator {
    pub(crate) fn new(provider: Provider, period: u64, lifetime: u64, unix: Duration) -> Self {
        // As from a file that was made long ago, before any wall clock that a step leads back to.
        let from = unix - seconds(10 * period + 2 * lifetime + 7 * DAY);
        let ratchet = (provider == Provider::Ratchet).then_some(from);
        let secret = TicketSecret::random(seconds(period), ratchet).expect("randomness");
        let states = [(secret.index(from), secret.clone())].into();
        let mut new = Self {
            provider,
            period,
            lifetime,
            dir: TempDir::new().expect("a folder"),
            numbers: Vec::new(),
            retired: Vec::new(),
            secret,
            edits: 0,
            states,
            derived: BTreeMap::new(),
        };
        new.add(unix);
        new.write();
        new
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    pub(crate) fn file(&self) -> Option<TicketKeyFile> {
        Some(match self.provider {
            Provider::Own => return None,
            Provider::Records => TicketKeyFile::keys(self.path(), TicketKeyFormat::TrafficServer48),
            Provider::Timed => TicketKeyFile::keys(self.path(), TicketKeyFormat::H2o),
            Provider::Derived | Provider::Ratchet => TicketKeyFile::secret(self.path()),
        })
    }

    pub(crate) fn is_derived(&self) -> bool {
        matches!(self.provider, Provider::Derived | Provider::Ratchet)
    }

    /// A new key that seals, or keys for the periods to come, or the secret as it is in this
    /// period.
    pub(crate) fn add(&mut self, unix: Duration) {
        match self.provider {
            Provider::Own | Provider::Derived => {}
            Provider::Records => {
                let used = self.numbers.iter().chain(&self.retired).max();
                self.numbers.insert(0, used.map_or(1, |last| last + 1));
            }
            Provider::Timed => {
                let current = unix.as_secs() / self.period;
                let over =
                    |number: &u64| validity(*number, self.period, self.lifetime).open_until <= unix;
                self.numbers.retain(|number| !over(number));
                for number in current..=current + 2 {
                    if !self.numbers.contains(&number) {
                        self.numbers.push(number);
                    }
                }
            }
            Provider::Ratchet => {
                if let Ok(secret) = self.secret.ratcheted(self.secret.index(unix)) {
                    self.secret = secret;
                }
            }
        }
    }

    /// A key that was retired seals again.
    pub(crate) fn bring_back(&mut self) {
        if let Some(number) = self.retired.pop() {
            self.numbers.insert(0, number);
        }
    }

    /// Of a file without times: takes out those that `over` says.
    pub(crate) fn retire(&mut self, over: impl Fn(Name) -> bool) {
        if self.provider == Provider::Records {
            let out = |number: &u64| *number != self.numbers[0] && over(name_of(*number));
            let (out, left) = self.numbers.iter().partition(|number| out(number));
            self.numbers = left;
            let out: Vec<u64> = out;
            self.retired.extend(out);
        }
    }

    /// Writes the file, which is another one every time.
    pub(crate) fn write(&mut self) {
        self.edits += 1;
        let content = match self.provider {
            Provider::Own => return,
            Provider::Records => {
                let records = self.numbers.iter().map(|number| bytes(*number));
                let records = Base64::encode_string(records.collect::<Vec<_>>().as_flattened());
                // Blank lines are no part of it.
                (records + &"\n".repeat(self.edits as usize)).into_bytes()
            }
            Provider::Timed => {
                let items = self.numbers.iter().map(|number| self.item(*number));
                let text = format!("# {}\n{}", self.edits, items.collect::<String>());
                text.into_bytes()
            }
            Provider::Derived | Provider::Ratchet => {
                let text = secret_text(&self.secret.clone().into());
                format!("# {}\n{}", self.edits, *text).into_bytes()
            }
        };
        let _ = fs::remove_file(self.path());
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let mut file = file.open(self.path()).expect("a file");
        file.write_all(&content).expect("it is written");
    }

    fn item(&self, number: u64) -> String {
        let validity = validity(number, self.period, self.lifetime);
        let key = bytes(number);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (name, hmac, aes) = (hex(&key[..16]), hex(&key[16..32]), hex(&key[32..]));
        format!(
            "- name: {name}\n  cipher: AES-128-CBC\n  hash: SHA256\n  key: {aes}{hmac}{}\n  \
             not_before: {}\n  not_after: {}\n",
            "0".repeat(96),
            validity.seal_from.as_secs(),
            validity.open_until.as_secs() - 1,
        )
    }

    /// The keys that the file gives around a time, and their times.
    pub(crate) fn keys(&mut self, unix: Duration) -> Vec<(Name, Option<Validity>)> {
        let (period, lifetime) = (self.period, self.lifetime);
        match self.provider {
            Provider::Own => Vec::new(),
            Provider::Records => {
                let numbers = self.numbers.iter();
                numbers.map(|number| (name_of(*number), None)).collect()
            }
            Provider::Timed => {
                let numbers = self.numbers.iter();
                let key = |number| (name_of(number), Some(validity(number, period, lifetime)));
                numbers.map(|number| key(*number)).collect()
            }
            Provider::Derived | Provider::Ratchet => {
                let reach = seconds(lifetime + period + 120);
                let (first, last) = (unix.saturating_sub(reach), unix + reach);
                let indices = self.secret.index(first)..=self.secret.index(last);
                indices
                    .map(|index| {
                        let mut times = validity(index, period, 0);
                        times.open_until = times.seal_until + seconds(lifetime + 60);
                        (self.derive(index), Some(times))
                    })
                    .collect()
            }
        }
    }

    /// The key that is to seal but for its age, and whether a new process can derive it.
    pub(crate) fn current(&mut self, unix: Duration) -> (Name, bool) {
        let index = self.secret.index(unix);
        (self.derive(index), self.can_start(unix))
    }

    /// Whether a new process can derive the key of this period.
    pub(crate) fn can_start(&self, unix: Duration) -> bool {
        let ratchet = self.secret.ratchet();
        !self.is_derived() || ratchet.is_none_or(|at| at <= self.secret.index(unix))
    }

    /// Whether a new process would have the key with these times.
    pub(crate) fn gives(&self, times: Validity, unix: Duration) -> bool {
        let index = self.secret.index(times.seal_from);
        let newest = self.secret.index(unix + seconds(self.period + 60));
        !self.is_derived()
            || (self.secret.ratchet().is_none_or(|at| at <= index) && index <= newest)
    }

    pub(crate) fn index(&self, unix: Duration) -> u64 {
        self.secret.index(unix)
    }

    fn derive(&mut self, index: u64) -> Name {
        if let Some(derived) = self.derived.get(&index) {
            return *derived;
        }
        let mut states = self.states.range(..=index);
        let (_, state) = states.next_back().expect("no test asks for that long ago");
        let state = state.ratcheted(index).expect("it goes forward");
        let derived = *state.key(index).expect("a key").name();
        self.states.insert(index, state);
        self.derived.insert(index, derived);
        derived
    }

    /// The library reads the file as the model does.
    pub(crate) fn agrees(&mut self, unix: Duration) {
        let Some(file) = self.file() else { return };
        match file.read().expect("a good file").content {
            KeyFileContent::Keys(keys) => {
                let ours = self.keys(unix);
                assert_eq!(keys.len(), ours.len());
                for key in keys.iter() {
                    let ours = ours.iter().find(|ours| ours.0 == *key.name());
                    assert!(ours.is_some());
                }
            }
            KeyFileContent::Secret(file) => {
                assert_eq!(file.secret.ratchet(), self.secret.ratchet());
            }
        }
    }
}

/// Of h2o: a key seals from its period on, until the next one does, and opens for a lifetime more.
fn validity(number: u64, period: u64, lifetime: u64) -> Validity {
    let end = seconds((number + 1) * period + lifetime);
    Validity {
        seal_from: seconds(number * period),
        seal_until: end,
        open_until: end,
    }
}

/// `name[16] | hmac_secret[16] | aes_key[16]`, told apart by a number.
fn bytes(number: u64) -> [u8; 48] {
    let mut bytes = [0; 48];
    for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mixed = (number * 8 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 29)).to_be_bytes());
    }
    bytes
}

fn name_of(number: u64) -> Name {
    *bytes(number).first_chunk().expect("16 bytes")
}
