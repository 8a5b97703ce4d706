//! The flags about the fleet that sessions are shared in.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rekindle_fleet::{RedisStore, Sharing, StoreCertificates, StoreUrlError};
use zeroize::Zeroizing;

use super::broken::Broken;

#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    /// Share sessions, removals and revocations with the machines that meet in this Valkey or Redis
    /// (6.2 or later): redis://USER:PASSWORD@HOST:PORT/DATABASE, of which all but the host may be
    /// left out; rediss:// for TLS; several hosts between commas, whichever is the primary;
    /// redis+cluster://, rediss+cluster://; redis+unix:///PATH. Handshakes wait for it only to
    /// fetch. Other users see a command line: an address with a password belongs in the file of
    /// --config, which only the service may read
    #[arg(long, value_name = "URL")]
    fleet: Option<StoreUrl>,

    /// The secret that what is shared is sealed with, the same on all machines; made by `keys
    /// generate --format secret`; read at the start only [default: the file of --ticket-secret]
    #[arg(long, value_name = "FILE")]
    fleet_secret: Option<PathBuf>,

    /// How sessions reach other machines: each machine gets all (replicate), or gets a session
    /// when a client comes with it, for which a handshake waits 20 ms at most (fetch), or both; the
    /// same on all machines [default: replicate]
    #[arg(long, value_name = "replicate|fetch|both")]
    fleet_sharing: Option<HowToShare>,

    /// Certificates of the authorities (PEM) that the store's certificate comes from; needs
    /// rediss:// or rediss+cluster:// [default: those of the system]
    #[arg(long, value_name = "FILE")]
    fleet_ca: Option<PathBuf>,

    /// Certificate chain (PEM) to show to the store, with --fleet-key
    #[arg(long, value_name = "FILE")]
    fleet_cert: Option<PathBuf>,

    /// Private key of --fleet-cert, in PEM form and not encrypted
    #[arg(long, value_name = "FILE")]
    fleet_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HowToShare {
    Replicate,
    Fetch,
    Both,
}

/// Where the store is. It may hold a password: it takes any text, so that clap quotes none, and
/// shows none.
#[derive(Clone)]
pub(crate) struct StoreUrl(Zeroizing<String>);

/// How sessions are shared with other machines.
#[derive(Debug)]
pub(crate) struct FleetSettings {
    pub(crate) url: StoreUrl,
    pub(crate) secret: PathBuf,
    /// Which flag has named it, without dashes.
    pub(crate) secret_flag: &'static str,
    pub(crate) sharing: Sharing,
    pub(crate) ca: Option<PathBuf>,
    /// Certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) session_timeout: Duration,
    pub(crate) refuse_readable_by_others: bool,
}

impl FleetArgs {
    /// The rules that these flags break.
    pub(super) fn broken(&self, ticket_secret: Option<&Path>) -> Vec<Broken> {
        let of_fleet = [
            ("fleet-secret", self.fleet_secret.is_some()),
            ("fleet-sharing", self.fleet_sharing.is_some()),
            ("fleet-ca", self.fleet_ca.is_some()),
            ("fleet-cert", self.fleet_cert.is_some()),
            ("fleet-key", self.fleet_key.is_some()),
        ];
        let Some(url) = &self.fleet else {
            let given = of_fleet.into_iter().filter(|(_, is_given)| *is_given);
            let needs = |(flag, _)| Broken::new(flag, Some("fleet"), "it needs --fleet");
            return given.map(needs).collect();
        };
        let mut broken = Vec::new();
        if self.fleet_secret.is_none() && ticket_secret.is_none() {
            let reason = "it needs a secret that all machines have: --fleet-secret FILE (or \
                          --ticket-secret FILE), made by `rekindle-terminator keys generate \
                          --format secret --out FILE`";
            broken.push(Broken::new("fleet", Some("fleet-secret"), reason));
        }
        if self.fleet_cert.is_some() != self.fleet_key.is_some() {
            let (flag, other) = match self.fleet_cert {
                Some(_) => ("fleet-cert", "fleet-key"),
                None => ("fleet-key", "fleet-cert"),
            };
            broken.push(Broken::new(
                flag,
                Some(other),
                format!("it needs --{other}"),
            ));
        }
        broken.extend(self.wrong_url(url));
        broken
    }

    fn wrong_url(&self, url: &StoreUrl) -> Option<Broken> {
        // Empty ones: whether there may be certificates is asked, not what is in them.
        let certificates = StoreCertificates {
            ca: self.fleet_ca.as_ref().map(|_| Vec::new()),
            identity: self.fleet_cert.as_ref().map(|_| Default::default()),
        };
        match RedisStore::with_certificates(url.as_str(), certificates) {
            Ok(_) | Err(StoreUrlError::Certificates(_)) => None,
            Err(error @ StoreUrlError::CertificatesWithoutTls) => {
                let flag = if self.fleet_ca.is_some() {
                    "fleet-ca"
                } else {
                    "fleet-cert"
                };
                Some(Broken::new(flag, Some("fleet"), error.to_string()))
            }
            Err(error) => Some(Broken::new("fleet", None, error.to_string())),
        }
    }

    /// For flags that break no rule. None without a fleet.
    pub(super) fn settings(
        &self,
        ticket_secret: Option<&Path>,
        session_timeout: Duration,
        refuse_readable_by_others: bool,
    ) -> Option<FleetSettings> {
        let secret = self.fleet_secret.as_deref().or(ticket_secret);
        Some(FleetSettings {
            url: self.fleet.clone()?,
            secret: secret?.into(),
            secret_flag: match self.fleet_secret {
                Some(_) => "fleet-secret",
                None => "ticket-secret",
            },
            sharing: match self.fleet_sharing {
                None | Some(HowToShare::Replicate) => Sharing::Replicate,
                Some(HowToShare::Fetch) => Sharing::Fetch,
                Some(HowToShare::Both) => Sharing::Both,
            },
            ca: self.fleet_ca.clone(),
            identity: self.fleet_cert.clone().zip(self.fleet_key.clone()),
            session_timeout,
            refuse_readable_by_others,
        })
    }
}

impl StoreUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.into())))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(..)")
    }
}
