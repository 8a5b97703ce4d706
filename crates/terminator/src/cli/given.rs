//! What each flag was given, as text, and where: on the command line, in the file, or by default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};

use super::error::{ConfigurationFault, Origin, Reason};

/// The values of every flag, by its name without dashes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(pub(super) BTreeMap<String, Vec<GivenValue>>);

#[derive(Clone)]
pub(crate) struct GivenValue {
    pub(super) text: OsString,
    pub(super) origin: Origin,
}

/// Shows no value: an address may hold a password.
impl fmt::Debug for GivenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        f.debug_struct("GivenValue")
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

impl Given {
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn texts(&self, flag: &str) -> impl Iterator<Item = &OsString> {
        self.0
            .get(flag)
            .into_iter()
            .flatten()
            .map(|given| &given.text)
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    pub(super) fn add(&mut self, flag: &str, value: GivenValue) {
        self.0.entry(flag.into()).or_default().push(value);
    }

    /// Where the value `at` of a flag comes from; the default if there is none.
    pub(super) fn origin(&self, flag: &str, at: usize) -> Origin {
        let value = self.0.get(flag).and_then(|values| values.get(at));
        value.map_or(Origin::Default, |value| value.origin.clone())
    }

    /// Says that the file which the value `at` of a flag names cannot be used.
    pub(crate) fn fault(&self, flag: &str, at: usize, reason: impl Display) -> ConfigurationFault {
        let origin = self.origin(flag, at);
        let reason = Reason::Content(reason.to_string());
        ConfigurationFault::about(flag, origin, reason)
    }
}
