//! Drawings. They stretch to the width that there is, so they hold no text: what they show is told
//! beside them and in their names.

use std::fmt::Write;

use maud::{Markup, html};

use crate::admin::history::{Rate, SPAN};

const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 100.0;

/// Handshakes a second over the last minutes: full ones, and on top of them those that resumed.
pub(super) fn rates(rates: &[Rate], name: &str) -> Markup {
    let peak = peak(rates);
    let x = |rate: &Rate| WIDTH * (1.0 - (rate.ago / SPAN.as_secs_f64()).min(1.0));
    let y = |value: f64| HEIGHT * (1.0 - value / peak.max(1e-9));
    let full: Vec<_> = rates.iter().map(|rate| (x(rate), y(rate.full))).collect();
    let all: Vec<_> = rates
        .iter()
        .map(|rate| (x(rate), y(rate.full + rate.resumed)))
        .collect();
    let base = |line: &[(f64, f64)]| {
        let ends = [line.last(), line.first()].into_iter().flatten();
        ends.map(|(x, _)| (*x, HEIGHT)).collect::<Vec<_>>()
    };
    let resumed = full.iter().rev().copied().collect::<Vec<_>>();
    drawing(
        "chart",
        name,
        &html! {
            polygon.full points=(points(&[&full[..], &base(&full)].concat())) {}
            polygon.resumed points=(points(&[&all[..], &resumed].concat())) {}
        },
    )
}

/// The most handshakes in a second.
pub(super) fn peak(rates: &[Rate]) -> f64 {
    rates
        .iter()
        .map(|rate| rate.full + rate.resumed)
        .fold(0.0, f64::max)
}

/// A line through points whose coordinates are shares of the width and of the height, and marks at
/// shares of the width.
pub(super) fn line(line: &[(f64, f64)], mark: f64, name: &str) -> Markup {
    let line: Vec<_> = line
        .iter()
        .map(|(x, y)| (x * WIDTH, (1.0 - y) * HEIGHT))
        .collect();
    drawing(
        "chart",
        name,
        &html! {
            polyline.curve points=(points(&line)) {}
            (upright(mark))
        },
    )
}

/// A bar beside its number, for the eye alone.
pub(super) fn bar(share: f64) -> Markup {
    html! {
        svg.bar viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" {
            rect width=(round(share.clamp(0.0, 1.0) * WIDTH)) height="100" {}
        }
    }
}

/// When a key seals and when it opens only, and now, in shares of the width.
pub(super) fn lane(seals: Option<(f64, f64)>, opens: (f64, f64), now: f64, name: &str) -> Markup {
    drawing(
        "lane",
        name,
        &html! {
            (span("opens", opens))
            @if let Some(seals) = seals { (span("seals", seals)) }
            (upright(now))
        },
    )
}

fn span(class: &str, (from, until): (f64, f64)) -> Markup {
    let (from, until) = (from.clamp(0.0, 1.0), until.clamp(0.0, 1.0));
    let width = round((until - from).max(0.0) * WIDTH);
    html! { rect class=(class) x=(round(from * WIDTH)) y="20" width=(width) height="60" {} }
}

fn upright(at: f64) -> Markup {
    let x = round(at * WIDTH);
    html! { line.mark x1=(x) x2=(x) y1="0" y2="100" {} }
}

fn drawing(class: &str, name: &str, content: &Markup) -> Markup {
    html! {
        svg class=(class) viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
            aria-label=(name) {
            (content)
        }
    }
}

fn points(line: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (x, y) in line {
        let _ = write!(text, "{},{} ", round(*x), round(*y));
    }
    text
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_lie_within_the_drawing() {
        let rate = |ago, full, resumed| Rate { ago, full, resumed };
        let drawn = rates(
            &[
                rate(600.0, 0.0, 0.0),
                rate(150.0, 1.0, 3.0),
                rate(0.0, 2.0, 0.0),
            ],
            "n",
        );
        let expected = r#"<polygon class="full" points="0,100 50,75 100,50 100,100 0,100 ">"#;
        assert!(drawn.0.contains(expected), "{}", drawn.0);
        let expected = r#"points="0,100 50,0 100,50 100,50 50,75 0,100 ">"#;
        assert!(drawn.0.contains(expected), "{}", drawn.0);
        assert!(rates(&[], "n").0.contains(r#"points="">"#));
        assert!(!rates(&[rate(0.0, 0.0, 0.0)], "n").0.contains("NaN"));
    }
}
