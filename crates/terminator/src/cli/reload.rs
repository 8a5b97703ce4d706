//! Which flags get new values at SIGHUP.

use super::settings::Settings;

/// The flags that SIGHUP gives new values to. Every other one waits for a restart.
const RELOADED: [&str; 19] = [
    "cert",
    "key",
    "unknown-names",
    "alpn",
    "proxy-protocol-in",
    "proxy-protocol-out",
    "client-ca",
    "crl",
    "client-auth",
    "groups",
    "ciphers",
    "cipher-suites",
    "tickets-per-handshake",
    "upstream",
    "handshake-timeout",
    "connect-timeout",
    "idle-timeout",
    "half-close-timeout",
    "drain-timeout",
];

/// The flags whose values differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes<'a> {
    /// They have their new values from now on.
    pub(crate) reloaded: Vec<&'a str>,
    /// They keep their old values until a restart.
    pub(crate) at_restart: Vec<&'a str>,
}

/// What a reload from `old` to `new` changes.
pub(crate) fn changes<'a>(old: &Settings, new: &'a Settings) -> Changes<'a> {
    let differs = |flag: &&str| !old.given.texts(flag).eq(new.given.texts(flag));
    let changed = new.given.flags().filter(differs);
    let (reloaded, at_restart) = changed.partition(|flag| RELOADED.contains(flag));
    Changes {
        reloaded,
        at_restart,
    }
}

/// What the help says of the file.
pub(super) fn help() -> String {
    let reloaded = RELOADED.map(|flag| format!("--{flag}")).join(", ");
    format!(
        "The file of --config:\n\
         Each key is a flag without its dashes: `session-timeout = 7200`. A flag that may be given \
         again takes a list, and a flag that takes no value takes true or false. Instead of lists \
         for cert and key there may be a table `[[certificate]]` with a cert and a key for each \
         certificate, at the end of the file. A relative path is taken from the file's folder; on \
         the command line, from the working directory. `check --config FILE` tells whether a file \
         would work.\n\n\
         SIGHUP reads the file again. These take new values then, the others at a restart: \
         {reloaded}"
    )
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::*;

    #[test]
    fn what_is_reloaded_are_flags() {
        let command = Settings::augment_args(Command::new("settings"));
        let flags: Vec<_> = (command.get_arguments())
            .filter_map(|arg| arg.get_long())
            .collect();
        for flag in RELOADED {
            assert!(flags.contains(&flag), "{flag}");
        }
    }
}
