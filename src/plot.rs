//! Charts of lines as SVG images.

use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::error::{Error, Result};

/// Twice as large as it is shown: places are rounded to whole pixels.
const SIZE: (u32, u32) = (1280, 800);

/// What is written around the lines.
pub(crate) struct Chart<'c> {
    pub(crate) title: &'c str,
    pub(crate) x: &'c str,
    pub(crate) y: &'c str,
    /// Whether the x-axis is.
    pub(crate) logarithmic: bool,
}

/// A name and its points.
pub(crate) type Line = (String, Vec<(f64, f64)>);

impl Chart<'_> {
    /// These lines, each in a colour of its own; points that are not finite are left out.
    ///
    /// # Errors
    ///
    /// Where there is no point to be drawn.
    pub(crate) fn lines(&self, lines: &[Line]) -> Result<String> {
        let points = || lines.iter().flat_map(|(_, points)| points).filter(drawn);
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let low = points().map(of).fold(f64::INFINITY, f64::min);
            let high = points().map(of).fold(f64::NEG_INFINITY, f64::max);
            let room = if low == high { 0.5 } else { 0.0 };
            (low - room, high + room)
        };
        if points().next().is_none() {
            return Err(Error::argument("plot", "points", "at least one", "none"));
        }
        let ((left, right), (low, high)) = (bounds(|p| p.0), bounds(|p| p.1));
        let margin = (high - low) * 0.05;
        let y = low - margin..high + margin;
        let mut svg = String::new();
        let drawn = match self.logarithmic && left > 0.0 {
            true => {
                self.draw::<LogCoord<f64>>(&mut svg, (left..right).log_scale().into(), y, lines)
            }
            false => self.draw::<RangedCoordf64>(&mut svg, (left..right).into(), y, lines),
        };
        drawn
            .map_err(|error| Error::argument("plot", "points", "ones that can be drawn", error))?;
        // Shown at half its size.
        let (width, height) = SIZE;
        let whole = format!("width=\"{width}\" height=\"{height}\"");
        let half = format!("width=\"{}\" height=\"{}\"", width / 2, height / 2);
        Ok(svg.replacen(&whole, &half, 1))
    }

    fn draw<X>(
        &self,
        svg: &mut String,
        x: X,
        y: std::ops::Range<f64>,
        lines: &[Line],
    ) -> std::result::Result<(), String>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| text(&e))?;
        let mut chart = ChartBuilder::on(&area)
            .margin(20)
            .caption(self.title, ("sans-serif", 36))
            .x_label_area_size(80)
            .y_label_area_size(120)
            .build_cartesian_2d(x, y)
            .map_err(|e| text(&e))?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 24));
        let axes = ("sans-serif", 28);
        mesh.x_desc(self.x).y_desc(self.y).axis_desc_style(axes);
        mesh.draw().map_err(|e| text(&e))?;
        for (number, (name, points)) in lines.iter().enumerate() {
            let colour = Palette99::pick(number).stroke_width(4);
            let points = points.iter().filter(drawn).copied();
            let line = LineSeries::new(points, colour);
            let line = chart.draw_series(line).map_err(|e| text(&e))?;
            let sign = move |(x, y)| PathElement::new([(x, y), (x + 40, y)], colour);
            line.label(name).legend(sign);
        }
        if lines.len() > 1 {
            let mut legend = chart.configure_series_labels();
            let legend = legend.background_style(WHITE).border_style(BLACK);
            let legend = legend.label_font(("sans-serif", 24));
            legend.draw().map_err(|e| text(&e))?;
        }
        area.present().map_err(|e| text(&e))
    }
}

fn drawn(point: &&(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(logarithmic: bool) -> Chart<'static> {
        Chart {
            title: "a < b & c",
            x: "x",
            y: "y",
            logarithmic,
        }
    }

    #[test]
    fn lines_are_drawn_with_their_names() {
        let points = vec![(1e-3, 1.0), (1.0, f64::NAN), (10.0, 2.0)];
        let lines = [
            ("first".to_string(), points.clone()),
            ("second".into(), points),
        ];
        for logarithmic in [false, true] {
            let svg = chart(logarithmic).lines(&lines).unwrap();
            for part in [
                "<svg width=\"640\" height=\"400\"",
                "first",
                "second",
                "</svg>",
            ] {
                assert!(svg.contains(part), "{part} in {svg}");
            }
            assert!(svg.contains("a &lt; b &amp; c"), "{svg}");
            assert_eq!(svg, chart(logarithmic).lines(&lines).unwrap());
        }
    }

    #[test]
    fn a_point_is_enough_and_none_is_not() {
        assert!(
            chart(false)
                .lines(&[("one".into(), vec![(0.0, 0.0)])])
                .is_ok()
        );
        assert!(
            chart(true)
                .lines(&[("one".into(), vec![(f64::NAN, 0.0)])])
                .is_err()
        );
        assert!(chart(true).lines(&[]).is_err());
    }
}
