//! What new connections are served with, made of the settings and of the files that they name.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use rekindle::openssl::Resumption;
use tracing::{error, info};

use super::demo::Demo;
use super::fleet::SharedFleet;
use super::live::{Live, Service};
use super::proxy_protocol::Version;
use super::tls::{ClientAuth, ContextSettings, Identity, IdentityFiles, Sites, report};
use super::tunnel::{Limits, Tunnel};
use super::upstream::{UpstreamSet, Upstreams};
use crate::admin::Metrics;
use crate::cli::{ProxyProtocolIn, ProxyProtocolOut, Settings};
use crate::error::{IdentityError, TlsError};

/// What a reload reads, as a label in the metrics.
const CERTIFICATE: &str = "certificate";
const CLIENT_CERTIFICATES: &str = "client_certificates";

/// What the files hold.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    identities: Vec<(Option<IdentityFiles>, Identity)>,
    client_auth: Option<ClientAuth>,
    /// Where the demo's page finds the admin page.
    admin: Option<SocketAddr>,
}

impl Parts {
    /// Reads all files. The demo makes a certificate.
    pub(super) fn load(
        settings: &Settings,
        admin: Option<SocketAddr>,
    ) -> Result<Self, IdentityError> {
        let identities = match settings.proxy() {
            None => vec![(None, Identity::self_signed()?)],
            Some(proxy) => (proxy.identities.into_iter())
                .map(|files| {
                    Ok((
                        Some(files.clone()),
                        Identity::load(&files, &settings.tls.ciphers())?,
                    ))
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            identities,
            client_auth: load_client_auth(settings)?,
            admin,
        })
    }

    /// Reads all files again, each for itself: of one that cannot be used, what was in use stays in
    /// use. Whether anything is different.
    pub(super) fn reload(&mut self, settings: &Settings, metrics: &Metrics) -> bool {
        let old = self.clone();
        if let Some(proxy) = settings.proxy() {
            self.identities = reload_identities(&old, proxy.identities, settings, metrics);
        }
        if settings.tls.client_certificates().is_some() || self.client_auth.is_some() {
            match load_client_auth(settings) {
                Ok(auth) => {
                    self.client_auth = auth;
                    self.report_client_auth(&old, metrics);
                }
                Err(error) => failed(metrics, CLIENT_CERTIFICATES, &error),
            }
        }
        let pairs = self.identities.iter().zip(&old.identities);
        let same_identities = self.identities.len() == old.identities.len()
            && pairs.clone().all(|(new, old)| new.1.same_as(&old.1));
        !same_identities || !self.authenticates_as(&old)
    }

    fn report_client_auth(&self, old: &Self, metrics: &Metrics) {
        if self.authenticates_as(old) {
            metrics.reloaded(CLIENT_CERTIFICATES, "unchanged");
        } else {
            metrics.reloaded(CLIENT_CERTIFICATES, "updated");
            info!("authorities and revocation lists of clients: updated");
        }
    }

    /// Whether clients are judged in the same way.
    pub(super) fn authenticates_as(&self, other: &Self) -> bool {
        match (&self.client_auth, &other.client_auth) {
            (Some(ours), Some(theirs)) => ours.same_as(theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// Tells the metrics when each certificate ends, and warns of those that are not valid.
    pub(super) fn report(&self, metrics: &Metrics) {
        let certificates = self.identities.iter().filter_map(|(files, identity)| {
            let name = files.as_ref().map(|files| files.certificate.display());
            let name = name.map_or_else(|| "self-signed".into(), |path| path.to_string());
            report(identity, name)
        });
        metrics.show_certificates(certificates.collect());
    }

    /// How new connections are served.
    pub(super) fn live(
        &self,
        settings: &Settings,
        (resumption, fleet): (&Resumption, Option<&SharedFleet>),
        upstreams: &Arc<Upstreams>,
        set: UpstreamSet,
    ) -> Result<Live, TlsError> {
        let context = ContextSettings {
            resumption: resumption.clone(),
            session_fetch: fleet.and_then(SharedFleet::session_fetch),
            session_id_context: settings.session_id_context.clone(),
            groups: settings.tls.groups(),
            ciphers: settings.tls.ciphers(),
            cipher_suites: settings.tls.cipher_suites(),
            tickets_per_handshake: settings.tls.tickets_per_handshake.into(),
            alpn: settings.tls.alpn_list(),
            client_auth: self.client_auth.clone(),
        };
        let identities: Vec<_> = self.identities.iter().map(|(_, one)| one.clone()).collect();
        let sites = Sites::new(&identities, &context, settings.refuse_unknown_names())?;
        let service = match settings.proxy() {
            None => Service::Demo(Demo {
                resumption: resumption.clone(),
                admin: self.admin,
            }),
            Some(proxy) => Service::Tunnel(Tunnel {
                upstreams: Arc::clone(upstreams),
                set,
                connect_timeout: settings.connect_timeout,
                limits: Limits {
                    idle: settings.idle_timeout,
                    half_closed: settings.half_close_timeout,
                },
                proxy_protocol_out: match proxy.proxy_protocol_out {
                    ProxyProtocolOut::Off => None,
                    ProxyProtocolOut::V1 => Some(Version::V1),
                    ProxyProtocolOut::V2 => Some(Version::V2),
                },
            }),
        };
        Ok(Live {
            sites,
            proxy_protocol_in: match settings.proxy_protocol_in {
                ProxyProtocolIn::Off => &[],
                ProxyProtocolIn::V1 => &[Version::V1],
                ProxyProtocolIn::V2 => &[Version::V2],
                ProxyProtocolIn::Any => &[Version::V1, Version::V2],
            },
            early_data: settings.tls.early_data.is_some(),
            handshake_timeout: settings.handshake_timeout,
            drain_timeout: settings.drain_timeout,
            service,
        })
    }
}

fn load_client_auth(settings: &Settings) -> Result<Option<ClientAuth>, IdentityError> {
    let files = settings.tls.client_certificates();
    files.as_ref().map(ClientAuth::load).transpose()
}

/// The certificates in the files. In the place of one that cannot be used stays the one that was
/// there before or, where the files are new, every one whose files are named no longer: the new
/// files were meant to replace it.
fn reload_identities(
    old: &Parts,
    all: Vec<IdentityFiles>,
    settings: &Settings,
    metrics: &Metrics,
) -> Vec<(Option<IdentityFiles>, Identity)> {
    let ciphers = settings.tls.ciphers();
    let (mut replaced, mut kept): (Vec<_>, Vec<_>) = (old.identities.iter().cloned())
        .partition(|(files, _)| !files.as_ref().is_some_and(|files| all.contains(files)));
    let mut identities = Vec::with_capacity(all.len());
    for files in all {
        let before = kept
            .iter()
            .position(|(old, _)| old.as_ref() == Some(&files));
        let before = before.map(|place| kept.remove(place));
        match (Identity::load(&files, &ciphers), before) {
            (Ok(identity), before) => {
                let same = before.is_some_and(|(_, before)| before.same_as(&identity));
                report_identity(&files, &identity, same, metrics);
                identities.push((Some(files), identity));
            }
            (Err(error), before) => {
                failed(metrics, CERTIFICATE, &error);
                match before {
                    Some(before) => identities.push(before),
                    None => identities.append(&mut replaced),
                }
            }
        }
    }
    identities
}

fn report_identity(files: &IdentityFiles, identity: &Identity, same: bool, metrics: &Metrics) {
    let file = files.certificate.display();
    if same {
        metrics.reloaded(CERTIFICATE, "unchanged");
        info!(%file, "certificate reload: unchanged");
    } else {
        metrics.reloaded(CERTIFICATE, "updated");
        let sha256 = identity.fingerprint();
        info!(%file, sha256, "certificate reload: updated");
    }
}

fn failed(metrics: &Metrics, of: &'static str, error: &dyn Display) {
    metrics.reloaded(of, "failed");
    let what = of.replace('_', " ");
    error!("{what} reload failed, what was in use stays in use: {error}");
}
