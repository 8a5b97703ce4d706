//! Whom clients' certificates are verified with, and which are revoked.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::ssl::{SslContextBuilder, SslFiletype, SslVerifyMode};
use openssl::x509::X509;
use openssl::x509::store::{File, X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use rekindle::resume::{ClientAuth as Mode, ScopeBuilder};

use super::identity::{bad, first_reason, read};
use crate::cli::ClientCertificateSettings;
use crate::error::IdentityError;

const CA: &str = "client CA";
const CRL: &str = "client CRL";

/// Bytes, far above those of the authorities of all browsers.
const LARGEST_CA: u64 = 16 << 20;
/// Bytes, above the largest lists of public authorities.
const LARGEST_CRL: u64 = 256 << 20;

/// The authorities, the revocation lists, and what is asked of clients.
#[derive(Debug, Clone)]
pub(crate) struct ClientAuth {
    files: ClientCertificateSettings,
    authorities: Vec<X509>,
    revocation_lists: Option<Vec<u8>>,
}

impl ClientAuth {
    /// Reads the files. The error names the one at fault.
    pub(crate) fn load(files: &ClientCertificateSettings) -> Result<Self, IdentityError> {
        let auth = Self {
            files: files.clone(),
            authorities: authorities(&files.ca)?,
            revocation_lists: match &files.crl {
                None => None,
                Some(path) => Some(revocation_lists(path)?),
            },
        };
        auth.store()?;
        Ok(auth)
    }

    /// What is wrong with each of the files.
    pub(crate) fn faults(files: &ClientCertificateSettings) -> Vec<IdentityError> {
        let lists = files
            .crl
            .as_deref()
            .and_then(|path| revocation_lists(path).err());
        (authorities(&files.ca).err().into_iter())
            .chain(lists)
            .collect()
    }

    /// Whether clients are judged in the same way.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.files.required == other.files.required
            && self.authorities == other.authorities
            && self.revocation_lists == other.revocation_lists
    }

    /// Makes a context ask for certificates.
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), IdentityError> {
        let refused = |error| self.refused(&error);
        (context.set_verify_cert_store(self.store()?.build())).map_err(refused)?;
        for authority in &self.authorities {
            context.add_client_ca(authority).map_err(refused)?;
        }
        context.set_verify(match self.files.required {
            false => SslVerifyMode::PEER,
            true => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        });
        Ok(())
    }

    /// Binds sessions to how their clients were judged.
    pub(super) fn bind(&self, scope: ScopeBuilder) -> ScopeBuilder {
        let scope = scope.client_auth(match self.files.required {
            false => Mode::Optional,
            true => Mode::Required,
        });
        let ders = self.authorities.iter().filter_map(|ca| ca.to_der().ok());
        let scope = ders.fold(scope, |scope, der| scope.client_ca(der));
        let lists = self.revocation_lists.as_deref().map(sha256);
        lists
            .into_iter()
            .fold(scope, |scope, lists| scope.crl_number(lists))
    }

    /// What certificates are verified with.
    fn store(&self) -> Result<X509StoreBuilder, IdentityError> {
        let refused = |error| self.refused(&error);
        let mut store = X509StoreBuilder::new().map_err(refused)?;
        for authority in &self.authorities {
            store.add_cert(authority.clone()).map_err(refused)?;
        }
        if let (Some(path), Some(lists)) = (&self.files.crl, &self.revocation_lists) {
            add_lists(&mut store, path)?;
            if *read(CRL, path, LARGEST_CRL)? != *lists {
                return Err(bad(CRL, path, "it has changed while it was read"));
            }
        }
        Ok(store)
    }

    fn refused(&self, error: &ErrorStack) -> IdentityError {
        bad(CA, &self.files.ca, first_reason(error))
    }
}

fn authorities(path: &Path) -> Result<Vec<X509>, IdentityError> {
    let authorities = X509::stack_from_pem(&read(CA, path, LARGEST_CA)?);
    let authorities = authorities.map_err(|error| {
        let reason = format!("not valid PEM: {}", first_reason(&error));
        bad(CA, path, reason)
    })?;
    match authorities.is_empty() {
        true => Err(bad(CA, path, "holds no certificate in PEM form")),
        false => Ok(authorities),
    }
}

/// The content of a file that OpenSSL takes.
fn revocation_lists(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let content = read(CRL, path, LARGEST_CRL)?.to_vec();
    let store = X509StoreBuilder::new();
    let mut store = store.map_err(|error| bad(CRL, path, first_reason(&error)))?;
    add_lists(&mut store, path)?;
    Ok(content)
}

/// rust-openssl takes lists from a file only, by a path that is UTF-8.
fn add_lists(store: &mut X509StoreBuilder, path: &Path) -> Result<(), IdentityError> {
    if path.to_str().is_none() {
        return Err(bad(CRL, path, "the path is not UTF-8"));
    }
    let mut load = || {
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
        let lookup = store.add_lookup(X509Lookup::<File>::file())?;
        lookup.load_crl_file(path, SslFiletype::PEM)
    };
    match load() {
        Ok(_) => Ok(()),
        Err(error) => Err(bad(CRL, path, first_reason(&error))),
    }
}
