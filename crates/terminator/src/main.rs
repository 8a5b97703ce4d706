//! `rekindle-terminator`: accepts TLS, resumes sessions through `rekindle`, and forwards the plain
//! bytes to an upstream.
//!
//! [`cli`] turns arguments and a file into [`Settings`]; [`serve`] lives by them, with its ticket
//! keys from [`key_source`]; [`handover`] passes everything on at a restart, and [`systemd`] is
//! told. [`admin`] answers scrapers. [`commands`] run once and exit. [`sizing`] tells how large a
//! cache should be, from live lookups or from a log.

mod admin;
mod allocator;
mod cli;
mod commands;
mod error;
mod exit;
mod handover;
mod key_flags;
mod key_source;
mod log_limit;
mod numbers;
mod recent_events;
mod serve;
mod sizing;
mod systemd;

use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::{Configuration, Invocation, LogFormat, Settings, TicketSettings};
use crate::error::RunError;
use crate::recent_events::RecentEvents;

fn main() -> ExitCode {
    allocator::give_to_openssl();
    let configuration = match Invocation::of_command_line() {
        Invocation::Serve(configuration) => configuration,
        Invocation::Check(configuration) => {
            log_to_stderr("warn", LogFormat::Text);
            return commands::check(&configuration);
        }
        Invocation::Done(code) => return code,
    };
    let (settings, tickets) = match configuration.read() {
        Ok(settings) => settings,
        Err(error) => return error.report(),
    };
    log_to_stderr("info", settings.log);
    exit::code(run(configuration, settings, &tickets))
}

/// Signals and the admin endpoints have this thread for themselves.
fn run(
    configuration: Configuration,
    settings: Settings,
    tickets: &TicketSettings,
) -> Result<(), RunError> {
    // Before anything else opens files.
    let of_systemd = systemd::sockets().map_err(RunError::Systemd)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(RunError::Runtime)?;
    let result = runtime.block_on(serve::run(configuration, settings, tickets, of_systemd));
    // A lookup of a name must not delay the exit.
    runtime.shutdown_background();
    result
}

/// Standard output is for scripts (`listening on ...`), so the log goes to standard error. Warnings
/// and errors are kept for the admin page as well, also where RUST_LOG leaves them out.
fn log_to_stderr(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(RecentEvents.with_filter(LevelFilter::WARN))
        .init();
}
