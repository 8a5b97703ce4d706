//! The server's identity: a certificate chain and its private key, from files or made in memory.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509NameBuilder};
use rekindle_key_files::exposure;
use tracing::warn;
use zeroize::Zeroizing;

use super::lists::Ciphers;
use super::references::add_to_chain;
use crate::error::{IdentityError, first_reason};

/// A certificate chain, the server's own certificate first, and the private key of that
/// certificate.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) leaf: X509,
    intermediates: Vec<X509>,
    pub(super) key: PKey<Private>,
}

impl Identity {
    /// Reads both files. The result is an identity that OpenSSL takes beside these ciphers, whose
    /// list may set the security level, or an error that names the file at fault.
    pub(crate) fn load(files: &IdentityFiles, ciphers: &Ciphers) -> Result<Self, IdentityError> {
        let (leaf, intermediates) = load_chain(&files.certificate)?;
        let key = load_key(&files.key)?;
        judge(files)?;
        let matches = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
        if !matches {
            let IdentityFiles {
                certificate, key, ..
            } = files.clone();
            return Err(IdentityError::Mismatch { certificate, key });
        }
        let identity = Self {
            leaf,
            intermediates,
            key,
        };
        // A weak key, or a chain with a weak signature.
        let accepted = SslContext::builder(SslMethod::tls_server()).and_then(|mut context| {
            ciphers.set(&mut context)?;
            identity.set(&mut context)
        });
        let path = &files.certificate;
        accepted.map_err(|error| bad(CERTIFICATE, path, first_reason(&error)))?;
        Ok(identity)
    }

    /// Gives a context this certificate beside those of other kinds of keys.
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_certificate(&self.leaf)?;
        context.set_private_key(&self.key)?;
        context.check_private_key()?;
        for certificate in &self.intermediates {
            add_to_chain(context, certificate)?;
        }
        Ok(())
    }

    /// A fresh P-256 certificate for this machine's loopback names.
    pub(crate) fn self_signed() -> Result<Self, IdentityError> {
        self_signed().map_err(IdentityError::SelfSigned)
    }

    /// SHA-256 of the server's own certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub(crate) fn fingerprint(&self) -> String {
        self.leaf
            .digest(MessageDigest::sha256())
            .map(|digest| hex(&digest))
            .unwrap_or_default()
    }

    /// Whether the chain is the same. Then the key is the same too: both belong to one certificate.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.leaf == other.leaf && self.intermediates == other.intermediates
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Where an identity is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whether a private key that others than the service may read is refused.
    pub(crate) refuse_readable_by_others: bool,
}

/// Refuses a private key that others may read, or warns of it.
fn judge(files: &IdentityFiles) -> Result<(), IdentityError> {
    let path = &files.key;
    let exposure = exposure(path).map_err(|source| IdentityError::Read {
        what: KEY,
        path: path.clone(),
        source,
    })?;
    let Some(exposure) = exposure else {
        return Ok(());
    };
    if files.refuse_readable_by_others {
        return Err(bad(KEY, path, exposure.to_string()));
    }
    warn!("private key: {} {exposure}", path.display());
    Ok(())
}

const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";

/// Bytes of a chain or a key, far above any.
const LARGEST: u64 = 1 << 20;

fn load_chain(path: &Path) -> Result<(X509, Vec<X509>), IdentityError> {
    let chain = X509::stack_from_pem(&read(CERTIFICATE, path, LARGEST)?).map_err(|error| {
        let reason = format!("not valid PEM: {}", first_reason(&error));
        bad(CERTIFICATE, path, reason)
    })?;
    let mut chain = chain.into_iter();
    let none = || bad(CERTIFICATE, path, "holds no certificate in PEM form");
    Ok((chain.next().ok_or_else(none)?, chain.collect()))
}

fn load_key(path: &Path) -> Result<PKey<Private>, IdentityError> {
    let pem = read(KEY, path, LARGEST)?;
    // Without a callback OpenSSL would ask for the passphrase on the terminal, and a reload would
    // hang.
    let mut encrypted = false;
    let key = PKey::private_key_from_pem_callback(&pem, |_| {
        encrypted = true;
        Ok(0)
    });
    key.map_err(|error| {
        let reason = if encrypted {
            "the key is encrypted; store it without a passphrase".into()
        } else {
            let reason = first_reason(&error);
            format!("holds no private key in PEM form: {reason}")
        };
        bad(KEY, path, reason)
    })
}

/// The whole of a file that has at most `largest` bytes.
pub(in crate::serve) fn read(
    what: &'static str,
    path: &Path,
    largest: u64,
) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let read = || {
        let file = std::fs::File::open(path)?;
        // Room for all, so that no copy of a private key is left behind as the vector grows.
        let room = file.metadata()?.len().min(largest) as usize + 1;
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        file.take(largest + 1).read_to_end(&mut content)?;
        match content.len() as u64 > largest {
            true => Err(io::Error::other(format!("more than {largest} bytes"))),
            false => Ok(content),
        }
    };
    read().map_err(|source| IdentityError::Read {
        what,
        path: path.into(),
        source,
    })
}

pub(in crate::serve) fn bad(
    what: &'static str,
    path: &Path,
    reason: impl Into<String>,
) -> IdentityError {
    IdentityError::Parse {
        what,
        path: path.into(),
        reason: reason.into(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn self_signed() -> Result<Identity, ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&curve)?)?;

    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "rekindle demo")?;
    let name = name.build();

    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;

    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(30)?.as_ref())?;
    certificate.set_pubkey(&key)?;
    certificate.append_extension(BasicConstraints::new().critical().build()?)?;
    certificate.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    certificate.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .ip("::1")
        .build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(names)?;
    certificate.sign(&key, MessageDigest::sha256())?;

    Ok(Identity {
        leaf: certificate.build(),
        intermediates: Vec::new(),
        key,
    })
}
