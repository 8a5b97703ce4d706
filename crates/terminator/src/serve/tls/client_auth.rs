//! Whom clients' certificates are verified with, and which are revoked.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::ssl::{SslContextBuilder, SslFiletype, SslVerifyMode};
use openssl::x509::X509;
use openssl::x509::store::{File, X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use rekindle::resume::{ClientAuth as Mode, ScopeBuilder};

use super::identity::{bad, read};
use super::references::set_verify_cert_store;
use crate::cli::ClientCertificateSettings;
use crate::error::{IdentityError, first_reason};

const CA: &str = "client CA";
const CRL: &str = "client CRL";

/// Bytes, far above those of the authorities of all browsers.
const LARGEST_CA: u64 = 16 << 20;
/// Bytes, above the largest lists of public authorities.
const LARGEST_CRL: u64 = 256 << 20;

/// The authorities, the revocation lists, and what is asked of clients.
#[derive(Clone)]
pub(crate) struct ClientAuth {
    files: ClientCertificateSettings,
    authorities: Vec<X509>,
    revocation_lists: Option<Vec<u8>>,
    /// What certificates are verified with: all of these, for all contexts.
    store: Arc<X509Store>,
}

impl ClientAuth {
    /// Reads the files. The error names the one at fault.
    pub(crate) fn load(files: &ClientCertificateSettings) -> Result<Self, IdentityError> {
        let refused = |error: ErrorStack| bad(CA, &files.ca, first_reason(&error));
        let authorities = authorities(&files.ca)?;
        let mut store = X509StoreBuilder::new().map_err(refused)?;
        for authority in &authorities {
            store.add_cert(authority.clone()).map_err(refused)?;
        }
        let lists = files.crl.as_deref();
        let lists = lists.map(|path| revocation_lists(path, &mut store));
        Ok(Self {
            files: files.clone(),
            authorities,
            revocation_lists: lists.transpose()?,
            store: Arc::new(store.build()),
        })
    }

    /// What is wrong with each of the files.
    pub(crate) fn faults(files: &ClientCertificateSettings) -> Vec<IdentityError> {
        let lists = files.crl.as_deref().and_then(|path| {
            let store = X509StoreBuilder::new();
            let store = store.map_err(|error| bad(CRL, path, first_reason(&error)));
            store
                .and_then(|mut store| revocation_lists(path, &mut store))
                .err()
        });
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
    pub(super) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        set_verify_cert_store(context, &self.store)?;
        for authority in &self.authorities {
            context.add_client_ca(authority)?;
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
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientAuth").field(&self.files).finish()
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

/// Adds the lists of a file to a store, and returns what the file holds.
///
/// rust-openssl takes lists from a file only, by a path that is UTF-8.
fn revocation_lists(path: &Path, store: &mut X509StoreBuilder) -> Result<Vec<u8>, IdentityError> {
    if path.to_str().is_none() {
        return Err(bad(CRL, path, "the path is not UTF-8"));
    }
    let content = read(CRL, path, LARGEST_CRL)?;
    let mut load = || {
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
        let lookup = store.add_lookup(X509Lookup::<File>::file())?;
        lookup.load_crl_file(path, SslFiletype::PEM)
    };
    load().map_err(|error| bad(CRL, path, first_reason(&error)))?;
    match read(CRL, path, LARGEST_CRL)? == content {
        true => Ok(content.to_vec()),
        false => Err(bad(CRL, path, "it has changed while it was read")),
    }
}
