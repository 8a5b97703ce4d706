//! The targets that the harness checks, and how far a record meets them: `targets.json` has a row
//! for each, this file evaluates them.
//!
//! Every number is a median over the rounds. Two contenders are compared round by round, so that a
//! disturbance of the machine meets both of them.

use std::collections::BTreeMap;

use itertools::Itertools;
use serde::Deserialize;
use serde_json::Value;

use super::cases::{Case, Spread, cases, words};
use super::verdict::{Check, Limit, Row, Unit};
use crate::record::{Measurement, Record, quantile};

/// A record of single parts is held against the targets of those parts.
pub(super) fn rows(record: &Record) -> Vec<Row> {
    let cases = cases(record);
    let is_spoken_of = |target: &&Target| {
        record.scale != Record::OF_PARTS || record.durations.contains_key(&target.of[0])
    };
    let targets = targets();
    let spoken_of = targets.iter().filter(is_spoken_of);
    spoken_of.map(|target| target.evaluate(&cases)).collect()
}

/// The targets of each measure have what the measure has, unless they say otherwise.
fn targets() -> Vec<Target> {
    type Fields = serde_json::Map<String, Value>;
    const FORM: &str = "targets.json has this form";
    let measures: Vec<Fields> = serde_json::from_str(include_str!("targets.json")).expect(FORM);
    let of_measure = |mut measure: Fields| {
        let targets = measure.remove("targets").expect(FORM);
        let targets: Vec<Fields> = serde_json::from_value(targets).expect(FORM);
        let whole = move |target| measure.clone().into_iter().chain(target).collect();
        targets.into_iter().map(whole).collect::<Vec<Value>>()
    };
    let all = measures.into_iter().flat_map(of_measure);
    let parsed = all.map(|target| serde_json::from_value(target).expect(FORM));
    parsed.collect()
}

/// Keys of a case and the values that they may have; a `*` at an end stands for any text.
type Filter = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Target {
    measure: String,
    target: String,
    #[serde(flatten)]
    limit: Limit,
    #[serde(default)]
    unit: Unit,
    /// The part and the quantity.
    of: [String; 2],
    #[serde(default)]
    cases: Filter,
    /// Each combination of these has to be measured. The key `beside` stands for the peer.
    #[serde(default)]
    expected: BTreeMap<String, Vec<String>>,
    #[serde(default = "rekindle")]
    ours: Vec<String>,
    #[serde(flatten)]
    against: Against,
    /// What the ratios are multiplied by.
    factor: Option<f64>,
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
    /// The value itself counts.
    Alone(()),
    /// Each of these contenders; every peer where none is named.
    Each(Vec<String>),
    /// Of these contenders the one with the shortest time, or the highest rate where ours has to
    /// be at least something of it; of every peer where none is named.
    Fastest(Vec<String>),
    /// The same contender in the case that has this value for this key.
    Case(String, String),
}

/// Peers whose values overwrite themselves are judged, as ours do so too; what is seen beside the
/// same peers without that is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Judged,
    Told,
}

const WIPING: &str = ", wiping";

#[derive(Deserialize)]
struct Condition {
    quantity: String,
    #[serde(flatten)]
    limit: Limit,
}

fn rekindle() -> Vec<String> {
    vec!["rekindle".to_owned()]
}

struct Seen<'c, 'a> {
    case: &'c Case<'a>,
    peer: &'a str,
    name: String,
    samples: Vec<f64>,
}

impl Target {
    fn evaluate(&self, cases: &[Case<'_>]) -> Row {
        let of_quantity = cases.iter().filter(|c| c.is_of(&self.of[0], &self.of[1]));
        let (counted, others): (Vec<_>, Vec<_>) =
            of_quantity.partition(|case| fits(&self.cases, |key| case.value(key)));
        let mut seen = self.seen_in(&counted, cases, Form::Judged);
        if let Some(key) = &self.best_of_each {
            seen = self.best_of_each(seen, key);
        }
        let (mut checks, mut unmeasured) = (Vec::new(), Vec::new());
        let expected = combinations(&self.expected);
        let mut told = self.seen_in(&counted, cases, Form::Told);
        told.retain(|one| {
            let fits = |slice| fits(slice, |key| one.value(key));
            expected.iter().any(fits)
        });
        for slice in &expected {
            let before = checks.len();
            let expected = seen.extract_if(.., |one| fits(slice, |key| one.value(key)));
            checks.extend(expected.map(|one| check(one.name, &one.samples)));
            if checks.len() == before {
                unmeasured.push(name_of(slice));
            }
        }
        let ours = |case: &&Case<'_>| {
            let ours = case.contender(&self.ours[0])?;
            Some(check(case.name_without(&[]), &ours.samples))
        };
        let others = others.into_iter().filter(|_| self.mention_others);
        let worst = (told.into_iter()).max_by(|a, b| self.excess(a).total_cmp(&self.excess(b)));
        let told = worst.map(|one| check(one.name, &one.samples));
        Row {
            measure: self.measure.clone(),
            target: self.target.clone(),
            limit: self.limit,
            unit: self.unit,
            checks,
            beside: others.filter_map(|case| ours(&case)).chain(told).collect(),
            unmeasured,
        }
    }

    fn seen_in<'c, 'a>(
        &self,
        counted: &[&'c Case<'a>],
        cases: &[Case<'a>],
        form: Form,
    ) -> Vec<Seen<'c, 'a>> {
        let mut all = Vec::new();
        let each = counted.iter().flat_map(|case| {
            let ours = self.ours.iter().filter_map(|name| case.contender(name));
            ours.map(move |ours| (*case, ours))
        });
        for (case, ours) in each {
            let holds = |contender: &str| self.condition_holds(cases, case, contender);
            for theirs in self.opponents(case, cases, ours, form, &holds) {
                let hidden = self.cases.iter().filter(|(_, values)| values.len() == 1);
                let hidden: Vec<_> = hidden.map(|(key, _)| key.as_str()).collect();
                let mut name = case.name_without(&hidden);
                if self.ours.len() > 1 {
                    name = format!("{name}, {}", ours.contender);
                }
                if self.names_peers() || form == Form::Told {
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
        form: Form,
        holds: &dyn Fn(&str) -> bool,
    ) -> Vec<&'a Measurement> {
        let named = |names: &[String]| -> Vec<&'a Measurement> {
            let in_form = |name: &'_ str| match form {
                Form::Judged => case.contender(name),
                Form::Told => case.contender(name.strip_suffix(WIPING)?),
            };
            let told = |m: &&Measurement| case.contender(&(m.contender.clone() + WIPING)).is_some();
            let all: Vec<_> = match names {
                [] if form == Form::Told => case.peers().filter(told).collect(),
                [] => case.peers().filter(|m| !told(m)).collect(),
                _ => names.iter().filter_map(|name| in_form(name)).collect(),
            };
            all.into_iter().filter(|m| holds(&m.contender)).collect()
        };
        match &self.against {
            Against::Alone(_) | Against::Case(..) if form == Form::Told => Vec::new(),
            Against::Alone(_) => vec![ours],
            Against::Each(names) => named(names),
            Against::Fastest(names) => {
                let all = named(names).into_iter();
                let order = |a: &&Measurement, b: &&Measurement| match self.limit {
                    Limit::AtMost(_) => a.median().total_cmp(&b.median()),
                    Limit::AtLeast(_) => b.median().total_cmp(&a.median()),
                };
                all.min_by(order).into_iter().collect()
            }
            Against::Case(key, value) => {
                let partner = cases.iter().find(|c| {
                    c.is_of(&self.of[0], &self.of[1])
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
            (Against::Alone(_), _) => ours.samples.clone(),
            (_, Unit::Points) => pairs().map(|(ours, theirs)| ours - theirs).collect(),
            _ => pairs()
                .map(|(o, t)| self.factor.unwrap_or(1.0) * o / t)
                .collect(),
        }
    }

    /// Whether the name of a case has to say which peer it is beside.
    fn names_peers(&self) -> bool {
        match &self.against {
            Against::Each(names) | Against::Fastest(names) => names.len() != 1,
            Against::Alone(_) | Against::Case(..) => false,
        }
    }

    fn condition_holds(&self, cases: &[Case<'_>], of: &Case<'_>, contender: &str) -> bool {
        let Some(condition) = &self.only_if else {
            return true;
        };
        let of = of.key_without(&[]);
        let measured = cases.iter().find(|case| {
            let mut keys = case.key_without(&[]).into_iter();
            case.is_of(&self.of[0], &condition.quantity)
                && keys.all(|(key, value)| of.get(key) == Some(&value))
        });
        let share = measured.and_then(|case| case.contender(contender));
        share.is_none_or(|share| condition.limit.excess(share.median()) <= 0.0)
    }

    fn excess(&self, seen: &Seen<'_, '_>) -> f64 {
        self.limit.excess(quantile(&seen.samples, 0.5))
    }

    fn best_of_each<'c, 'a>(&self, all: Vec<Seen<'c, 'a>>, key: &str) -> Vec<Seen<'c, 'a>> {
        let mut best: Vec<Seen<'c, 'a>> = Vec::new();
        for one in all {
            match best.iter_mut().find(|b| b.value(key) == one.value(key)) {
                Some(known) if self.excess(&one) < self.excess(known) => *known = one,
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
    let one = |(key, values): (&String, &Vec<String>)| {
        let key = key.clone();
        let with = move |value: String| (key.clone(), vec![value]);
        values.clone().into_iter().map(with)
    };
    let all = expected.iter().map(one).multi_cartesian_product();
    all.map(Filter::from_iter).collect()
}

fn name_of(slice: &Filter) -> String {
    let name = |(key, values): (&String, &Vec<String>)| words(key, &values[0]);
    match slice.iter().filter_map(name).join(", ") {
        name if name.is_empty() => "any case".to_owned(),
        name => name,
    }
}

#[cfg(test)]
mod tests;
