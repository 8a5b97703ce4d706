//! Certificates, ticket keys and sessions on disk.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::common::run;

pub(crate) const TICKET_KEY: usize = 48;

/// A temporary directory, one for each test.
#[derive(Debug)]
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.path(name).into_os_string();
        path.into_string().expect("paths here are UTF-8")
    }

    /// Replaces a file in one atomic step, as operators should.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) {
        let aside = self.path("aside");
        fs::write(&aside, content).expect("the file is written");
        fs::rename(aside, self.path(name)).expect("the file is renamed");
    }

    /// `cert.pem` for `name`, and `key.pem`.
    pub(crate) fn make_certificate(&self, name: &str) {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        let subject = format!("/CN={name}");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &subject]);
        run(openssl.args(["-keyout", &key, "-out", &cert]));
    }
}

/// One record: name, HMAC secret and AES key, all random.
pub(crate) fn ticket_key() -> [u8; TICKET_KEY] {
    let mut key = [0; TICKET_KEY];
    let mut random = File::open("/dev/urandom").expect("randomness");
    random.read_exact(&mut key).expect("randomness");
    key
}
