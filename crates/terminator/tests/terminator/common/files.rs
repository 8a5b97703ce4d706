//! Certificates and ticket keys on disk.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use openssl::rand::rand_bytes;
use tempfile::TempDir;

pub(crate) const TICKET_KEY: usize = 48;

/// A directory of its own for each test, gone with it.
#[derive(Debug)]
pub(crate) struct Files {
    directory: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a temporary directory"),
        }
    }

    /// With a certificate for `name` in it.
    pub(crate) fn with_certificate(name: &str) -> Self {
        let files = Self::new();
        files.make_certificate(name);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name)
            .into_os_string()
            .into_string()
            .expect("paths here are UTF-8")
    }

    pub(crate) fn cert(&self) -> String {
        self.text("cert.pem")
    }

    pub(crate) fn key(&self) -> String {
        self.text("key.pem")
    }

    /// Puts a fresh key and a certificate for `name` in the place of what was there.
    pub(crate) fn make_certificate(&self, name: &str) {
        let words = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
             -subj /CN={name} -keyout {} -out {}",
            self.key(),
            self.cert()
        );
        let output = Command::new("openssl").args(words.split(' ')).output();
        let output = output.expect("openssl runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Replaces a file in one step, as operators should. Only its owner may read it.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) {
        let aside = self.path(&format!(".{}.new", name.replace('/', "-")));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)
            .expect("the file is made");
        file.write_all(content).expect("the file is written");
        fs::rename(aside, self.path(name)).expect("the file is renamed");
    }
}

#[track_caller]
pub(crate) fn read(path: &str) -> Vec<u8> {
    fs::read(path).expect("it can be read")
}

/// One record: name, HMAC secret and AES key, all random.
pub(crate) fn ticket_key() -> [u8; TICKET_KEY] {
    let mut key = [0; TICKET_KEY];
    rand_bytes(&mut key).expect("randomness");
    key
}

/// A secret that ticket keys are derived from, of random bytes.
pub(crate) fn ticket_secret(period: u64) -> String {
    let mut secret = [0; 32];
    rand_bytes(&mut secret).expect("randomness");
    format!("secret {}\nperiod {period}\n", hex(&secret))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
