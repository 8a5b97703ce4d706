//! What a fleet is started with, read from the files that its settings name.

use std::path::Path;

use openssl::x509::X509;
use rekindle_fleet::{Fleet, FleetBuilder, RedisStore, Sharing, StoreCertificates, StoreUrlError};
use rekindle_key_files::{Notice, read_secret};
use tracing::{info, warn};

use crate::cli::FleetSettings;
use crate::error::{FleetError, IdentityError, first_reason};
use crate::serve::tls::{Ciphers, Identity, IdentityFiles, bad_file, read_file};

const CA: &str = "store CA";
/// Bytes of certificates or a key: far above those of the authorities of all browsers.
const LARGEST: u64 = 16 << 20;

/// A fleet that can start.
#[derive(Debug)]
pub(crate) struct OpenedFleet {
    pub(super) builder: FleetBuilder,
    pub(super) sharing: Sharing,
    /// The store's, without user and password.
    pub(super) address: String,
}

impl OpenedFleet {
    /// Reads the files. The error names the flag at fault.
    pub(crate) fn open(settings: &FleetSettings) -> Result<Self, FleetError> {
        let flag = settings.secret_flag;
        let (file, notices) =
            read_secret(&settings.secret).map_err(|source| FleetError::Secret { flag, source })?;
        for notice in notices {
            match notice {
                Notice::ReadableByOthers { .. } if settings.refuse_readable_by_others => {
                    return Err(FleetError::ReadableByOthers { flag, notice });
                }
                // The ring of ticket keys has told of it.
                _ if flag == "ticket-secret" => {}
                notice if notice.is_warning() => warn!("fleet secret: {notice}"),
                notice => info!("fleet secret: {notice}"),
            }
        }
        let store = store(settings)?;
        let address = store.address().to_owned();
        let builder = Fleet::builder(file.secret, store)
            .sharing(settings.sharing)
            .session_lifetime(settings.session_timeout);
        builder
            .check()
            .map_err(|source| FleetError::Start { flag, source })?;
        Ok(Self {
            builder,
            sharing: settings.sharing,
            address,
        })
    }
}

fn store(settings: &FleetSettings) -> Result<RedisStore, FleetError> {
    let ca = settings.ca.as_deref().map(authorities).transpose();
    let ca = ca.map_err(FleetError::certificate("fleet-ca"))?;
    let identity = match &settings.identity {
        Some((certificate, key)) => {
            let files = IdentityFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                refuse_readable_by_others: settings.refuse_readable_by_others,
            };
            Some(identity(&files)?)
        }
        None => None,
    };
    let flag = match (&ca, &identity) {
        (Some(_), _) => "fleet-ca",
        (None, Some(_)) => "fleet-cert",
        (None, None) => "fleet",
    };
    let certificates = StoreCertificates { ca, identity };
    let store = RedisStore::with_certificates(settings.url.as_str(), certificates);
    store.map_err(|source| {
        let flag = match source {
            StoreUrlError::Certificates(_) => flag,
            _ => "fleet",
        };
        FleetError::Store { flag, source }
    })
}

fn authorities(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let pem = read_file(CA, path, LARGEST)?;
    match X509::stack_from_pem(&pem) {
        Ok(all) if all.is_empty() => Err(bad_file(CA, path, "it has no certificate")),
        Ok(_) => Ok(pem.to_vec()),
        Err(error) => {
            let reason = format!("not valid PEM: {}", first_reason(&error));
            Err(bad_file(CA, path, reason))
        }
    }
}

/// The certificate and the key, once OpenSSL has found that they belong together.
fn identity(files: &IdentityFiles) -> Result<(Vec<u8>, Vec<u8>), FleetError> {
    let of_file = |error: IdentityError| {
        let flag = match error.path() {
            Some(path) if *path == files.certificate => "fleet-cert",
            _ => "fleet-key",
        };
        FleetError::certificate(flag)(error)
    };
    Identity::load(files, &Ciphers::default()).map_err(of_file)?;
    let read = |what, path| read_file(what, path, LARGEST).map(|bytes| bytes.to_vec());
    let certificate = read("certificate", &files.certificate).map_err(of_file)?;
    let key = read("key", &files.key).map_err(of_file)?;
    Ok((certificate, key))
}
