//! Puts the file and the command line together.

use std::path::PathBuf;

use clap::ArgMatches;

use super::broken::Broken;
use super::document::{self, CERTIFICATE, PAIR};
use super::error::{ConfigurationError, ConfigurationFault, Origin, Reason};
use super::flags::{CONFIG, Flags};
use super::given::Given;
use super::rules;
use super::settings::Settings;
use super::tickets::TicketSettings;

/// What is needed to read the settings, now and again at SIGHUP.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    command_line: Given,
    file: Option<PathBuf>,
}

impl Configuration {
    pub(super) fn new(matches: &ArgMatches) -> Self {
        Self {
            command_line: Flags::new().of_command_line(matches),
            file: matches.get_one(CONFIG).cloned(),
        }
    }

    /// Whether there is a file to read again.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file, if there is one, and puts the flags of the command line in the place of its
    /// keys. The error names everything that is wrong.
    pub(crate) fn read(&self) -> Result<(Settings, TicketSettings), ConfigurationError> {
        let (settings, faults) = self.examine();
        ConfigurationError::of(faults)?;
        let tickets = settings.ticket_keys.settings(settings.session_timeout);
        Ok((settings, tickets))
    }

    /// The settings without what is wrong, and what that is.
    pub(crate) fn examine(&self) -> (Settings, Vec<ConfigurationFault>) {
        let mut flags = Flags::new();
        let (mut given, mut faults) = match &self.file {
            Some(path) => document::read(path, &mut flags),
            None => Default::default(),
        };
        given.0.extend(self.command_line.0.clone());
        let settings = flags.settings(given);
        let broken = rules::broken(&settings);
        let broken = broken.into_iter().filter(|rule| is_sure(rule, &faults));
        let broken: Vec<_> = broken.map(|rule| self.fault(&settings, rule)).collect();
        faults.extend(broken);
        (settings, faults)
    }

    /// A broken rule, at the line of the flag at fault or else of the one that it does not go with.
    fn fault(&self, settings: &Settings, rule: Broken) -> ConfigurationFault {
        let of_flag = settings.given.origin(rule.flag, rule.at);
        let other = rule.other.map(|other| settings.given.origin(other, 0));
        let origin = match (&of_flag, other) {
            (Origin::File(..), _) | (_, None | Some(Origin::Default)) => of_flag.clone(),
            (_, Some(other)) => other,
        };
        let reason = Reason::Rule(rule.reason);
        let place = match (origin, &self.file) {
            // What was given nowhere is missing in the file, if there is one.
            (Origin::Default, Some(path)) => Origin::File(path.as_path().into(), None),
            (origin, _) => origin,
        };
        // A flag of the command line keeps its dashes, though the line is that of a key.
        let mut fault = ConfigurationFault::about(rule.flag, of_flag.clone(), reason);
        if of_flag == Origin::Default && matches!(place, Origin::File(..)) {
            fault.name = Some(rule.flag.into());
        }
        fault.origin = place;
        fault
    }
}

/// Whether a rule stays broken once the faults are mended: what could not be read may keep it.
fn is_sure(rule: &Broken, faults: &[ConfigurationFault]) -> bool {
    let concerns = |name: &str| {
        let is_pair = name == CERTIFICATE && PAIR.contains(&rule.flag);
        is_pair || name == rule.flag || Some(name) == rule.other
    };
    let may_keep = |fault: &ConfigurationFault| fault.name.as_deref().is_none_or(concerns);
    !faults.iter().any(may_keep)
}

#[cfg(test)]
mod tests;
