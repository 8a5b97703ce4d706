//! Certificates and ticket keys on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Bytes of a ticket key's record.
pub const TICKET_KEY: usize = 48;

/// A temporary directory, one for each test.
#[derive(Debug)]
pub struct Files(TempDir);

impl Files {
    /// An empty directory.
    #[allow(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// With a certificate for `name` in it.
    pub fn with_certificate(name: &str) -> Self {
        let files = Self::new();
        files.make_certificate(name);
        files
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// Where the file `name` is or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        let path = self.path(name).into_os_string();
        path.into_string().expect("paths here are UTF-8")
    }

    /// The certificate's file.
    pub fn cert(&self) -> String {
        self.text("cert.pem")
    }

    /// The certificate's private key.
    pub fn key(&self) -> String {
        self.text("key.pem")
    }

    /// Puts a fresh key on P-256 and a certificate for `name` in the place of what was there.
    pub fn make_certificate(&self, name: &str) {
        self.make_certificate_with("ec -pkeyopt ec_paramgen_curve:P-256", name);
    }

    /// A directory with a certificate that rustls's clients take, once it is among their roots.
    pub fn with_leaf_certificate(name: &str) -> Self {
        let files = Self::new();
        let leaf = format!(
            "ec -pkeyopt ec_paramgen_curve:P-256 -addext subjectAltName=DNS:{name} \
             -addext basicConstraints=critical,CA:FALSE"
        );
        files.make_certificate_with(&leaf, name);
        files
    }

    /// As [`make_certificate`](Self::make_certificate), with a key of another kind: what follows
    /// `-newkey` of `openssl req`.
    pub fn make_certificate_with(&self, key: &str, name: &str) {
        let words = format!(
            "req -x509 -newkey {key} -nodes -days 1 -subj /CN={name} -keyout {} -out {}",
            self.key(),
            self.cert()
        );
        let output = Command::new("openssl").args(words.split(' ')).output();
        let output = output.expect("openssl runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
    }

    /// Replaces a file in one atomic step, as operators should. Only its owner may read it.
    pub fn replace(&self, name: &str, content: &[u8]) {
        let aside = self.path(&format!(".{}.new", name.replace('/', "-")));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&aside).expect("the file is made");
        file.write_all(content).expect("the file is written");
        fs::rename(aside, self.path(name)).expect("the file is renamed");
    }
}

/// One record: name, HMAC secret and AES key, all random.
pub fn ticket_key() -> [u8; TICKET_KEY] {
    random()
}

/// The file of a secret that ticket keys are derived from, of random bytes. `period` in seconds.
pub fn ticket_secret(period: u64) -> String {
    format!("secret {}\nperiod {period}\n", hex(&random::<32>()))
}

/// Bytes in base 16.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut random = File::open("/dev/urandom").expect("randomness");
    random.read_exact(&mut bytes).expect("randomness");
    bytes
}
