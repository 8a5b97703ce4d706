//! `check`: whether the terminator would start, without binding an address.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslMethod};
use openssl::x509::{X509, X509Crl};

use crate::cli::{Configuration, ConfigurationError, ConfigurationFault, Settings};
use crate::error::{IdentityError, StartError};
use crate::key_source;
use crate::serve::{Identity, IdentityFiles, first_reason};

/// Authorities and revocation lists are smaller.
const LONGEST: u64 = 64 << 20;

const CRL_BEGINS: &[u8] = b"-----BEGIN X509 CRL-----";

/// Tells everything that is wrong with the settings and with the files that they name.
pub(crate) fn check(configuration: &Configuration) -> ExitCode {
    let (settings, mut faults) = configuration.examine();
    let has_good_flags = faults.is_empty();
    faults.extend(identities(&settings));
    faults.extend(client_certificates(&settings));
    faults.extend(ticket_keys(&settings));
    match ConfigurationError::of(faults) {
        Ok(()) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(error) if has_good_flags => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(error) => error.report(),
    }
}

fn identities(settings: &Settings) -> Vec<ConfigurationFault> {
    let identities = settings.proxy().map(|proxy| proxy.identities);
    let identities = identities.unwrap_or_default().into_iter().enumerate();
    let faults = identities.filter_map(|(at, files)| {
        let (flag, reason) = identity(&files).err()?;
        Some(settings.given.fault(flag, at, reason))
    });
    faults.collect()
}

/// The flag at fault, and why.
fn identity(files: &IdentityFiles) -> Result<(), (&'static str, String)> {
    let identity = Identity::load(files).map_err(|error| {
        let flag = match &error {
            IdentityError::Read { path, .. } | IdentityError::Parse { path, .. } => {
                if *path == files.certificate {
                    "cert"
                } else {
                    "key"
                }
            }
            IdentityError::Mismatch { .. } | IdentityError::SelfSigned(_) => "key",
        };
        (flag, error.to_string())
    })?;
    // OpenSSL refuses weak keys.
    let accepted = SslContext::builder(SslMethod::tls_server()).and_then(|mut context| {
        context.set_certificate(&identity.leaf)?;
        context.set_private_key(&identity.key)
    });
    accepted.map_err(|error| {
        let path = files.certificate.display();
        (
            "cert",
            format!("certificate file {path}: {}", first_reason(&error)),
        )
    })
}

fn client_certificates(settings: &Settings) -> Vec<ConfigurationFault> {
    let Some(clients) = settings.tls.client_certificates() else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut check = |flag, path: &Path, parse: fn(&[u8]) -> Result<usize, ErrorStack>| {
        let read = read(path).map_err(|error| error.to_string());
        let parsed = read.and_then(|pem| parse(&pem).map_err(|error| first_reason(&error)));
        let reason = match parsed {
            Ok(1..) => return,
            Ok(0) => "it holds none in PEM form".into(),
            Err(reason) => reason,
        };
        faults.push(
            settings
                .given
                .fault(flag, 0, format!("{}: {reason}", path.display())),
        );
    };
    check("client-ca", &clients.ca, |pem| {
        X509::stack_from_pem(pem).map(|all| all.len())
    });
    if let Some(path) = &clients.crl {
        check("client-crl", path, revocation_lists);
    }
    faults
}

/// How many there are. `X509Crl::from_pem` parses the first of several.
fn revocation_lists(pem: &[u8]) -> Result<usize, ErrorStack> {
    let begins = |at: &usize| pem[*at..].starts_with(CRL_BEGINS);
    let mut lists = (0..pem.len()).filter(begins);
    lists.try_fold(0, |count, at| {
        X509Crl::from_pem(&pem[at..]).map(|_| count + 1)
    })
}

fn ticket_keys(settings: &Settings) -> Option<ConfigurationFault> {
    let tickets = settings.tickets()?;
    let (flag, reason) = match key_source::open(&tickets).err()? {
        StartError::TicketKeys { flag, source } => (flag, source.to_string()),
        error => ("--ticket-keys", error.to_string()),
    };
    Some(
        settings
            .given
            .fault(flag.trim_start_matches('-'), 0, reason),
    )
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
