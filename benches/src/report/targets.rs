//! The targets that the harness checks, and how far a record meets them: `targets.json` has a row
//! for each, this file evaluates them.
//!
//! Every number is a median over the rounds. Two contenders are compared round by round, so that a
//! disturbance of the machine meets both of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cases::{Case, Spread, cases, words};
use super::verdict::{Check, Limit, Row, Unit};
use crate::record::{Measurement, Record, quantile};

pub(super) fn rows(record: &Record) -> Vec<Row> {
    let targets: Vec<Target> =
        serde_json::from_str(include_str!("targets.json")).expect("targets.json has this form");
    let cases = cases(record);
    targets.into_iter().map(|t| t.evaluate(&cases)).collect()
}

/// Keys of a case and the values that they may have; a `*` at an end stands for any text.
type Filter = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    measure: String,
    target: String,
    #[serde(flatten)]
    limit: Limit,
    #[serde(default)]
    unit: Unit,
    part: String,
    quantity: String,
    #[serde(default)]
    cases: Filter,
    /// Keys that the names of the cases leave out.
    #[serde(default)]
    hide: Vec<String>,
    /// Each combination of these has to be measured. The key `beside` stands for the peer.
    #[serde(default)]
    expected: BTreeMap<String, Vec<String>>,
    /// Whether cases beside the expected ones count as well.
    #[serde(default)]
    beyond_expected: bool,
    #[serde(default = "rekindle")]
    ours: Vec<String>,
    against: Against,
    /// What the ratios are multiplied by.
    #[serde(default = "one")]
    factor: f64,
    /// Of the cases with equal values for this key, the best one counts.
    best_of_each: Option<String>,
    /// What else has to hold for a contender in the same case, as far as it was measured.
    only_if: Option<Condition>,
    /// Whether to mention cases that the target does not speak about.
    #[serde(default)]
    mention_others: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Against {
    Nothing,
    /// Each of these contenders; every peer where none is named.
    Each(Vec<String>),
    /// Of these contenders the one with the shortest time; of every peer where none is named.
    Fastest(Vec<String>),
    /// The same contender in the case that has this value for this key.
    Case(String, String),
}

#[derive(Deserialize)]
struct Condition {
    quantity: String,
    #[serde(flatten)]
    limit: Limit,
}

fn rekindle() -> Vec<String> {
    vec!["rekindle".to_owned()]
}

fn one() -> f64 {
    1.0
}

struct Seen<'c, 'a> {
    case: &'c Case<'a>,
    peer: &'a str,
    name: String,
    samples: Vec<f64>,
}

impl Target {
    fn evaluate(&self, cases: &[Case<'_>]) -> Row {
        let of_quantity = cases.iter().filter(|c| c.is_of(&self.part, &self.quantity));
        let (counted, others): (Vec<_>, Vec<_>) =
            of_quantity.partition(|case| fits(&self.cases, |key| case.value(key)));
        let mut seen: Vec<_> = (counted.iter())
            .flat_map(|case| self.seen_in(case, cases))
            .collect();
        if let Some(key) = &self.best_of_each {
            seen = self.best_of_each(seen, key);
        }
        let (mut checks, mut unmeasured) = (Vec::new(), Vec::new());
        for slice in &combinations(&self.expected) {
            let before = checks.len();
            let expected = seen.extract_if(.., |one| fits(slice, |key| one.value(key)));
            checks.extend(expected.map(|one| check(one.name, &one.samples)));
            if checks.len() == before {
                unmeasured.push(name_of(slice));
            }
        }
        if self.beyond_expected {
            checks.extend(seen.into_iter().map(|one| check(one.name, &one.samples)));
        }
        let ours = |case: &&Case<'_>| {
            let ours = case.contender(&self.ours[0])?;
            Some(check(case.name(), &ours.samples))
        };
        let others = others.into_iter().filter(|_| self.mention_others);
        Row {
            measure: self.measure.clone(),
            target: self.target.clone(),
            limit: self.limit,
            unit: self.unit,
            checks,
            beside: others.filter_map(|case| ours(&case)).collect(),
            unmeasured,
        }
    }

    fn seen_in<'c, 'a>(&self, case: &'c Case<'a>, cases: &[Case<'a>]) -> Vec<Seen<'c, 'a>> {
        let mut all = Vec::new();
        for ours in self.ours.iter().filter_map(|name| case.contender(name)) {
            let holds = |contender: &str| self.condition_holds(cases, case, contender);
            for theirs in self.opponents(case, cases, ours, &holds) {
                let hidden: Vec<_> = self.hide.iter().map(String::as_str).collect();
                let mut name = case.name_without(&hidden);
                if self.ours.len() > 1 {
                    name = format!("{name}, {}", ours.contender);
                }
                if self.names_peers() {
                    name = format!("{name}, beside {}", theirs.contender);
                }
                let mut samples = self.compare(ours, theirs);
                if !holds(&ours.contender) {
                    // A miss: no number of ours means anything here.
                    samples = vec![f64::NAN];
                }
                all.push(Seen {
                    case,
                    peer: &theirs.contender,
                    name,
                    samples,
                });
            }
        }
        all
    }

    fn opponents<'a>(
        &self,
        case: &Case<'a>,
        cases: &[Case<'a>],
        ours: &'a Measurement,
        holds: &dyn Fn(&str) -> bool,
    ) -> Vec<&'a Measurement> {
        let named = |names: &[String]| -> Vec<&'a Measurement> {
            let all: Vec<_> = match names {
                [] => case.peers().collect(),
                _ => names
                    .iter()
                    .filter_map(|name| case.contender(name))
                    .collect(),
            };
            all.into_iter().filter(|m| holds(&m.contender)).collect()
        };
        match &self.against {
            Against::Nothing => vec![ours],
            Against::Each(names) => named(names),
            Against::Fastest(names) => {
                let all = named(names).into_iter();
                let fastest = all.min_by(|a, b| a.median().total_cmp(&b.median()));
                fastest.into_iter().collect()
            }
            Against::Case(key, value) => {
                let partner = cases.iter().find(|c| {
                    c.is_of(&self.part, &self.quantity)
                        && c.value(key) == value
                        && c.key_without(&[key]) == case.key_without(&[key])
                });
                let same = partner.and_then(|partner| partner.contender(&ours.contender));
                same.into_iter().collect()
            }
        }
    }

    fn compare(&self, ours: &Measurement, theirs: &Measurement) -> Vec<f64> {
        let pairs = || ours.samples.iter().zip(&theirs.samples);
        match (&self.against, self.unit) {
            (Against::Nothing, _) => ours.samples.clone(),
            (_, Unit::Points) => pairs().map(|(ours, theirs)| ours - theirs).collect(),
            _ => pairs()
                .map(|(ours, theirs)| self.factor * ours / theirs)
                .collect(),
        }
    }

    /// Whether the name of a case has to say which peer it is beside.
    fn names_peers(&self) -> bool {
        match &self.against {
            Against::Each(names) | Against::Fastest(names) => names.len() != 1,
            Against::Nothing | Against::Case(..) => false,
        }
    }

    fn condition_holds(&self, cases: &[Case<'_>], of: &Case<'_>, contender: &str) -> bool {
        let Some(condition) = &self.only_if else {
            return true;
        };
        let of = of.key_without(&[]);
        let measured = cases.iter().find(|case| {
            let mut keys = case.key_without(&[]).into_iter();
            case.is_of(&self.part, &condition.quantity)
                && keys.all(|(key, value)| of.get(key) == Some(&value))
        });
        let share = measured.and_then(|case| case.contender(contender));
        share.is_none_or(|share| condition.limit.excess(share.median()) <= 0.0)
    }

    fn best_of_each<'c, 'a>(&self, all: Vec<Seen<'c, 'a>>, key: &str) -> Vec<Seen<'c, 'a>> {
        let excess = |one: &Seen<'_, '_>| self.limit.excess(quantile(&one.samples, 0.5));
        let mut best: Vec<Seen<'c, 'a>> = Vec::new();
        for one in all {
            match best.iter_mut().find(|b| b.value(key) == one.value(key)) {
                Some(known) if excess(&one) < excess(known) => *known = one,
                Some(_) => {}
                None => best.push(one),
            }
        }
        best
    }
}

fn check(case: String, seen: &[f64]) -> Check {
    let seen = Spread::of(seen);
    Check { case, seen }
}

impl Seen<'_, '_> {
    fn value(&self, key: &str) -> &str {
        match key {
            "beside" => self.peer,
            _ => self.case.value(key),
        }
    }
}

fn fits<'v>(filter: &Filter, value: impl Fn(&str) -> &'v str) -> bool {
    let matches = |pattern: &str, value: &str| {
        let text = pattern.trim_matches('*');
        match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (true, true) => value.to_lowercase().contains(text),
            (false, true) => value.starts_with(text),
            _ => value == pattern,
        }
    };
    let mut keys = filter.iter();
    keys.all(|(key, patterns)| patterns.iter().any(|pattern| matches(pattern, value(key))))
}

fn combinations(expected: &Filter) -> Vec<Filter> {
    expected
        .iter()
        .fold(vec![Filter::new()], |all, (key, values)| {
            let with = |one: &Filter, value: &String| {
                let mut one = one.clone();
                one.insert(key.clone(), vec![value.clone()]);
                one
            };
            let each = all
                .iter()
                .flat_map(|one| values.iter().map(move |v| with(one, v)));
            each.collect()
        })
}

fn name_of(slice: &Filter) -> String {
    let names = slice
        .iter()
        .filter_map(|(key, values)| words(key, &values[0]));
    let name = names.collect::<Vec<_>>().join(", ");
    match &*name {
        "" => "any case".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
