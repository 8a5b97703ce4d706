//! A plot of lines, each named at its end.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Circle, DashedLineSeries, DrawingArea, IntoDrawingArea, LineSeries, PathElement,
    SVGBackend, Text,
};
use plotters::style::Color;

use super::axis::{self, Axis, Scale};
use super::palette::{self, GRID, PAPER};
use super::text;
use crate::report::cases::{Spread, is_bound, is_ours};
use crate::report::numbers;

const SIZE: (u32, u32) = (720, 440);
/// Room for the names at the ends of the lines.
const NAMES: u32 = 222;
const NAME_HEIGHT: i32 = 18;

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub(super) title: String,
    /// What the vertical axis shows.
    pub(super) vertical: String,
    pub(super) scale: Scale,
    /// How its values are written.
    pub(super) format: Format,
    /// What the horizontal axis shows.
    pub(super) horizontal: String,
    pub(super) place_scale: Scale,
    /// The places on the horizontal axis, in ascending order, with their names.
    pub(super) places: Vec<(f64, String)>,
    pub(super) series: Vec<Series>,
}

/// How values are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// At the axis, where they are round.
    pub(super) round: fn(f64) -> String,
    /// At the end of a line.
    pub(super) exact: fn(f64) -> String,
}

impl Format {
    pub(super) const NUMBER: Self = Self {
        round: text::plain,
        exact: numbers::short,
    };
    pub(super) const TIME: Self = Self {
        round: numbers::time,
        exact: numbers::time,
    };
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Places and what was seen there; at least one.
    pub(super) points: Vec<(f64, Spread)>,
}

impl Lines {
    /// Draws it as SVG.
    pub(super) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&PAPER.light)?;
            root.draw(&Text::new(&*self.title, (12, 10), text::title()))?;
            root.draw(&Text::new(&*self.vertical, (12, 32), text::small()))?;
            self.draw_chart(&root)?;
            root.present()?;
        }
        Ok(text::accessible(&svg, &self.title))
    }

    fn draw_chart(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>> {
        let seen = self.series.iter().flat_map(|s| &s.points);
        let heights = seen.map(|(_, seen)| seen.median);
        let vertical = Axis::around(self.scale, heights, 0.06).with_round_marks(self.format.round);
        let places = self.places.iter().map(|(place, _)| *place);
        let mut horizontal = Axis::around(self.place_scale, places, 0.03);
        horizontal.marks.clone_from(&self.places);

        let mut chart = ChartBuilder::on(root)
            .margin_top(62)
            .margin_right(NAMES)
            .margin_left(4)
            .margin_bottom(6)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(horizontal, vertical)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.light)
            .light_line_style(GRID.light)
            .axis_style(GRID.light)
            .x_desc(&*self.horizontal)
            .axis_desc_style(text::small())
            .label_style(text::small())
            .draw()?;

        let mut ends = Vec::new();
        for series in self.back_to_front() {
            let tone = palette::of(&series.name).light;
            let (width, radius) = if self.stands_out(&series.name) {
                (4, 5)
            } else {
                (2, 3)
            };
            let points = series.points.iter();
            let points: Vec<_> = points.map(|(place, seen)| (*place, seen.median)).collect();
            if is_bound(&series.name) {
                let dashed = DashedLineSeries::new(points.clone(), 6, 4, tone.stroke_width(width));
                chart.draw_series(dashed)?;
            } else {
                chart.draw_series(LineSeries::new(points.clone(), tone.stroke_width(width)))?;
            }
            chart.draw_series(series.points.iter().map(|(place, seen)| {
                let spread = [(*place, seen.low), (*place, seen.high)];
                PathElement::new(spread, tone.stroke_width(1))
            }))?;
            chart.draw_series(
                points
                    .iter()
                    .map(|p| Circle::new(*p, radius, tone.filled())),
            )?;
            let end = points[points.len() - 1];
            ends.push((series, chart.backend_coord(&end)));
        }
        self.name_ends(root, &ends)
    }

    /// Whether a line is the one to look at: ours, and of two ways to use it the pinned one.
    fn stands_out(&self, name: &str) -> bool {
        let pinned = "rekindle, pinned";
        let has_pinned = self.series.iter().any(|s| s.name == pinned);
        is_ours(name) && (!has_pinned || name == pinned)
    }

    /// Ours last, in front of the others.
    fn back_to_front(&self) -> impl Iterator<Item = &Series> {
        let theirs = self.series.iter().filter(|s| !is_ours(&s.name));
        theirs.chain(self.series.iter().filter(|s| is_ours(&s.name)))
    }

    /// Writes the name and last value of each line beside its end.
    fn name_ends(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        ends: &[(&Series, (i32, i32))],
    ) -> Result<(), Box<dyn Error>> {
        let wanted: Vec<_> = ends.iter().map(|(_, (_, y))| *y).collect();
        let heights = axis::apart(&wanted, NAME_HEIGHT, 30, SIZE.1 as i32 - 20);
        let left = (SIZE.0 - NAMES) as i32 + 14;
        for ((series, (x, y)), height) in ends.iter().zip(heights) {
            let tone = palette::of(&series.name).light;
            let leader = [(x + 7, *y), (left - 4, height)];
            root.draw(&PathElement::new(leader, tone.mix(0.6).stroke_width(1)))?;
            let last = series.points[series.points.len() - 1].1.median;
            let last = (self.format.exact)(last);
            let style = text::beside(tone, is_ours(&series.name));
            root.draw(&Text::new(
                format!("{} {last}", series.name),
                (left, height),
                style,
            ))?;
        }
        Ok(())
    }
}
