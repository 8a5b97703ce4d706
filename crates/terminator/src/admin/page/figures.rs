//! Numbers, times and tables of the page.

use std::fmt::Write;
use std::time::Duration;

use humantime::{format_duration, format_rfc3339_seconds};
use maud::{Markup, html};

use crate::numbers::count;

/// A number of the metrics, with the series that says the same.
pub(super) fn metric(name: &str, labels: &[(&str, &str)], value: u64) -> Markup {
    html! {
        data value=(value) data-series=(series(name, labels)) { (count(value)) }
    }
}

/// A duration of the metrics.
pub(super) fn metric_seconds(name: &str, labels: &[(&str, &str)], value: Duration) -> Markup {
    html! {
        data value=(value.as_secs()) data-series=(series(name, labels)) { (length(value)) }
    }
}

/// A series as `/metrics` writes it.
pub(super) fn series(name: &str, labels: &[(&str, &str)]) -> String {
    let mut text = format!("rekindle_{name}");
    for (at, (label, value)) in labels.iter().enumerate() {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let begin = if at == 0 { '{' } else { ',' };
        let _ = write!(text, "{begin}{label}=\"{value}\"");
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

/// A duration in whole seconds, `1h 2m 3s`.
pub(super) fn length(duration: Duration) -> String {
    format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// A time of day, since 1970.
pub(super) fn moment(unix: Duration) -> Markup {
    /// The year 9999: RFC 3339 has no form for later times.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let time = std::time::UNIX_EPOCH.checked_add(unix.min(LAST));
    let text = time.map_or_else(String::new, |time| format_rfc3339_seconds(time).to_string());
    html! {
        time datetime=(text) { (text.replace('T', " ").replace('Z', " UTC")) }
    }
}

/// As much of a text as a table has room for.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text for names with underscores.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A counter by its label's values. The label is the first head.
pub(super) fn counts(
    caption: &str,
    name: &str,
    heads: [&str; 2],
    counts: &[(&'static str, u64)],
) -> Markup {
    table(
        caption,
        &heads,
        html! {
            @for &(value, number) in counts {
                tr {
                    th scope="row" { (words(value)) }
                    td.number { (metric(name, &[(heads[0], value)], number)) }
                }
            }
        },
    )
}

/// A table that scrolls by itself where the screen is narrow.
pub(super) fn table(caption: &str, heads: &[&str], rows: Markup) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_written_as_in_the_metrics() {
        assert_eq!(series("a_total", &[]), "rekindle_a_total");
        let labels = [("x", "1\"\\\n"), ("y", "")];
        assert_eq!(series("a", &labels), r#"rekindle_a{x="1\"\\\n",y=""}"#);
    }

    #[test]
    fn times_beyond_the_calendar_are_its_end() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (u64::MAX, "9999-12-31 23:59:59 UTC"),
        ] {
            let shown = moment(Duration::from_secs(seconds)).into_string();
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }
}
