//! OpenMetrics text, as far as it is needed here: samples with names, labels and values.

use super::error::MetricsError;

/// What a scrape said.
#[derive(Debug)]
pub(super) struct Samples(Vec<Sample>);

/// One line of it.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|(label, _)| label == name);
        label.map(|(_, value)| value.as_str())
    }
}

impl Samples {
    /// Reads the whole text.
    pub(super) fn parse(text: &str) -> Result<Self, MetricsError> {
        let mut samples = Vec::new();
        let mut ended = false;
        for (number, line) in text.lines().enumerate() {
            let wrong = |reason| MetricsError::Line(number + 1, reason);
            if ended {
                return Err(wrong("something follows the end"));
            }
            if line == "# EOF" {
                ended = true;
            } else if !line.starts_with('#') {
                samples.push(sample(line).map_err(wrong)?);
            }
        }
        if ended {
            Ok(Self(samples))
        } else {
            Err(MetricsError::CutShort)
        }
    }

    /// All samples of a name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The number that a name counts, all labels together.
    pub(super) fn count(&self, name: &str) -> Result<f64, MetricsError> {
        let values: Vec<f64> = self.named(name).map(|sample| sample.value).collect();
        if values.is_empty() {
            return Err(MetricsError::Missing(name.to_owned()));
        }
        if !values.iter().all(|value| is_count(*value)) {
            return Err(MetricsError::Value(name.to_owned()));
        }
        Ok(values.iter().sum())
    }
}

/// Whether a value is a count, as large as floats count one by one at most.
pub(super) fn is_count(value: f64) -> bool {
    (0.0..=9_007_199_254_740_992.0).contains(&value)
}

/// `name{label="value",..} value`, perhaps with a timestamp and an exemplar, which are left alone.
fn sample(line: &str) -> Result<Sample, &'static str> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("no name");
    }
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        (labels, rest) = labels_of(inner)?;
    }
    let value = rest.strip_prefix(' ').ok_or("no value")?;
    let value = value.split(' ').next().unwrap_or_default();
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value: number(value).ok_or("the value is no number")?,
    })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

/// A number as OpenMetrics writes it, which is as Rust reads it but for the sign of infinity.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what follows it.
fn labels_of(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, quoted) = rest.split_once("=\"").ok_or("a label without a value")?;
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err("a label without a name");
        }
        let (value, after) = unquoted(quoted)?;
        labels.push((name.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.starts_with('}') => after,
            None => return Err("labels that do not end"),
        };
    }
}

/// The text up to the closing quotation mark, and what follows it.
fn unquoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a label's value that does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# TYPE a counter\na_total 3\n\
                    a_total{x=\"1\",y=\"\\\"} \\\\\\n,\"} 4.5 1700000000.1 # {z=\"2\"} 1\n\
                    b{le=\"+Inf\",} +Inf\n# EOF\n";
        let samples = Samples::parse(text).unwrap();
        assert_eq!(samples.count("a_total"), Ok(7.5));
        let labelled = samples.named("a_total").nth(1).unwrap();
        assert_eq!(labelled.label("y"), Some("\"} \\\n,"));
        assert_eq!(labelled.label("z"), None);
        let infinite = samples.named("b").next().unwrap();
        assert_eq!(infinite.value, f64::INFINITY);
        assert_eq!(infinite.label("le").and_then(number), Some(f64::INFINITY));
        assert_eq!(samples.count("b"), Err(MetricsError::Value("b".into())));
        assert_eq!(samples.count("c"), Err(MetricsError::Missing("c".into())));
    }

    #[test]
    fn what_is_no_sample_is_named() {
        let wrong = "|a|a | 1|{} 1|\u{e9} 1|a x|a\t1|a{ 1|a{x} 1|a{x=} 1|a{=\"\"} 1|a{x=\"1} 1|\
                     a{x=\"1\\|a{x=\"1\"y=\"2\"} 1|a{x=\"1\"}1|<html> 1";
        for wrong in wrong.split('|') {
            let result = Samples::parse(&format!("# x\n{wrong}\n# EOF\n"));
            assert!(matches!(result, Err(MetricsError::Line(2, _))), "{wrong}");
        }
        let late = Samples::parse("# EOF\na 1\n").unwrap_err();
        assert!(matches!(late, MetricsError::Line(2, _)));
        for short in ["", "a 1\n", "a 1\n# EO"] {
            assert_eq!(Samples::parse(short).unwrap_err(), MetricsError::CutShort);
        }
    }

    #[test]
    fn no_beginning_of_a_scrape_is_taken_for_the_whole() {
        let text = "# TYPE a counter\na_total{x=\"é\\\"\"} 4.5 # {z=\"2\"} 1\nb 1\n# EOF\n";
        for end in (0..text.len() - 1).filter(|end| text.is_char_boundary(*end)) {
            assert!(Samples::parse(&text[..end]).is_err(), "{end}");
        }
    }
}
