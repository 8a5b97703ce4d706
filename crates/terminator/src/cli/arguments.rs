//! The flags and subcommands.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};
use rekindle::openssl::SessionStorage;

use super::address::Address;
use super::tickets::{TicketArgs, TicketSettings};
use super::tls::TlsArgs;
use super::upstream_address::UpstreamAddress;
use crate::commands::{Advise, KeysCommand, advise};
use crate::serve::{IdentityFiles, SessionIdContext};

/// A TLS terminator that resumes sessions: by session id and by ticket, in TLS 1.2 and 1.3.
///
/// SIGHUP reloads the certificate and the ticket keys; a change of the ticket keys' file reloads
/// them as well. SIGTERM drains. The log goes to standard error. RUST_LOG sets its level: error,
/// warn, info (the default), debug or trace.
#[derive(Debug, Parser)]
#[command(name = "rekindle-terminator", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, check, convert and show files of ticket keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Advise how large the cache should be, from a log of session ids or from the metrics of a
    /// running terminator
    Advise(Advise),
}

/// The settings of a terminator that serves.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Run without any files: a self-signed certificate made in memory, and a built-in HTTP
    /// responder as upstream
    #[arg(long, conflicts_with_all = ["upstream", "cert", "key"])]
    demo: bool,

    /// Where to accept TLS, HOST:PORT; port 0 takes a free port [default with --demo:
    /// 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR", required_unless_present = "demo")]
    #[arg(default_value_if("demo", "true", "127.0.0.1:8443"))]
    listen: Option<Address>,

    /// Where to forward the decrypted bytes, HOST:PORT or unix:/PATH; may be given several times,
    /// and the upstreams take turns. A name is looked up for each connection, and its addresses are
    /// tried 250 ms apart until one connects
    #[arg(long, value_name = "ADDR", required_unless_present = "demo")]
    upstream: Vec<UpstreamAddress>,

    /// Certificate chain in PEM form, the server's own certificate first
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM form and not encrypted
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    key: Option<PathBuf>,

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
    #[arg(value_parser = seconds(1..=604_800))]
    pub(crate) session_timeout: Duration,

    /// Stateless session tickets; off means that TLS 1.2 resumes by session id and TLS 1.3 by
    /// tickets that name a cached session
    #[arg(long = "tickets", value_name = "on|off", default_value = "on")]
    #[arg(action = clap::ArgAction::Set, value_parser = on_or_off())]
    pub(crate) stateless_tickets: bool,

    #[command(flatten)]
    ticket_keys: TicketArgs,

    /// How long a client may go on resuming by tickets after its last full handshake, however often
    /// they were renewed, in seconds, 1 to 604800 (seven days)
    #[arg(long, value_name = "SECONDS", default_value = "604800")]
    #[arg(value_parser = seconds(1..=604_800))]
    pub(crate) full_handshake_max_age: Duration,

    /// What sessions belong to: 1 to 32 bytes, as text or as hexadecimal digits behind `hex:`. A
    /// ticket of another server resumes only where this is the same
    #[arg(long, value_name = "VALUE", default_value = "rekindle-terminator")]
    pub(crate) session_id_context: SessionIdContext,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Where to serve /metrics, /healthz and /revoke over plain HTTP, HOST:PORT [default with
    /// --demo: 127.0.0.1:9443]. A POST to /revoke ends all sessions of before
    #[arg(
        long,
        value_name = "ADDR",
        default_value_if("demo", "true", "127.0.0.1:9443")
    )]
    pub(crate) admin: Option<Address>,

    /// Worker threads, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Most seconds that a TLS handshake may take, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=3600))]
    pub(crate) handshake_timeout: Duration,

    /// Most connections at one time; those above it are closed at once, counted, and
    /// logged once in ten seconds
    #[arg(long, value_name = "N", default_value = "8192")]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) max_connections: u32,

    /// Most seconds that open connections get to finish after SIGTERM or SIGINT, 0 to 86400
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds(0..=86_400))]
    pub(crate) drain_timeout: Duration,
}

impl Cli {
    /// The command to run instead of serving.
    pub(crate) fn take_command(&mut self) -> Option<Command> {
        self.command.take()
    }

    /// Exits with a message about the flag if flags do not go together.
    pub(crate) fn into_settings(self) -> (Settings, TicketSettings) {
        let settings = self.settings;
        let tickets = settings.ticket_keys.settings(settings.session_timeout);
        let tickets = tickets.unwrap_or_else(|message| {
            let error = Self::command().error(ErrorKind::ValueValidation, message);
            error.exit()
        });
        (settings, tickets)
    }
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Keys(command) => command.run(),
            Self::Advise(arguments) => advise(&arguments),
        }
    }
}

impl Settings {
    pub(crate) fn listen(&self) -> &Address {
        let listen = self.listen.as_ref();
        listen.expect("clap asks for --listen, or takes the demo's")
    }

    /// The upstreams; none for the demo.
    pub(crate) fn upstreams(&self) -> &[UpstreamAddress] {
        &self.upstream
    }

    /// The files of the certificate; none for the demo.
    pub(crate) fn identity_files(&self) -> Option<IdentityFiles> {
        // clap lets these be absent with --demo only.
        let certificate = self.cert.clone()?;
        let key = self.key.clone()?;
        Some(IdentityFiles {
            certificate,
            key,
            refuse_readable_by_others: self.ticket_keys.refuse_readable_by_others(),
        })
    }
}

fn seconds(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    value_parser!(u64).range(range).map(Duration::from_secs)
}

/// Without the storage that looks at clients' certificates: the terminator asks for none.
fn session_storage() -> impl TypedValueParser<Value = SessionStorage> {
    PossibleValuesParser::new(["live", "encoded"]).map(|value| match &*value {
        "live" => SessionStorage::Live,
        _ => SessionStorage::Encoded,
    })
}

fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|value| value == "on")
}
