//! `check`: whether the terminator would start, without binding an address.

use std::process::ExitCode;

use crate::admin::WriteAccess;
use crate::cli::{Configuration, ConfigurationError, ConfigurationFault, Settings};
use crate::error::{FleetError, RunError};
use crate::key_source;
use crate::serve::{Ciphers, ClientAuth, Identity, IdentityFiles, OpenedFleet};

const TICKET_SECRET: &str = "ticket-secret";

/// Tells everything that is wrong with the settings and with the files that they name.
pub(crate) fn check(configuration: &Configuration) -> ExitCode {
    let (settings, mut faults) = configuration.examine();
    let has_good_flags = faults.is_empty();
    faults.extend(identities(&settings));
    faults.extend(client_certificates(&settings));
    faults.extend(ticket_keys(&settings));
    faults.extend(fleet(&settings));
    faults.extend(admin_token(&settings));
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
        let (flag, reason) = identity(&files, &settings.tls.ciphers())?;
        Some(settings.given.fault(flag, at, reason))
    });
    faults.collect()
}

/// The flag at fault, and why.
fn identity(files: &IdentityFiles, ciphers: &Ciphers) -> Option<(&'static str, String)> {
    let error = Identity::load(files, ciphers).err()?;
    let flag = match error.path() {
        Some(path) if *path == files.certificate => "cert",
        _ => "key",
    };
    Some((flag, error.to_string()))
}

fn client_certificates(settings: &Settings) -> Vec<ConfigurationFault> {
    let Some(files) = settings.tls.client_certificates() else {
        return Vec::new();
    };
    let faults = ClientAuth::faults(&files).into_iter();
    let faults = faults.map(|error| {
        let flag = match error.path() {
            Some(path) if *path != files.ca => "crl",
            _ => "client-ca",
        };
        settings.given.fault(flag, 0, error)
    });
    faults.collect()
}

fn ticket_keys(settings: &Settings) -> Option<ConfigurationFault> {
    let tickets = settings.tickets()?;
    let (flag, reason) = match key_source::open(&tickets, None).err()? {
        RunError::TicketKeys { flag, source } => (flag, source.to_string()),
        error => ("--ticket-keys", error.to_string()),
    };
    Some(
        settings
            .given
            .fault(flag.trim_start_matches('-'), 0, reason),
    )
}

fn fleet(settings: &Settings) -> Option<ConfigurationFault> {
    let error = OpenedFleet::open(&settings.fleet()?).err()?;
    let is_of_ticket_keys = matches!(
        error,
        FleetError::Secret {
            flag: TICKET_SECRET,
            ..
        } | FleetError::ReadableByOthers {
            flag: TICKET_SECRET,
            ..
        }
    );
    // What is wrong with a file of both is told once.
    let (flag, reason) = error.into_parts();
    (!is_of_ticket_keys).then(|| settings.given.fault(flag, 0, reason))
}

fn admin_token(settings: &Settings) -> Option<ConfigurationFault> {
    let error = WriteAccess::load(settings.admin_write()?).err()?;
    Some(settings.given.fault("admin-write", 0, error))
}
