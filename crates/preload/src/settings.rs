//! The environment.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rekindle::openssl::{Resumption, ResumptionBuilder};
use rekindle::tickets::TicketPolicy;
use rekindle_key_files::read_secret;

/// What the environment says; an error names the variable.
pub(crate) struct Settings {
    builder: ResumptionBuilder,
    pub(crate) stateless_tickets: Option<bool>,
    pub(crate) stats: Option<PathBuf>,
    secret: Option<PathBuf>,
    sessions: usize,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, String> {
        let sessions = number("REKINDLE_SESSIONS")?.unwrap_or(100_000);
        let keep_sessions = switch("REKINDLE_KEEP_SESSIONS")?.unwrap_or(true);
        let mut builder = Resumption::builder()
            .sessions(sessions)
            .keep_sessions(keep_sessions);
        if let Some(seconds) = number("REKINDLE_TICKET_KEY_PERIOD")? {
            let policy = TicketPolicy::default().period(Duration::from_secs(seconds));
            builder = builder.ticket_policy(policy);
        }
        let stateless_tickets = switch("REKINDLE_STATELESS_TICKETS")?;
        if let Some(on) = stateless_tickets {
            builder = builder.stateless_tickets(on);
        }
        let mut timeout = number("REKINDLE_SESSION_TIMEOUT")?.map(Duration::from_secs);
        let secret = env::var_os("REKINDLE_TICKET_SECRET").map(PathBuf::from);
        if let Some(file) = &secret {
            let read = read_secret(file);
            let (read, _) = read.map_err(|error| format!("REKINDLE_TICKET_SECRET: {error}"))?;
            timeout = timeout.or(read.session_timeout);
            if let Some(notice) = timeout.and_then(|timeout| read.disagreement(file, timeout)) {
                return Err(format!("REKINDLE_SESSION_TIMEOUT: {notice}"));
            }
            builder = builder.ticket_secret(read.secret);
        }
        if let Some(timeout) = timeout {
            builder = builder.session_timeout(timeout);
        }
        Ok(Self {
            builder,
            stateless_tickets,
            stats: env::var_os("REKINDLE_STATS").map(PathBuf::from),
            secret,
            sessions,
        })
    }

    pub(crate) fn build(self) -> Result<Resumption, String> {
        self.builder.build().map_err(|error| error.to_string())
    }

    /// What it does, in a few words.
    pub(crate) fn summary(&self) -> String {
        let keys = match &self.secret {
            Some(file) => format!("derived from {}", file.display()),
            None => "this server's own".to_owned(),
        };
        format!("room for {} sessions, ticket keys {keys}", self.sessions)
    }
}

fn text(name: &str) -> Result<Option<String>, String> {
    let text = env::var_os(name).map(|value| value.into_string());
    text.transpose()
        .map_err(|_| format!("{name}: it is not UTF-8"))
}

fn switch(name: &str) -> Result<Option<bool>, String> {
    match text(name)?.as_deref() {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(_) => Err(format!("{name}: it is neither `on` nor `off`")),
    }
}

fn number<N: FromStr<Err: Display>>(name: &str) -> Result<Option<N>, String> {
    let text = text(name)?;
    let number = text.map(|text| {
        text.parse()
            .map_err(|error| format!("{name}={text}: {error}"))
    });
    number.transpose()
}
