//! The certificate that all servers show, as they read it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::identity::Identity;

/// Files with a key and a certificate for it.
#[derive(Debug)]
pub(crate) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Key and certificate in one file, as haproxy and hitch want them.
    pub(super) both: PathBuf,
}

impl Files {
    /// Makes them, into `directory`.
    pub(crate) fn make(directory: &Path) -> io::Result<Self> {
        let identity = Identity::new()?;
        let certificate = identity.certificate.to_pem()?;
        let key = identity.key.private_key_to_pem_pkcs8()?;
        let files = Self {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            both: directory.join("both.pem"),
        };
        fs::write(&files.certificate, &certificate)?;
        fs::write(&files.key, &key)?;
        fs::write(&files.both, [key, certificate].concat())?;
        Ok(files)
    }
}
