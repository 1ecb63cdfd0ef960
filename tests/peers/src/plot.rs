//! How cost grows, drawn from what was measured.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::measure::Report;
use crate::peer::{ALL, Candidate};
use crate::value::{SIZES, spoken};

const SIZE: (u32, u32) = (860, 520);

/// One curve: a name and its points, nanoseconds over something.
type Curve = (Candidate, Vec<(f64, f64)>);

fn color(candidate: Candidate) -> RGBColor {
    match candidate {
        Candidate::RuntimeLength => RGBColor(120, 120, 120),
        Candidate::Fixed => RGBColor(190, 190, 190),
        Candidate::Ours => RGBColor(200, 30, 30),
        Candidate::View => RGBColor(240, 140, 140),
        Candidate::Held => RGBColor(130, 0, 60),
        Candidate::Iceoryx => RGBColor(20, 90, 200),
        Candidate::Plain => RGBColor(20, 150, 90),
        Candidate::Robust => RGBColor(120, 180, 40),
        Candidate::RawSync => RGBColor(230, 150, 0),
        Candidate::Boost => RGBColor(130, 70, 190),
    }
}

/// Draws all plots into that directory.
pub fn draw(report: &Report, directory: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    for work in ["get", "set", "update"] {
        let curves = ALL.iter().map(|&candidate| {
            let at =
                |&bytes: &usize| Some((bytes as f64, report.solo(work, bytes, candidate)?.min));
            (candidate, SIZES.iter().filter_map(at).collect())
        });
        let path = directory.join(format!("{work}.svg"));
        chart(
            &path,
            &format!("{work}: time against size"),
            "size of the value",
            curves,
            &|bytes| spoken(bytes as usize),
        )?;
    }
    let curves = ALL.iter().map(|&candidate| {
        let rows = report
            .readers
            .iter()
            .filter(|row| row.bytes == 64 && row.candidate == candidate.name());
        (
            candidate,
            rows.map(|row| (row.processes as f64, row.get.median))
                .collect(),
        )
    });
    let path = directory.join("readers.svg");
    chart(
        &path,
        "get, 64 B: time against reading processes",
        "reading processes (2 processors)",
        curves,
        &|n| n.to_string(),
    )?;
    Ok(())
}

fn chart(
    path: &Path,
    title: &str,
    below: &str,
    curves: impl Iterator<Item = Curve>,
    label: &dyn Fn(f64) -> String,
) -> Result<(), Box<dyn Error>> {
    let curves: Vec<Curve> = curves.filter(|(_, points)| !points.is_empty()).collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let least = all().map(pick).fold(f64::INFINITY, f64::min);
        let most = all().map(pick).fold(0.0, f64::max);
        (least, most)
    };
    let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .margin_right(30)
        .x_label_area_size(45)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (left..right).log_scale().base(2.0),
            (low * 0.8..high * 1.25).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(below)
        .y_desc("time of one call (minimum)")
        .x_label_formatter(&|x| label(*x))
        .y_label_formatter(&|y| crate::table::time(*y))
        .light_line_style(WHITE)
        .draw()?;
    for (candidate, points) in curves {
        let style = color(candidate).stroke_width(if candidate == Candidate::Ours { 3 } else { 2 });
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))?
            .label(candidate.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    root.present()?;
    Ok(())
}
