//! Plots of what was measured, as SVG: bars to the median, with a line from the least to the most, on a logarithmic scale. Pure.

use std::collections::BTreeMap;

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoFont, IntoLogRange, PathElement, RGBColor,
    Rectangle, SVGBackend, Text, WHITE,
};

use crate::series::{Series, Spread};
use crate::table::{Unit, shown};

const WIDTH: u32 = 960;
const ROW: u32 = 22;
const MARGIN: u32 = 70;
const OURS: RGBColor = RGBColor(38, 103, 166);
const OTHERS: RGBColor = RGBColor(168, 168, 168);

/// A row of a plot.
enum Row<'a> {
    /// What the bars below it are of.
    Heading(&'a str),
    /// One of those that are compared.
    Bar(&'a str, Spread),
}

/// The plots: the name of each file, without its ending, and its text. One for each section and unit.
///
/// # Errors
///
/// When one cannot be drawn.
pub fn plots(all: &[Series]) -> Result<Vec<(String, String)>, String> {
    let mut groups: BTreeMap<(String, &'static str), Vec<&Series>> = BTreeMap::new();
    for series in all {
        let group = groups
            .entry((series.section.clone(), series.unit.word()))
            .or_default();
        group.push(series);
    }
    let plots = groups.into_iter().map(|((section, unit), group)| {
        let drawn = draw(&format!("{section} ({unit})"), &group);
        drawn.map(|text| (file_name(&format!("{section} {unit}")), text))
    });
    plots.collect()
}

fn file_name(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

fn rows<'a>(group: &[&'a Series]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut heading = "";
    for series in group {
        let Some(spread) = series.spread() else {
            continue;
        };
        if series.what != heading {
            heading = &series.what;
            rows.push(Row::Heading(heading));
        }
        rows.push(Row::Bar(&series.of, spread));
    }
    rows
}

fn draw(title: &str, group: &[&Series]) -> Result<String, String> {
    let rows = rows(group);
    let unit = group.first().map_or(Unit::Time, |series| series.unit);
    // What is nothing has no place on the scale: it gets the least there is.
    let spreads = || {
        rows.iter().filter_map(|row| match row {
            Row::Bar(_, spread) => Some(*spread),
            Row::Heading(_) => None,
        })
    };
    let positive = spreads().flat_map(|spread| [spread.least, spread.median, spread.most]);
    let least = positive
        .filter(|value| *value > 0.0)
        .reduce(f64::min)
        .unwrap_or(1.0)
        / 1.5;
    let most = spreads()
        .map(|spread| spread.most)
        .reduce(f64::max)
        .unwrap_or(1.0)
        .max(least)
        * 4.0;
    let height = MARGIN + ROW * u32::try_from(rows.len()).unwrap_or(0);
    let mut text = String::new();
    paint(&mut text, title, &rows, unit, (least, most), height)
        .map_err(|error| format!("{title}: {error}"))?;
    Ok(text)
}

fn paint(
    text: &mut String,
    title: &str,
    rows: &[Row],
    unit: Unit,
    (least, most): (f64, f64),
    height: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let bottom = rows.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(0)
        .build_cartesian_2d((least..most).log_scale(), bottom..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(WHITE)
        .x_labels(8)
        .x_label_formatter(&|value| shown(*value, unit))
        .draw()?;
    let font = ("sans-serif", 13).into_font();
    for (place, row) in rows.iter().enumerate() {
        let top = place as f64;
        match row {
            Row::Heading(what) => {
                let heading = Text::new((*what).to_owned(), (least, top + 0.3), font.clone());
                chart.draw_series([heading])?;
            }
            Row::Bar(of, spread) => {
                let Spread {
                    least: low,
                    median,
                    most: high,
                } = *spread;
                let [low, median, high] = [low, median, high].map(|value| value.max(least));
                let color = if of.starts_with("vassal") { OURS } else { OTHERS };
                let bar = Rectangle::new([(least, top + 0.15), (median, top + 0.85)], color.filled());
                chart.draw_series([bar])?;
                let line = PathElement::new([(low, top + 0.5), (high, top + 0.5)], BLACK);
                chart.draw_series([line])?;
                chart.draw_series([Circle::new((median, top + 0.5), 2, BLACK.filled())])?;
                let label = format!("{of}: {}", shown(spread.median, unit));
                chart.draw_series([Text::new(label, (high * 1.08, top + 0.25), font.clone())])?;
            }
        }
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::plots;
    use crate::series::Series;
    use crate::table::Unit;

    #[test]
    fn each_section_and_unit_has_a_plot_with_a_bar_and_a_line_for_each_series() {
        let series = |of: &str, unit, values: &[f64]| Series {
            section: "Debian 12".into(),
            what: "start → first 200".into(),
            of: of.into(),
            unit,
            values: values.to_vec(),
        };
        let all = [
            series("vassal", Unit::Time, &[0.04, 0.05, 0.06]),
            series("Emperor", Unit::Time, &[0.3, 1.6, 2.9]),
            series("vassal", Unit::Requests, &[0.0]),
            series("Emperor", Unit::Time, &[]),
        ];
        let plots = plots(&all).unwrap();
        let names: Vec<_> = plots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["debian-12-requests", "debian-12-seconds"]);
        let time = &plots[1].1;
        assert!(
            time.starts_with("<svg") && time.trim_end().ends_with("</svg>"),
            "{time}"
        );
        for said in ["start → first 200", "vassal: 50 ms", "Emperor: 1.60 s"] {
            assert!(time.contains(said), "no '{said}' in {time}");
        }
        assert_eq!(time.matches("<circle").count(), 2, "{time}");
    }
}
