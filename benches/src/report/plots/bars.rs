//! A plot of horizontal bars, ours in colour.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend, Text,
};
use plotters::style::Color;

use super::palette::{FAINT, GRID, INK, OURS, PAPER, PLAIN};
use super::text;
use crate::report::cases::{Spread, is_bound, is_ours};
use crate::report::numbers;

const WIDTH: u32 = 720;
/// Room for titles above the bars.
const TOP: i32 = 58;
const ROW: i32 = 28;
const BAR: i32 = 18;
/// Where bars begin and where the longest ends.
const LEFT: i32 = 204;
const RIGHT: i32 = 620;

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    /// What the lengths show.
    pub(super) what: String,
    /// From top to bottom; values are not below zero.
    pub(super) bars: Vec<(String, Spread)>,
}

impl Bars {
    /// Draws it as SVG.
    pub(super) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let height = TOP + ROW * self.bars.len() as i32 + 8;
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32));
            let root = root.into_drawing_area();
            root.fill(&PAPER.light)?;
            root.draw(&Text::new(&*self.title, (12, 10), text::title()))?;
            root.draw(&Text::new(&*self.what, (12, 32), text::small()))?;
            let longest = self.longest();
            for (row, (name, seen)) in self.bars.iter().enumerate() {
                draw_bar(
                    &root,
                    TOP + ROW * row as i32 + ROW / 2,
                    name,
                    *seen,
                    longest,
                )?;
            }
            root.present()?;
        }
        Ok(text::accessible(&svg, &self.title))
    }

    /// The value that a bar of full length stands for. One that is far above most others would
    /// leave nothing of them: such bars are cut.
    fn longest(&self) -> f64 {
        let mut values: Vec<_> = self.bars.iter().map(|(_, seen)| seen.median).collect();
        values.sort_by(f64::total_cmp);
        let greatest = values.last().copied().unwrap_or(1.0);
        let middle = values[values.len() / 2];
        let cut = 3.0 * middle;
        let uncut = values.iter().copied().filter(|v| *v <= cut);
        let longest_uncut = uncut.fold(0.0, f64::max);
        let longest = if greatest > cut {
            longest_uncut * 1.15
        } else {
            greatest
        };
        if longest > 0.0 { longest } else { 1.0 }
    }
}

fn draw_bar(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    middle: i32,
    name: &str,
    seen: Spread,
    longest: f64,
) -> Result<(), Box<dyn Error>> {
    let (bar, word) = match name {
        _ if is_ours(name) => (OURS, OURS),
        _ if is_bound(name) => (GRID, FAINT),
        _ => (PLAIN, INK),
    };
    let at = |value: f64| LEFT + ((RIGHT - LEFT) as f64 * (value / longest).clamp(0.0, 1.0)) as i32;
    let (top, bottom) = (middle - BAR / 2, middle + BAR / 2);
    let end = at(seen.median);
    root.draw(&Text::new(
        name,
        (LEFT - 10, middle),
        text::before(word.light, is_ours(name)),
    ))?;
    root.draw(&Rectangle::new(
        [(LEFT, top), (end, bottom)],
        bar.light.filled(),
    ))?;
    if seen.median > longest {
        // A gap across the bar: it is longer than this.
        let gap = |x| {
            [
                (x, bottom + 2),
                (x + 6, top - 2),
                (x + 11, top - 2),
                (x + 5, bottom + 2),
            ]
        };
        root.draw(&Polygon::new(gap(RIGHT - 34), PAPER.light.filled()))?;
    } else if seen.low < seen.high {
        let spread = [(at(seen.low), middle), (at(seen.high), middle)];
        root.draw(&PathElement::new(spread, INK.light.stroke_width(2)))?;
    }
    let end = end.max(at(seen.high.min(longest)));
    let value = numbers::short(seen.median);
    root.draw(&Text::new(
        value,
        (end + 8, middle),
        text::beside(word.light, is_ours(name)),
    ))?;
    Ok(())
}
