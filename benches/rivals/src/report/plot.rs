//! The two plots.

use std::path::Path;

use plotters::{coord::Shift, prelude::*};

use crate::{
    compare::{BARE, BLIND, PLAIN, SECURE, TCP},
    measure::Labels,
    results::Results,
    values::RAW,
};

const COLORS: [(&str, RGBColor); 4] = [
    (BARE, RGBColor(120, 120, 120)),
    (BLIND, RGBColor(0, 90, 181)),
    (PLAIN, RGBColor(230, 159, 0)),
    (SECURE, RGBColor(200, 60, 20)),
];
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Serial gets and sets over TCP: the median time by size.
pub fn latency(results: &Results, file: &Path) {
    let root = SVGBackend::new(file, (1000, 440)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let (left, right) = root.split_horizontally(500);
    sizes(results, "get", &left);
    sizes(results, "set", &right);
    root.present().unwrap();
}

fn sizes(results: &Results, op: &str, area: &Area<'_>) {
    let points = |who: &str| {
        let point = |(name, size): (&str, usize)| {
            let record = results.find(&Labels::new("serial", TCP, op, name), who)?;
            Some((size as f64, record.median_ns / 1e3))
        };
        RAW.into_iter().filter_map(point).collect::<Vec<_>>()
    };
    let all: Vec<f64> = COLORS.iter().flat_map(|(who, _)| points(who)).map(|(_, time)| time).collect();
    let (least, most) =
        (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Serial {op} over loopback Redis, median"), (FONT, 17))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d((50.0..1.4e6).log_scale(), (least * 0.8..most * 1.2).log_scale())
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("bytes of the value")
        .y_desc("µs")
        .label_style((FONT, 13))
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|time| format!("{time:.0}"))
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (who, color) in COLORS {
        let line = LineSeries::new(points(who), color.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)
            .unwrap()
            .label(who)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 13))
        .draw()
        .unwrap();
}

/// The median ratio to the bare client, for each operation.
pub fn ratios(results: &Results, file: &Path) {
    let groups = groups(results);
    let most = groups.iter().flat_map(|(_, bars)| bars).map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let height = 90 + 46 * groups.len() as u32;
    let root = SVGBackend::new(file, (1000, height)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let title =
        Text::new("Time as a multiple of the bare redis client's, median", (16, 12), (FONT, 17).into_font());
    root.draw(&title).unwrap();
    legend(&root);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_top(40)
        .x_label_area_size(34)
        .y_label_area_size(250)
        .build_cartesian_2d(0.0..most * 1.12, 0.0..groups.len() as f64)
        .unwrap();
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .label_style((FONT, 13))
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    let left = ("sans-serif", 13).into_font().color(&BLACK);
    let thick = 0.8 / (COLORS.len() - 1) as f64;
    for (at, (name, bars)) in groups.iter().enumerate() {
        let top = groups.len() as f64 - at as f64;
        let place = chart.backend_coord(&(0.0, top - 0.1 - thick * bars.len() as f64 / 2.0));
        root.draw(&Text::new(name.clone(), (16, place.1 - 7), left.clone())).unwrap();
        for (bar, (who, ratio)) in bars.iter().enumerate() {
            let y = top - 0.1 - thick * bar as f64;
            let corners = [(0.0, y), (*ratio, y - thick)];
            chart.draw_series([Rectangle::new(corners, color(who).filled())]).unwrap();
            let place = chart.backend_coord(&(*ratio, y - thick / 2.0));
            let text = Text::new(format!("{ratio:.2}"), (place.0 + 4, place.1 - 6), (FONT, 12).into_font());
            root.draw(&text).unwrap();
        }
    }
    let one = PathElement::new([(1.0, 0.0), (1.0, groups.len() as f64)], BLACK.stroke_width(1));
    chart.draw_series([one]).unwrap();
    root.present().unwrap();
}

/// The name of each group, and who is in it with which ratio.
fn groups(results: &Results) -> Vec<(String, Vec<(&'static str, f64)>)> {
    let mut groups = Vec::new();
    for (part, value) in [
        ("serial", "1 KiB"),
        ("serial", "16 KiB"),
        ("serial", "128 KiB"),
        ("64 tasks", "1 KiB"),
        ("batches of 100", "1 KiB"),
    ] {
        for op in ["get", "set"] {
            let labels = Labels::new(part, TCP, op, value);
            let of = |who| results.find(&labels, who).map(|it| (who, it.ratio));
            let bars: Vec<_> = [BLIND, PLAIN, SECURE].into_iter().filter_map(of).collect();
            if !bars.is_empty() {
                groups.push((format!("{op}, {part}, {value}"), bars));
            }
        }
    }
    groups
}

fn legend(root: &Area<'_>) {
    for (at, (who, color)) in COLORS.into_iter().skip(1).enumerate() {
        let x = 560 + 145 * at as i32;
        root.draw(&Rectangle::new([(x, 14), (x + 12, 26)], color.filled())).unwrap();
        root.draw(&Text::new(who, (x + 17, 13), (FONT, 13).into_font())).unwrap();
    }
}

fn color(who: &str) -> RGBColor {
    COLORS.into_iter().find(|(name, _)| *name == who).map_or(BLACK, |(_, color)| color)
}
