//! The measurements of a record, put together by case, and numbers as people read them.

use std::collections::BTreeMap;

use itertools::Itertools;

use crate::record::{Measurement, Record, quantile};

/// Keys of a case in the order in which people want to read them; others follow.
const ORDER: [&str; 11] = [
    "load",
    "state",
    "stream",
    "way",
    "operation",
    "ring",
    "sessions",
    "connections",
    "threads",
    "writers",
    "readers",
];

/// Contenders that were run in turn on one case, in the order of the record: the first is the
/// reference of the ratios. There is at least one, and each has samples.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    pub(super) measurements: Vec<&'a Measurement>,
}

impl<'a> Case<'a> {
    pub(super) fn is_of(&self, part: &str, quantity: &str) -> bool {
        self.measurements[0].part == part && self.measurements[0].quantity == quantity
    }

    /// A value of the case; empty if it has none of that name.
    pub(super) fn value(&self, name: &str) -> &'a str {
        self.measurements[0].case(name).unwrap_or_default()
    }

    pub(super) fn unit(&self) -> &'a str {
        &self.measurements[0].unit
    }

    pub(super) fn contender(&self, name: &str) -> Option<&'a Measurement> {
        (self.measurements.iter().copied()).find(|m| m.contender == name)
    }

    /// All but the floor, ourselves, and what only a calculation can reach.
    pub(super) fn peers(&self) -> impl Iterator<Item = &'a Measurement> {
        let theirs = |m: &&Measurement| {
            let others = ["rekindle", "floor", "offline optimum"];
            !others.iter().any(|name| m.contender.starts_with(name))
        };
        self.measurements.iter().copied().filter(theirs)
    }

    /// What distinguishes the case from others, without the values of some keys.
    pub(super) fn key_without(&self, names: &[&str]) -> BTreeMap<&'a str, &'a str> {
        let case = self.measurements[0].case.iter();
        let rest = case.filter(|(key, _)| !names.contains(&key.as_str()));
        rest.map(|(key, value)| (&**key, &**value)).collect()
    }

    /// `10 k sessions, 2 threads`, without the values of some keys.
    pub(super) fn name_without(&self, names: &[&str]) -> String {
        let mut pairs: Vec<_> = self.key_without(names).into_iter().collect();
        let place = |key: &str| ORDER.iter().position(|k| *k == key).unwrap_or(ORDER.len());
        pairs.sort_by_key(|(key, _)| place(key));
        let words: Vec<_> = pairs.iter().filter_map(|(k, v)| words(k, v)).collect();
        words.join(", ")
    }
}

/// Puts the measurements of a record together by case; those without samples are left out.
pub(super) fn cases(record: &Record) -> Vec<Case<'_>> {
    let measured = record.measurements.iter().filter(|m| !m.samples.is_empty());
    let groups = group_by(measured, |m| (&m.part, &m.quantity, &m.case)).into_iter();
    groups.map(|measurements| Case { measurements }).collect()
}

/// Puts together what has the same key, in the order in which the keys are met.
pub(super) fn group_by<T, K: Ord>(
    all: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut known = BTreeMap::new();
    for one in all {
        let group = *known.entry(key(&one)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// Each contender of the cases, in the order in which they are met.
pub(super) fn contenders<'a>(cases: &[&Case<'a>]) -> Vec<&'a str> {
    let all = cases.iter().flat_map(|case| &case.measurements);
    all.map(|m| &*m.contender).unique().collect()
}

/// A value of a case in words. Keys are uniform where nothing else is said.
pub(super) fn words(key: &str, value: &str) -> Option<String> {
    Some(match (key, value) {
        ("keys", "uniform") => return None,
        ("keys", _) => format!("{value} keys"),
        ("sessions" | "connections" | "threads" | "writers" | "readers", _) => {
            let noun = match value {
                "1" => key.trim_end_matches('s'),
                _ => key,
            };
            format!("{} {noun}", count(value))
        }
        ("bytes", _) => format!("{value} B"),
        ("ring", _) => format!("ring {value}"),
        ("capacity %", _) => format!("capacity {value} %"),
        _ => value.to_owned(),
    })
}

/// The middle of what was seen, and its quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Self {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|q| quantile(values, q));
        Self { low, median, high }
    }
}

/// Three digits that count, or all before the point: `0.041`, `1.04`, `35.2`, `12,345`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".to_owned(),
        99.95.. => grouped(value),
        9.995.. => format!("{value:.1}"),
        0.0 | 0.1.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{text}")
}

/// A count that was written with all its digits: `100000` is `100 k`, `4000000` is `4 M`.
pub(super) fn count(digits: &str) -> String {
    match digits.parse::<u64>() {
        Ok(n) if n >= 1_000_000 && n.is_multiple_of(100_000) => {
            format!("{} M", n as f64 / 1e6)
        }
        Ok(n) if n >= 1_000 && n.is_multiple_of(100) => format!("{} k", n as f64 / 1e3),
        _ => digits.to_owned(),
    }
}

/// A number of seconds: `45 s`, `12 min 5 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 => format!("{seconds:.1} s"),
        1..=59 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts = [0.0, 0.04123, 0.5, 1.0449, 35.24, 99.96, 1234567.0, -1500.4].map(short);
        assert_eq!(
            texts.join(" "),
            "0.00 0.041 0.50 1.04 35.2 100 1,234,567 −1,500"
        );
        assert_eq!(short(f64::NAN), "–");
    }
}
