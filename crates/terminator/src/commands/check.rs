//! `check`: whether the terminator would start, without binding an address.

use std::process::ExitCode;

use openssl::ssl::{SslContext, SslMethod};

use crate::cli::{Configuration, ConfigurationError, ConfigurationFault, Settings};
use crate::error::StartError;
use crate::key_source;
use crate::serve::{ClientAuth, Identity, IdentityFiles, first_reason};

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
        let flag = match error.path() {
            Some(path) if *path == files.certificate => "cert",
            _ => "key",
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
    let Some(files) = settings.tls.client_certificates() else {
        return Vec::new();
    };
    let faults = ClientAuth::faults(&files).into_iter();
    let faults = faults.map(|error| {
        let flag = match error.path() {
            Some(path) if *path != files.ca => "client-crl",
            _ => "client-ca",
        };
        settings.given.fault(flag, 0, error)
    });
    faults.collect()
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
