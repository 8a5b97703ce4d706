//! The keys of a TOML text, turned into values of flags.
//!
//! Keys have the names of flags. `[[certificate]]` is a table with a `cert` and its `key`, as often
//! as there are certificates: the one form that no flag has.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigurationFault, MOST_FAULTS, Origin, Reason};
use super::file_text::FileText;
use super::flags::{CONFIG, Flags, Kind};
use super::given::{Given, GivenValue};
use super::upstream_address::relative_to;

pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const PAIR: [&str; 2] = ["cert", "key"];

/// A list with more values would take long to look at.
const MOST_VALUES: usize = 4096;

/// Reads a file into what it gives to flags, and everything that is wrong with its keys.
pub(super) fn read(path: &Path, flags: &mut Flags) -> (Given, Vec<ConfigurationFault>) {
    let file: Arc<Path> = path.into();
    let text = match FileText::read(path) {
        Ok(text) => text,
        Err((line, reason)) => {
            let origin = Origin::File(file, line);
            let name = None;
            let fault = ConfigurationFault {
                origin,
                name,
                reason,
            };
            return (Given::default(), vec![fault]);
        }
    };
    Reader::new(file, &text, flags).read()
}

struct Reader<'a> {
    file: Arc<Path>,
    text: &'a FileText,
    flags: &'a mut Flags,
    given: Given,
    faults: Vec<ConfigurationFault>,
}

type Entry<'a> = (&'a str, usize, &'a Spanned<DeValue<'a>>);

impl<'a> Reader<'a> {
    fn new(file: Arc<Path>, text: &'a FileText, flags: &'a mut Flags) -> Self {
        Self {
            file,
            text,
            flags,
            given: Given::default(),
            faults: Vec::new(),
        }
    }

    fn read(mut self) -> (Given, Vec<ConfigurationFault>) {
        let (table, errors) = DeTable::parse_recoverable(&self.text.text);
        let mut broken = BTreeSet::new();
        for error in errors.iter().take(MOST_FAULTS) {
            let line = self.text.line(error.span().map_or(0, |span| span.start));
            // What follows in the same line may follow from the first error.
            if broken.insert(line) {
                let reason = Reason::Syntax(error.message().replace('\n', " "));
                self.fault(line, None, reason);
            }
        }
        for (name, line, value) in self.entries(table.get_ref()) {
            if self.faults.len() > MOST_FAULTS {
                break;
            }
            if !broken.contains(&line) {
                self.key(name, line, value);
            }
        }
        (self.given, self.faults)
    }

    /// The entries of a table, in the order of the text.
    fn entries<'t>(&self, table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'t Spanned<_>, _)| {
            let line = self.text.line(key.span().start);
            let name: &std::borrow::Cow<'t, str> = key.get_ref();
            (&**name, line, value)
        };
        entries.into_iter().map(entry).collect()
    }

    fn key(&mut self, name: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        if name == CERTIFICATE {
            return self.certificates(line, value);
        }
        if name == CONFIG {
            let reason = Reason::Value("a file cannot name another one".into());
            return self.fault(line, Some(name), reason);
        }
        let Some((kind, is_list)) = self.flags.key(name) else {
            return self.unknown(name, line, false);
        };
        if PAIR.contains(&name) && self.given.has(name) {
            let reason = "give each pair in a [[certificate]], or all of them in cert and key";
            return self.fault(line, Some(name), Reason::Value(reason.into()));
        }
        match value.get_ref() {
            DeValue::Array(values) if is_list => {
                if values.is_empty() {
                    return self.fault(line, Some(name), Reason::EmptyList);
                }
                if values.len() > MOST_VALUES {
                    return self.fault(line, Some(name), Reason::TooMany(MOST_VALUES));
                }
                for value in values.iter() {
                    let line = self.text.line(value.span().start);
                    self.value(name, kind, line, value.get_ref());
                }
            }
            value => self.value(name, kind, line, value),
        }
    }

    /// Takes one value of a flag.
    fn value(&mut self, flag: &str, kind: Kind, line: usize, value: &DeValue<'_>) {
        let text = match text(kind, value) {
            Ok(text) => self.relative(kind, &text),
            Err(reason) => return self.fault(line, Some(flag), reason),
        };
        if kind != Kind::Switch
            && let Some(reason) = self.flags.refuses(flag, &text)
        {
            return self.fault(line, Some(flag), Reason::Value(reason));
        }
        let origin = Origin::File(Arc::clone(&self.file), Some(line));
        self.given.add(flag, GivenValue { text, origin });
    }

    /// A path in the file is relative to the file's folder: `check` says the same wherever it is
    /// run, and a service needs no working directory.
    fn relative(&self, kind: Kind, text: &str) -> OsString {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        match kind {
            Kind::Path if !text.is_empty() => folder.join(text).into(),
            Kind::Upstream => relative_to(folder, OsStr::new(text)),
            _ => text.into(),
        }
    }

    fn certificates(&mut self, line: usize, value: &Spanned<DeValue<'_>>) {
        let expected = "tables, each below [[certificate]]";
        let DeValue::Array(tables) = value.get_ref() else {
            let found = value.get_ref().type_str();
            return self.fault(
                line,
                Some(CERTIFICATE),
                Reason::WrongType { expected, found },
            );
        };
        if PAIR.iter().any(|name| self.given.has(name)) {
            let reason = "give each pair in a [[certificate]], or all of them in cert and key";
            return self.fault(line, Some(CERTIFICATE), Reason::Value(reason.into()));
        }
        if tables.len() > MOST_VALUES {
            return self.fault(line, Some(CERTIFICATE), Reason::TooMany(MOST_VALUES));
        }
        for table in tables.iter() {
            let line = self.text.line(table.span().start);
            match table.get_ref() {
                DeValue::Table(table) => self.certificate(line, table),
                other => {
                    let found = other.type_str();
                    self.fault(
                        line,
                        Some(CERTIFICATE),
                        Reason::WrongType { expected, found },
                    );
                }
            }
        }
    }

    fn certificate(&mut self, line: usize, table: &DeTable<'_>) {
        for name in PAIR {
            if table.get(name).is_none() {
                let reason = Reason::Value(format!("it has no {name}"));
                self.fault(line, Some(CERTIFICATE), reason);
            }
        }
        for (name, line, value) in self.entries(table) {
            match PAIR.contains(&name) {
                true => self.value(name, Kind::Path, line, value.get_ref()),
                false => self.unknown(name, line, true),
            }
        }
    }

    fn unknown(&mut self, name: &str, line: usize, in_certificate: bool) {
        let suggestion = match in_certificate {
            true if self.flags.key(name).is_some() => {
                Some(" in [[certificate]]: its place is above the first [[certificate]]".into())
            }
            true => Some(" in [[certificate]]: it has cert and key".into()),
            false => {
                let near = self.flags.near(name);
                near.map(|near| format!("; {near} is one"))
            }
        };
        self.fault(line, Some(name), Reason::UnknownKey { suggestion });
    }

    fn fault(&mut self, line: usize, name: Option<&str>, reason: Reason) {
        self.faults.push(ConfigurationFault {
            origin: Origin::File(Arc::clone(&self.file), Some(line)),
            name: name.map(|name| name.escape_debug().to_string()),
            reason,
        });
    }
}

/// The value as the flag takes it.
fn text(kind: Kind, value: &DeValue<'_>) -> Result<String, Reason> {
    let (expected, text) = match (kind, value) {
        (Kind::Switch, DeValue::Boolean(is_on)) => return Ok(is_on.to_string()),
        (Kind::OnOrOff, DeValue::Boolean(is_on)) => {
            return Ok(if *is_on { "on" } else { "off" }.into());
        }
        (Kind::Number, DeValue::Integer(number)) => {
            let value = i128::from_str_radix(number.as_str(), number.radix());
            return Ok(value.map_or_else(|_| number.to_string(), |value| value.to_string()));
        }
        (Kind::Switch, _) => ("true or false", None),
        (Kind::Number, _) => ("a number", None),
        (Kind::OnOrOff, _) => ("on or off", value.as_str()),
        (Kind::Path | Kind::Upstream | Kind::Text, _) => ("a string", value.as_str()),
    };
    let found = value.type_str();
    let text = text.ok_or(Reason::WrongType { expected, found })?;
    // C's functions, to which paths and lists go, would take a part for the whole.
    match text.contains('\0') {
        true => Err(Reason::Nul),
        false => Ok(text.into()),
    }
}
