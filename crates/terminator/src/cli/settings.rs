//! The settings of a terminator that serves, each of them a flag.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, value_parser};
use rekindle::openssl::SessionStorage;

use super::address::Address;
use super::fleet::{FleetArgs, FleetSettings};
use super::given::Given;
use super::tickets::{TicketArgs, TicketSettings};
use super::tls::TlsArgs;
use super::upstream_address::{UpstreamAddress, upstream_address};
use super::words::{
    HostName, LogFormat, ProxyProtocolIn, ProxyProtocolOut, UnknownNames, on_or_off, seconds,
};
use crate::admin::{Hosts, TokenFile};
use crate::serve::{IdentityFiles, SessionIdContext};

const WEEK: u64 = 604_800;

/// The settings of a terminator that serves.
///
/// Which flags go together is decided in `rules`, for the command line and the file alike.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A file of settings in TOML. Its keys are these flags without the dashes; a flag on the
    /// command line takes the place of the key, and of all its values. See below
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Run without any files: a self-signed certificate made in memory, and a built-in HTTP
    /// responder as upstream
    #[arg(long)]
    pub(super) demo: bool,

    /// Where to accept TLS, HOST:PORT, and again for each further address; port 0 takes a free port
    /// [default with --demo: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Vec<Address>,

    /// Connections that wait to be accepted, at each address, 1 to 65535; the kernel's limit is
    /// net.core.somaxconn
    #[arg(long, value_name = "N", default_value = "4096")]
    #[arg(value_parser = value_parser!(u16).range(1..))]
    pub(crate) backlog: u16,

    /// Each connection begins with a PROXY protocol header, of version 1, version 2 or either, in
    /// which a load balancer names the client; one without is ended
    #[arg(long, value_name = "off|v1|v2|any", default_value = "off")]
    pub(crate) proxy_protocol_in: ProxyProtocolIn,

    /// Where to forward the decrypted bytes, HOST:PORT or unix:/path, and again for each further
    /// upstream; they take turns. A name is looked up for each connection, and its addresses are
    /// tried 250 ms apart until one connects
    #[arg(long, value_name = "ADDR", value_parser = upstream_address())]
    pub(super) upstream: Vec<UpstreamAddress>,

    /// Begin each connection to an upstream with a PROXY protocol header that names the client, of
    /// version 1 or 2
    #[arg(long, value_name = "off|v1|v2", default_value = "off")]
    pub(super) proxy_protocol_out: ProxyProtocolOut,

    /// Certificate chain in PEM form, the server's own certificate first; again for each further
    /// certificate, which may be for the same names (RSA beside ECDSA)
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Vec<PathBuf>,

    /// Private key of the certificate, in PEM form and not encrypted; one for each --cert, in the
    /// same order
    #[arg(long, value_name = "FILE")]
    pub(super) key: Vec<PathBuf>,

    /// Sessions that the cache holds at most, 1 to 1000000000; each takes about 1300 bytes in all,
    /// or 300 with --session-storage encoded
    #[arg(long, value_name = "N", default_value = "100000")]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000_000_000))]
    pub(crate) sessions: u32,

    /// What the cache keeps of a session: OpenSSL's own object as well, or the encoding only, which
    /// each lookup parses in some 2 microseconds
    #[arg(long, value_name = "live|encoded", default_value = "live")]
    #[arg(value_parser = session_storage())]
    pub(crate) session_storage: SessionStorage,

    /// How long a session can be resumed, in seconds, 1 to 604800 (seven days, the most that TLS
    /// 1.3 allows)
    #[arg(long, value_name = "SECONDS", default_value = "7200")]
    #[arg(value_parser = seconds(1..=WEEK))]
    pub(crate) session_timeout: Duration,

    /// Stateless session tickets; off means that TLS 1.2 resumes by session id and TLS 1.3 by
    /// tickets that name a cached session
    #[arg(long = "tickets", value_name = "on|off", default_value = "on")]
    #[arg(action = clap::ArgAction::Set, value_parser = on_or_off())]
    pub(crate) stateless_tickets: bool,

    #[command(flatten)]
    pub(super) ticket_keys: TicketArgs,

    #[command(flatten)]
    pub(super) fleet: FleetArgs,

    /// How long a client may go on resuming by tickets after its last full handshake, however often
    /// they were renewed, in seconds, 1 to 604800 (seven days)
    #[arg(long, value_name = "SECONDS", default_value = "604800")]
    #[arg(value_parser = seconds(1..=WEEK))]
    pub(crate) full_handshake_max_age: Duration,

    /// What sessions belong to: 1 to 32 bytes, as text or as hexadecimal digits behind `hex:`. A
    /// ticket of another server resumes only where this is the same, and without --client-ca
    /// [default: made of the first name that no other certificate has and, with --client-ca, of the
    /// authorities and their lists]
    #[arg(long, value_name = "VALUE")]
    pub(crate) session_id_context: Option<SessionIdContext>,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Where to serve a page for operators, /metrics and /healthz over plain HTTP, HOST:PORT
    /// [default with --demo: 127.0.0.1:9443]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<Address>,

    /// A name that --admin is asked for by, and again for each further one. It always answers to IP
    /// addresses, localhost and the name in --admin; other names are refused, since a page on the
    /// Internet can make its own name lead here
    #[arg(long, value_name = "NAME")]
    pub(super) admin_host: Vec<HostName>,

    /// A file with a token, 16 to 1024 printable characters without spaces, that only the service
    /// can read. A client that sends it to --admin may end all sessions (POST /revoke) and rotate
    /// ticket keys that are made here (POST /rotate) [default: nothing can be changed there]
    #[arg(long, value_name = "FILE")]
    pub(super) admin_write: Option<PathBuf>,

    /// A Unix socket by which a terminator that is started with the same path takes over from this
    /// one: listeners, ticket keys, sessions. If one listens there now, this one takes over from it
    #[arg(long, value_name = "PATH")]
    pub(crate) handover: Option<PathBuf>,

    /// How the log on standard error is written: lines of text, or a JSON object a line
    #[arg(long, value_name = "text|json", default_value = "text")]
    pub(crate) log: LogFormat,

    /// Worker threads, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Most seconds that a TLS handshake may take, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=3600))]
    pub(crate) handshake_timeout: Duration,

    /// Most seconds for reaching an upstream, the lookup of its name included, 1 to 300
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=300))]
    pub(crate) connect_timeout: Duration,

    /// A connection ends on which no byte has moved for so long, in seconds, 1 to 604800 (seven
    /// days)
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds(1..=WEEK))]
    pub(crate) idle_timeout: Duration,

    /// How long one side may be silent once the other side has ended, in seconds, 1 to 604800
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=WEEK))]
    pub(crate) half_close_timeout: Duration,

    /// Most connections at one time; those above it are closed at once, counted, and
    /// logged once in ten seconds
    #[arg(long, value_name = "N", default_value = "8192")]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) max_connections: u32,

    /// Most seconds that open connections get to finish after SIGTERM or SIGINT, 0 to 86400
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds(0..=86_400))]
    pub(crate) drain_timeout: Duration,

    /// What the values above were made from.
    #[arg(skip)]
    pub(crate) given: Given,
}

/// What a terminator has that is no demo.
#[derive(Debug, Clone)]
pub(crate) struct ProxySettings {
    /// At least one.
    pub(crate) upstreams: Vec<UpstreamAddress>,
    /// At least one.
    pub(crate) identities: Vec<IdentityFiles>,
    pub(crate) proxy_protocol_out: ProxyProtocolOut,
}

impl Settings {
    /// At least one address, unless systemd gives sockets.
    pub(crate) fn listen(&self) -> &[Address] {
        &self.listen
    }

    /// None for the demo.
    pub(crate) fn proxy(&self) -> Option<ProxySettings> {
        if self.demo {
            return None;
        }
        let files = self.cert.iter().zip(&self.key);
        let identities = files.map(|(certificate, key)| IdentityFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            refuse_readable_by_others: self.ticket_keys.refuse_readable_by_others(),
        });
        Some(ProxySettings {
            upstreams: self.upstream.clone(),
            identities: identities.collect(),
            proxy_protocol_out: self.proxy_protocol_out,
        })
    }

    /// None if their flags do not go together.
    pub(crate) fn tickets(&self) -> Option<TicketSettings> {
        let lifetime = self.session_timeout;
        let is_good = self.ticket_keys.broken(lifetime).is_empty();
        is_good.then(|| self.ticket_keys.settings(lifetime))
    }

    /// None without a fleet, or if its flags do not go together.
    pub(crate) fn fleet(&self) -> Option<FleetSettings> {
        let secret = self.ticket_keys.secret();
        let refuse = self.ticket_keys.refuse_readable_by_others();
        let is_good = self.fleet.broken(secret).is_empty();
        let settings = self.fleet.settings(secret, self.session_timeout, refuse);
        settings.filter(|_| is_good)
    }

    pub(crate) fn admin_hosts(&self) -> Hosts {
        Hosts::new(&self.admin_host, self.admin.as_ref())
    }

    /// None: nothing can be changed by the admin address.
    pub(crate) fn admin_write(&self) -> Option<TokenFile> {
        self.admin_write.clone().map(|path| TokenFile {
            path,
            refuse_readable_by_others: self.ticket_keys.refuse_readable_by_others(),
        })
    }

    pub(crate) fn refuse_unknown_names(&self) -> bool {
        self.tls.unknown_names == UnknownNames::Refuse
    }

    /// The demo's own addresses, where no others were given.
    pub(super) fn with_demo_addresses(mut self) -> Self {
        let address = |text: &str| text.parse().expect("an address");
        if self.demo {
            if self.listen.is_empty() {
                self.listen.push(address("127.0.0.1:8443"));
            }
            self.admin.get_or_insert_with(|| address("127.0.0.1:9443"));
        }
        self
    }
}

/// Without the storage that looks at clients' certificates.
fn session_storage() -> impl TypedValueParser<Value = SessionStorage> {
    PossibleValuesParser::new(["live", "encoded"]).map(|value| match &*value {
        "live" => SessionStorage::Live,
        _ => SessionStorage::Encoded,
    })
}
