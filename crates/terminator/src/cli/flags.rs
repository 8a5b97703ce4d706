//! The flags of the settings as clap knows them: the one definition of words, ranges and help, for
//! the command line and the file.

use std::any::TypeId;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::error::Origin;
use super::given::{Given, GivenValue};
use super::settings::Settings;
use super::upstream_address::UpstreamAddress;

/// The flag that names the file. It is no key of the file.
pub(super) const CONFIG: &str = "config";

/// How a flag that takes no value is written as one that does.
const SET: &str = "true";

pub(super) struct Flags(Command);

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it is there, or not.
    Switch,
    OnOrOff,
    Number,
    Path,
    Upstream,
    Text,
}

impl Flags {
    pub(super) fn new() -> Self {
        let command = Command::new("settings")
            .no_binary_name(true)
            .disable_help_flag(true)
            .disable_version_flag(true);
        Self(Settings::augment_args(command))
    }

    /// What a key of the file takes, and whether it takes several. None if there is no such key.
    pub(super) fn key(&self, name: &str) -> Option<(Kind, bool)> {
        let arg = self.args().find(|arg| arg.get_long() == Some(name))?;
        let is_list = matches!(arg.get_action(), ArgAction::Append);
        (name != CONFIG).then(|| (kind(arg), is_list))
    }

    /// The key that was meant, if one is near.
    pub(super) fn near(&mut self, name: &str) -> Option<String> {
        let argument = format!("--{name}={SET}");
        let error = self.0.try_get_matches_from_mut([argument]).err()?;
        let near = match error.get(ContextKind::SuggestedArg)? {
            ContextValue::String(near) => near,
            ContextValue::Strings(near) => near.first()?,
            _ => return None,
        };
        let near = near.trim_start_matches('-').to_owned();
        self.key(&near).map(|_| near)
    }

    /// Why the flag does not take the value.
    pub(super) fn refuses(&mut self, flag: &str, value: &OsStr) -> Option<String> {
        let argument = argument(flag, value);
        let error = self.0.try_get_matches_from_mut([argument]).err()?;
        Some(reason(&error))
    }

    /// The settings. Each value was taken before, and no flag of one value has two.
    pub(super) fn settings(&mut self, given: Given) -> Settings {
        let mut arguments = Vec::new();
        for (flag, values) in &given.0 {
            match self.key(flag) {
                Some((Kind::Switch, _)) => {
                    let set = values.iter().filter(|value| value.text == SET);
                    arguments.extend(set.map(|_| OsString::from(format!("--{flag}"))));
                }
                _ => arguments.extend(values.iter().map(|value| argument(flag, &value.text))),
            }
        }
        let matches = self.0.try_get_matches_from_mut(arguments);
        let matches = matches.expect("each flag takes its values");
        let settings = Settings::from_arg_matches(&matches).expect("clap has checked the types");
        let mut settings = settings.with_demo_addresses();
        let mut all = self.values(&matches, Origin::Default);
        all.0.extend(given.0);
        settings.given = all;
        settings
    }

    /// What was given on the command line.
    pub(super) fn of_command_line(&self, matches: &ArgMatches) -> Given {
        let mut given = self.values(matches, Origin::CommandLine);
        let is_given = |flag: &str| {
            let arg = self.args().find(|arg| arg.get_long() == Some(flag));
            let source = arg.and_then(|arg| matches.value_source(arg.get_id().as_str()));
            source == Some(ValueSource::CommandLine)
        };
        given.0.retain(|flag, _| is_given(flag));
        given
    }

    /// The values of all flags but [`CONFIG`].
    fn values(&self, matches: &ArgMatches, origin: Origin) -> Given {
        let value = |text: &OsStr| GivenValue {
            text: text.into(),
            origin: origin.clone(),
        };
        let flags = self.args().filter_map(|arg| {
            let flag = arg.get_long().filter(|flag| *flag != CONFIG)?;
            let texts = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
            Some((flag.to_owned(), texts.map(value).collect()))
        });
        Given(flags.collect())
    }

    fn args(&self) -> impl Iterator<Item = &Arg> {
        self.0.get_arguments()
    }
}

fn kind(arg: &Arg) -> Kind {
    let takes = arg.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<Duration>(),
    ];
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        Kind::Switch
    } else if takes == TypeId::of::<bool>() {
        Kind::OnOrOff
    } else if numbers.iter().any(|number| takes == *number) {
        Kind::Number
    } else if takes == TypeId::of::<PathBuf>() {
        Kind::Path
    } else if takes == TypeId::of::<UpstreamAddress>() {
        Kind::Upstream
    } else {
        Kind::Text
    }
}

fn argument(flag: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{flag}="));
    argument.push(value);
    argument
}

/// clap's reason, without the flag and the usage.
fn reason(error: &clap::Error) -> String {
    let value = error.get(ContextKind::InvalidValue);
    let value = value.map(ToString::to_string).unwrap_or_default();
    if let Some(ContextValue::Strings(words)) = error.get(ContextKind::ValidValue)
        && !words.is_empty()
    {
        return format!("`{value}` is none of: {}", words.join(", "));
    }
    match error.source() {
        Some(source) => source.to_string(),
        None if value.is_empty() => "it is empty".into(),
        None => format!("`{value}` is no value for it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_flag_takes_is_read_off_its_definition() {
        let flags = Flags::new();
        for (flag, kind, is_list) in [
            ("demo", Kind::Switch, false),
            ("tickets", Kind::OnOrOff, false),
            ("sessions", Kind::Number, false),
            ("idle-timeout", Kind::Number, false),
            ("ticket-key-period", Kind::Number, false),
            ("ticket-keys", Kind::Path, false),
            ("cert", Kind::Path, true),
            ("upstream", Kind::Upstream, true),
            ("alpn", Kind::Text, true),
            ("ciphers", Kind::Text, false),
        ] {
            assert_eq!(flags.key(flag), Some((kind, is_list)), "{flag}");
        }
        for no_key in ["config", "help", "version", "check", ""] {
            assert_eq!(flags.key(no_key), None, "{no_key}");
        }
    }

    #[test]
    fn a_key_that_is_nearly_right_has_a_suggestion() {
        let mut flags = Flags::new();
        assert_eq!(flags.near("session_timeout").unwrap(), "session-timeout");
        assert_eq!(flags.near("listn").unwrap(), "listen");
        for far in ["", "=", "--", "zzz", "x y", "confi"] {
            assert_eq!(flags.near(far), None, "{far}");
        }
    }

    #[test]
    fn the_reason_why_a_value_is_refused_is_one_line() {
        let mut flags = Flags::new();
        for (flag, value, expected) in [
            ("backlog", "0", "0 is not in 1..=65535"),
            ("sessions", "x", "invalid digit"),
            ("listen", "localhost", "expected HOST:PORT"),
            ("proxy-protocol-out", "v3", "`v3` is none of: off, v1, v2"),
            ("cert", "", "it is empty"),
            ("proxy-protocol-out", "", "none of: off, v1, v2"),
            ("alpn", "h2,,x", "an empty name"),
        ] {
            let reason = flags.refuses(flag, value.as_ref()).expect("it is refused");
            assert!(reason.contains(expected), "{flag}: {reason}");
            assert!(!reason.contains('\n'), "{flag}: {reason}");
        }
        assert_eq!(flags.refuses("backlog", "1".as_ref()), None);
    }
}
