//! The flags and subcommands.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, value_parser};

use super::address::Address;
use super::settings::{ServiceSettings, Settings};
use super::tickets::TicketArgs;
use crate::commands::{Advise, KeysCommand, advise};
use crate::serve::SessionIdContext;

const DEMO_LISTEN: &str = "127.0.0.1:8443";
const DEMO_ADMIN: &str = "127.0.0.1:9443";

/// A TLS terminator that resumes sessions: by session id and by ticket, in TLS 1.2 and 1.3.
///
/// SIGHUP reloads the ticket keys and the certificate, SIGTERM drains. Ticket keys are also read again when they change. The log goes to standard error, its level is set by
/// RUST_LOG (error, warn, info, debug, trace; default info).
#[derive(Debug, Parser)]
#[command(name = "rekindle-terminator", version, max_term_width = 110)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Run without any files: a self-signed certificate made in memory, and a built-in HTTP responder as upstream
    #[arg(long, conflicts_with_all = ["upstream", "cert", "key"])]
    demo: bool,

    /// Where to accept TLS, HOST:PORT; port 0 takes a free port [default with --demo: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR", required_unless_present = "demo")]
    listen: Option<Address>,

    /// Where to forward the decrypted bytes, HOST:PORT; a name is looked up for each connection
    #[arg(long, value_name = "ADDR", required_unless_present = "demo")]
    upstream: Option<Address>,

    /// Certificate chain in PEM form, the server's own certificate first
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM form and not encrypted
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    key: Option<PathBuf>,

    /// Sessions that the cache holds at most
    #[arg(long, value_name = "N", default_value = "100000", value_parser = sessions)]
    sessions: usize,

    /// How long a session can be resumed, in seconds, 1 to 604800 (seven days, the most that TLS 1.3 allows)
    #[arg(long, value_name = "SECONDS", default_value = "7200", value_parser = value_parser!(u64).range(1..=604_800))]
    session_timeout: u64,

    /// Stateless session tickets; off means that TLS 1.2 resumes by session id and TLS 1.3 by tickets that name a cached session
    #[arg(long, value_name = "on|off", default_value = "on")]
    tickets: Switch,

    #[command(flatten)]
    ticket_keys: TicketArgs,

    /// How long a client may go on resuming by tickets after its last full handshake, however often they were renewed, in
    /// seconds, 1 to 604800 (seven days)
    #[arg(long, value_name = "SECONDS", default_value = "604800", value_parser = value_parser!(u64).range(1..=604_800))]
    full_handshake_max_age: u64,

    /// What sessions belong to: 1 to 32 bytes, as text or as hexadecimal digits behind `hex:`. A ticket of another server
    /// resumes only where this is the same
    #[arg(long, value_name = "VALUE", default_value = "rekindle-terminator")]
    session_id_context: SessionIdContext,

    /// Where to serve /metrics and /healthz over plain HTTP, HOST:PORT [default with --demo: 127.0.0.1:9443]
    #[arg(long, value_name = "ADDR")]
    admin: Option<Address>,

    /// Worker threads, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Most seconds that a TLS handshake may take, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = value_parser!(u64).range(1..=3600))]
    handshake_timeout: u64,

    /// Most connections at one time; those above it are closed at once and counted
    #[arg(long, value_name = "N", default_value = "8192", value_parser = value_parser!(u32).range(1..=10_000_000))]
    max_connections: u32,

    /// Most seconds that open connections get to finish after SIGTERM or SIGINT, 0 to 86400
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = value_parser!(u64).range(0..=86_400))]
    drain_timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, check, convert and show files of ticket keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Advise how large the cache should be: from a stream of requests, or from a running
    /// terminator's metrics
    Advise(Advise),
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Keys(command) => command.run(),
            Self::Advise(arguments) => advise(&arguments),
        }
    }
}

impl Cli {
    /// The command to run instead of serving.
    pub(crate) fn take_command(&mut self) -> Option<Command> {
        self.command.take()
    }

    /// Exits with a message about the flag if flags do not go together.
    pub(crate) fn into_settings(self) -> Settings {
        let session_timeout = Duration::from_secs(self.session_timeout);
        let tickets = self.ticket_keys.into_settings(session_timeout);
        let tickets = tickets.unwrap_or_else(|message| {
            let error = Self::command().error(ErrorKind::ValueValidation, message);
            error.exit()
        });
        let service = match (self.upstream, self.cert, self.key) {
            (Some(upstream), Some(cert), Some(key)) => ServiceSettings::Proxy {
                upstream,
                cert,
                key,
            },
            // clap lets these be absent with --demo only.
            _ => ServiceSettings::Demo,
        };
        let demo_admin = self.demo.then(|| Address::fixed(DEMO_ADMIN));
        Settings {
            listen: self.listen.unwrap_or_else(|| Address::fixed(DEMO_LISTEN)),
            admin: self.admin.or(demo_admin),
            service,
            sessions: self.sessions,
            session_timeout,
            stateless_tickets: self.tickets == Switch::On,
            tickets,
            full_handshake_max_age: Duration::from_secs(self.full_handshake_max_age),
            session_id_context: self.session_id_context,
            threads: self.threads.map(usize::from),
            handshake_timeout: Duration::from_secs(self.handshake_timeout),
            max_connections: self.max_connections as usize,
            drain_timeout: Duration::from_secs(self.drain_timeout),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

fn sessions(text: &str) -> Result<usize, String> {
    let most: usize = 1_000_000_000;
    text.parse::<NonZeroUsize>()
        .map(NonZeroUsize::get)
        .ok()
        .filter(|sessions| *sessions <= most)
        .ok_or_else(|| format!("expected 1 to {most}"))
}
