//! The selectors in queries, `rekindle_name{label="value"}`, and whether a terminator has such
//! series.

/// A metric, and what its labels must be.
#[derive(Debug)]
pub(super) struct Selector {
    name: String,
    matchers: Vec<Matcher>,
}

#[derive(Debug)]
struct Matcher {
    label: String,
    operator: String,
    value: String,
}

/// What Prometheus adds to each series.
const ADDED: [&str; 2] = ["job", "instance"];

impl Selector {
    /// All selectors in a text.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let starts = text.match_indices("rekindle_");
        let selectors = starts.map(|(start, _)| {
            let text = &text[start..];
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, rest) = text.split_at(end.unwrap_or(text.len()));
            let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let matchers = braces.map_or("", |(matchers, _)| matchers);
            let matchers = matchers.split(',').filter(|matcher| !matcher.is_empty());
            Self {
                name: name.to_owned(),
                matchers: matchers.map(Matcher::of).collect(),
            }
        });
        selectors.collect()
    }

    /// Whether the text of `/metrics` has a series for each value that is asked for, and has each
    /// label.
    pub(super) fn exists_in(&self, metrics: &str) -> bool {
        let lines = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(&*self.name));
        let series: Vec<_> = lines.filter(|rest| rest.starts_with(['{', ' '])).collect();
        let mut matchers = self.matchers.iter();
        !series.is_empty() && matchers.all(|matcher| matcher.is_met_by(&series))
    }
}

impl Matcher {
    #[track_caller]
    fn of(text: &str) -> Self {
        let end = text.find(['=', '!']).expect("an operator");
        let (label, rest) = text.split_at(end);
        let quote = rest.find('"').expect("a value");
        Self {
            label: label.to_owned(),
            operator: rest[..quote].to_owned(),
            value: rest[quote..].trim_matches('"').to_owned(),
        }
    }

    fn is_met_by(&self, series: &[&str]) -> bool {
        let has = |text: String| series.iter().any(|labels| labels.contains(&text));
        let label = &self.label;
        if ADDED.contains(&&**label) {
            return true;
        }
        let is_positive = self.operator.starts_with('=');
        match is_positive {
            true => (self.value.split('|')).all(|value| has(format!("{label}=\"{value}\""))),
            false => has(format!("{label}=\"")),
        }
    }
}

#[test]
fn selectors_are_found_and_compared() {
    let metrics = "rekindle_a_total{x=\"1\",y=\"2\"} 5\nrekindle_a_total{x=\"3\",y=\"2\"} 5\n\
                   rekindle_b 1\n";
    for (query, exists) in [
        ("rate(rekindle_a_total[5m])", true),
        (r#"rekindle_a_total{job=~".+",x="1"}"#, true),
        (r#"rekindle_a_total{x=~"1|3"} / rekindle_b"#, true),
        (r#"rekindle_a_total{z!="1"}"#, false),
        (r#"rekindle_a_total{x=~"1|2"}"#, false),
        (r#"rekindle_a_total{x="2"}"#, false),
        ("rekindle_a", false),
        ("rekindle_b + rekindle_c", false),
        (r#"rekindle_b{x="1"}"#, false),
    ] {
        let selectors = Selector::all(query);
        assert!(!selectors.is_empty());
        let all = selectors.iter().all(|selector| selector.exists_in(metrics));
        assert_eq!(all, exists, "{query}: {selectors:?}");
    }
}
