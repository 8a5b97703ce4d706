//! Axes: where values lie, and which of them are named.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis from one value to another, with the values that are named.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    /// The values at its ends.
    pub(super) ends: (f64, f64),
    pub(super) marks: Vec<(f64, String)>,
}

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

impl Axis {
    /// An axis for all of the values, with a little room at both ends.
    pub(super) fn around(scale: Scale, values: impl Iterator<Item = f64>, room: f64) -> Self {
        // On a log scale, what is not above zero lies nowhere.
        let positions = values.map(|v| scale.position(v)).filter(|p| p.is_finite());
        let (low, high) = positions.fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p), h.max(p)));
        let room = ((high - low) * room).max(0.02);
        Self {
            scale,
            ends: (scale.value(low - room), scale.value(high + room)),
            marks: Vec::new(),
        }
    }

    /// Names a handful of round values.
    pub(super) fn with_round_marks(mut self, name: fn(f64) -> String) -> Self {
        let (least, greatest) = self.ends;
        let values = match self.scale {
            Scale::Linear => linear(least, greatest),
            Scale::Log => log(least, greatest),
        };
        self.marks = values.into_iter().map(|v| (v, name(v))).collect();
        self
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let [least, greatest, value] =
            [self.ends.0, self.ends.1, *value].map(|v| self.scale.position(v));
        let share = ((value - least) / (greatest - least)).clamp(0.0, 1.0);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.marks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let mark = self.marks.iter().find(|(marked, _)| marked == value);
        mark.map(|(_, name)| name.clone()).unwrap_or_default()
    }
}

impl Scale {
    /// Where a value lies, on a scale of equal steps.
    fn position(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        }
    }

    /// The value at a position.
    fn value(self, position: f64) -> f64 {
        match self {
            Self::Linear => position,
            Self::Log => 10f64.powf(position),
        }
    }
}

fn linear(least: f64, greatest: f64) -> Vec<f64> {
    let step = round_step((greatest - least) / 6.0);
    let (first, last) = (
        (least / step).ceil() as i64,
        (greatest / step).floor() as i64,
    );
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The first of 1, 2, 5, 10, 20, 50, .. that is not below a value.
fn round_step(value: f64) -> f64 {
    let power = 10f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    steps.into_iter().find(|s| *s >= value).unwrap_or(steps[3])
}

fn log(least: f64, greatest: f64) -> Vec<f64> {
    let decades = (greatest / least).log10();
    let digits: &[f64] = match decades {
        d if d < 0.8 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        d if d < 2.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let powers = least.log10().floor() as i32..=greatest.log10().ceil() as i32;
    let all = powers.flat_map(|p| digits.iter().map(move |d| d * 10f64.powi(p)));
    all.filter(|v| (least..=greatest).contains(v)).collect()
}

/// Moves labels apart: positions that are at least `gap` from each other within the range, as close
/// as may be to those that were asked for, in the same order. All in pixels.
pub(super) fn apart(wanted: &[i32], gap: i32, least: i32, greatest: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut placed = vec![0; wanted.len()];
    let mut free = least;
    for i in &order {
        placed[*i] = wanted[*i].max(free);
        free = placed[*i] + gap;
    }
    // Those that were pushed out at the end push the others back.
    let mut limit = greatest;
    for i in order.iter().rev() {
        placed[*i] = placed[*i].min(limit);
        limit = placed[*i] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::text;

    #[test]
    fn marks_are_round() {
        assert_eq!(linear(0.0, 96.0), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(linear(31.0, 34.9), [31.0, 32.0, 33.0, 34.0]);
        assert_eq!(log(0.8, 6.0), [1.0, 2.0, 5.0]);
        assert_eq!(log(300.0, 2e6), [1e3, 1e4, 1e5, 1e6]);
    }

    #[test]
    fn values_lie_between_the_ends() {
        let axis =
            Axis::around(Scale::Log, [1.0, 100.0].into_iter(), 0.0).with_round_marks(text::plain);
        assert_eq!(axis.map(&10.0, (500, 100)), 300);
        assert_eq!(axis.map(&1e9, (500, 100)), 100);
        let names: Vec<_> = axis.marks.iter().map(|(v, _)| axis.format_ext(v)).collect();
        assert_eq!(names, ["1", "2", "5", "10", "20", "50", "100"]);
    }

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        assert_eq!(apart(&[10, 100, 50], 15, 0, 200), [10, 100, 50]);
        assert_eq!(apart(&[50, 52, 51], 15, 0, 200), [50, 80, 65]);
        assert_eq!(apart(&[98, 99, 100], 15, 0, 100), [70, 85, 100]);
    }
}
