//! Which flags go together.

use super::broken::Broken;
use super::settings::Settings;
use super::words::{ClientAuthentication, ProxyProtocolOut};
use crate::{handover, systemd};

/// Every rule that the settings break.
pub(super) fn broken(settings: &Settings) -> Vec<Broken> {
    let mut all = match settings.demo {
        true => demo(settings),
        false => proxy(settings),
    };
    all.extend(requirements(settings));
    all.extend(repetitions(settings));
    all.extend(settings.ticket_keys.broken(settings.session_timeout));
    all.extend(settings.fleet.broken(settings.ticket_keys.secret()));
    all
}

/// The demo has a certificate and an answer of its own.
fn demo(settings: &Settings) -> Vec<Broken> {
    let sends = settings.proxy_protocol_out != ProxyProtocolOut::Off;
    let has_place = [
        ("upstream", !settings.upstream.is_empty()),
        ("cert", !settings.cert.is_empty()),
        ("key", !settings.key.is_empty()),
        ("proxy-protocol-out", sends),
        ("early-data", settings.tls.early_data.is_some()),
    ];
    let misplaced = has_place.into_iter().filter(|(_, is_given)| *is_given);
    let reason = "cannot be used with --demo";
    let mut broken: Vec<_> = misplaced
        .map(|(flag, _)| Broken::new(flag, Some("demo"), reason))
        .collect();
    let spoken = |name: &str| name == "http/1.1";
    if !settings
        .tls
        .alpn
        .iter()
        .all(|protocol| spoken(protocol.as_str()))
    {
        broken.push(Broken::new(
            "alpn",
            Some("demo"),
            "--demo speaks http/1.1 only",
        ));
    }
    broken
}

/// Whether listening sockets may come from systemd or from a predecessor.
fn may_be_given(settings: &Settings) -> bool {
    systemd::gives_sockets() || handover::is_successor() || settings.handover.is_some()
}

fn proxy(settings: &Settings) -> Vec<Broken> {
    let (certs, keys) = (settings.cert.len(), settings.key.len());
    let needed = [
        (
            "listen",
            settings.listen.is_empty() && !may_be_given(settings),
        ),
        ("upstream", settings.upstream.is_empty()),
        ("cert", certs == 0),
        ("key", keys == 0),
    ];
    let missing = needed.into_iter().filter(|(_, is_missing)| *is_missing);
    let reason = "it is missing (only --demo goes without)";
    let mut broken: Vec<_> = missing
        .map(|(flag, _)| Broken::new(flag, None, reason))
        .collect();
    if certs != keys && certs.min(keys) > 0 {
        let (flag, other) = match certs > keys {
            true => ("cert", "key"),
            false => ("key", "cert"),
        };
        let reason = format!("as many --key as --cert are needed: {certs} --cert, {keys} --key");
        broken.push(Broken {
            at: certs.min(keys),
            ..Broken::new(flag, Some(other), reason)
        });
    }
    broken
}

fn requirements(settings: &Settings) -> Vec<Broken> {
    let tls = &settings.tls;
    let mut broken = Vec::new();
    let mut check = |is_kept: bool, flag, other, reason: &str| {
        if !is_kept {
            broken.push(Broken::new(flag, Some(other), reason));
        }
    };
    let has_admin = settings.admin.is_some();
    let needs_admin = "it needs --admin";
    let has_names = !settings.admin_host.is_empty();
    check(has_admin || !has_names, "admin-host", "admin", needs_admin);
    let may_write = settings.admin_write.is_some();
    check(has_admin || !may_write, "admin-write", "admin", needs_admin);
    let has_ca = tls.client_ca.is_some();
    let needs_ca = "it needs --client-ca";
    check(has_ca || tls.crl.is_none(), "crl", "client-ca", needs_ca);
    let asks = !matches!(tls.client_auth, None | Some(ClientAuthentication::None));
    check(has_ca || !asks, "client-auth", "client-ca", needs_ca);
    if tls.early_data.is_some() && !settings.demo {
        let tells = settings.proxy_protocol_out == ProxyProtocolOut::V2;
        let reason = "it needs --proxy-protocol-out v2: the upstream must be told of early data, \
                      which an attacker can repeat";
        check(tells, "early-data", "proxy-protocol-out", reason);
        let reason = "it needs --tickets-per-handshake 1 or more: only a client with a ticket can \
                      send early data";
        let has_tickets = tls.tickets_per_handshake > 0;
        check(has_tickets, "early-data", "tickets-per-handshake", reason);
    }
    broken
}

/// Values that make no sense twice.
fn repetitions(settings: &Settings) -> Vec<Broken> {
    let listen = &settings.listen;
    let alpn = &settings.tls.alpn;
    let given_before = (1..listen.len())
        .filter(|at| !listen[*at].is_any_port() && listen[..*at].contains(&listen[*at]));
    let addresses = given_before.map(|at| Broken {
        at,
        ..Broken::new(
            "listen",
            None,
            format!("{} is there twice", listen[at].as_str()),
        )
    });
    let protocols = (1..alpn.len()).filter(|at| alpn[..*at].contains(&alpn[*at]));
    let protocols = protocols.map(|at| {
        Broken::new(
            "alpn",
            None,
            format!("{} is there twice", alpn[at].as_str()),
        )
    });
    addresses.chain(protocols).collect()
}
