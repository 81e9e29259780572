//! The picture: for each mode the servers as bars, from the cheapest to the dearest.

use std::io;

use plotters::backend::SVGBackend;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoTextStyle, RGBColor, WHITE};
use shared::page;

use crate::peers::{BASELINE, OURS};
use crate::report::Report;
use crate::rounds::Measured;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const FAINT: RGBColor = RGBColor(0xa8, 0xb4, 0xbf);
const STRONG: RGBColor = RGBColor(0xd9, 0x6a, 0x1d);

const PANELS_BESIDE: usize = 2;
const WIDTH: i32 = 460;
const ROW: i32 = 20;
const HEAD: i32 = 44;

/// Draws the picture into this file.
pub(crate) fn draw(report: &Report<'_>, path: &std::path::Path) -> io::Result<()> {
    let most = report.0.iter().map(|measured| measured.names().count()).max().unwrap_or_default();
    let height = HEAD + ROW * most as i32 + 14;
    let rows = report.0.len().div_ceil(PANELS_BESIDE);
    let size = ((WIDTH * PANELS_BESIDE as i32) as u32, height as u32 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let drawn = root.fill(&WHITE).and_then(|()| {
        let panels = root.split_evenly((rows, PANELS_BESIDE));
        report.0.iter().zip(&panels).try_for_each(|(measured, panel)| draw_panel(measured, panel))?;
        root.present()
    });
    drawn.map_err(|error| io::Error::other(error.to_string()))
}

fn draw_panel(
    measured: &Measured<'_>,
    panel: &Area<'_>,
) -> Result<(), plotters::drawing::DrawingAreaErrorKind<io::Error>> {
    let text = |size: i32| ("sans-serif", size).into_text_style(panel).color(&INK);
    let left = text(13).pos(Pos::new(HPos::Left, VPos::Center));
    let right = text(13).pos(Pos::new(HPos::Right, VPos::Center));
    let is_of_memory = measured.mode.is_of_memory();
    let title = match is_of_memory {
        true => format!("{}: {}", measured.mode.name, measured.mode.measure()),
        false => format!("{}: processor time a {}, {BASELINE} = 1", measured.mode.name, measured.mode.unit),
    };
    panel.draw(&Text::new(title, (16, 8), text(15)))?;
    panel.draw(&Text::new(measured.mode.what, (16, 26), text(11)))?;

    let size = |name| if is_of_memory { measured.each(name) } else { measured.ratio(name) };
    let mut bars: Vec<_> = measured.names().filter_map(|name| Some((name, size(name)?))).collect();
    bars.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let largest = bars.iter().map(|(_, each)| *each).fold(f64::MIN_POSITIVE, f64::max);
    let (from, to) = (112, WIDTH - 80);
    for (number, (name, each)) in bars.into_iter().enumerate() {
        let middle = HEAD + ROW * number as i32 + ROW / 2;
        let length = (f64::from(to - from) * each / largest).round() as i32;
        let color = if name == OURS { STRONG } else { FAINT };
        panel.draw(&Text::new(name.replace('`', ""), (from - 8, middle), right.clone()))?;
        let bar = [(from, middle - ROW / 2 + 3), (from + length, middle + ROW / 2 - 3)];
        panel.draw(&Rectangle::new(bar, color.filled()))?;
        let figure = if is_of_memory { page::number(each.round()) } else { format!("{each:.2}") };
        panel.draw(&Text::new(figure, (from + length + 6, middle), left.clone()))?;
    }
    Ok(())
}
