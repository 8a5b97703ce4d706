//! Words in plots.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle};

use super::palette::{FAINT, INK};
use crate::report::numbers;

const FAMILY: &str = "system-ui, sans-serif";

/// `size` is plotters' own: letters are about four fifths of so many pixels.
fn style(size: i32, tone: RGBColor, bold: bool) -> TextStyle<'static> {
    let weight = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    let font = (FAMILY, size).into_font().style(weight);
    TextStyle {
        color: tone.to_backend_color(),
        ..font.into()
    }
}

pub(super) fn title() -> TextStyle<'static> {
    style(19, INK.light, true)
}

pub(super) fn small() -> TextStyle<'static> {
    style(16, FAINT.light, false)
}

/// To the right of a point, at its height.
pub(super) fn beside(tone: RGBColor, bold: bool) -> TextStyle<'static> {
    style(16, tone, bold).pos(Pos::new(HPos::Left, VPos::Center))
}

/// To the left of a point, at its height.
pub(super) fn before(tone: RGBColor, bold: bool) -> TextStyle<'static> {
    style(16, tone, bold).pos(Pos::new(HPos::Right, VPos::Center))
}

/// A number in few characters: `1.5`, `20`, `5 k`, `1 M`.
pub(super) fn plain(value: f64) -> String {
    // What is a thousandth off a round number comes from arithmetic.
    let rounded = (value * 1e3).round() / 1e3;
    if rounded.abs() >= 1_000.0 {
        numbers::count(&format!("{rounded:.0}"))
    } else {
        rounded.to_string()
    }
}

/// Gives an SVG a name for those who cannot see it.
pub(super) fn accessible(svg: &str, title: &str) -> String {
    let name = maud::html! { title { (title) } }.into_string();
    let (tag, rest) = svg.split_once('>').unwrap_or((svg, ""));
    format!("{tag} role=\"img\">{name}{rest}")
}
