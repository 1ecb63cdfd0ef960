//! How cost grows, drawn from what was measured.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::measure::Report;
use crate::measure::solo::Work;
use crate::peer::{ALL, Candidate};
use crate::value::{SIZES, spoken};

const SIZE: (u32, u32) = (940, 500);

/// To the right of the curves, for their names.
const NAMES: u32 = 190;

/// Between two names.
const LINE: i32 = 18;

/// One curve: a name, how it is drawn, and its points, nanoseconds over something.
struct Curve {
    name: String,
    style: ShapeStyle,
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(candidate: Candidate, points: Vec<(f64, f64)>) -> Curve {
        let width = if candidate == Candidate::Ours { 3 } else { 2 };
        Curve {
            name: candidate.name().into(),
            style: color(candidate).stroke_width(width),
            points,
        }
    }
}

/// A chart.
struct Chart<'a> {
    title: &'a str,
    below: &'a str,
    beside: &'a str,
    /// The words under the marks of the horizontal axis.
    label: &'a dyn Fn(f64) -> String,
}

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
    for work in [Work::Get, Work::Set, Work::Update] {
        let curve = |work: Work, candidate| {
            let at = |&bytes: &usize| {
                let cost = report.solo(work.name(), bytes, candidate)?;
                Some((bytes as f64, cost.min))
            };
            Curve::new(candidate, SIZES.iter().filter_map(at).collect())
        };
        let mut curves: Vec<Curve> = ALL.iter().map(|&one| curve(work, one)).collect();
        if work == Work::Get {
            let mut into = curve(Work::ReadInto, Candidate::Ours);
            into.name = "SharedBox::read_into".into();
            into.style = RGBColor(255, 110, 0).stroke_width(2);
            curves.push(into);
        }
        let title = format!("{}: time against size", work.name());
        let chart = Chart {
            title: &title,
            below: "size of the value",
            beside: "time of one call, minimum",
            label: &|bytes| spoken(bytes as usize),
        };
        chart.draw(&directory.join(format!("{}.svg", work.name())), curves)?;
    }
    let curves = ALL.iter().map(|&candidate| {
        let rows = report
            .readers
            .iter()
            .filter(|row| row.bytes == 64 && row.candidate == candidate.name());
        let points = rows.map(|row| (row.processes as f64, row.get.median));
        Curve::new(candidate, points.collect())
    });
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let chart = Chart {
        title: "get, 64 B: time against number of reading processes",
        below: &format!("processes that read at once, on {processors} processors"),
        beside: "time of one call in each, median",
        label: &|n| n.to_string(),
    };
    chart.draw(&directory.join("readers.svg"), curves.collect())
}

/// Nanoseconds at an axis: no digits that say nothing.
fn mark(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        1e6.. => (nanoseconds / 1e6, "ms"),
        1e3.. => (nanoseconds / 1e3, "us"),
        _ => (nanoseconds, "ns"),
    };
    format!("{number:.0} {unit}")
}

impl Chart<'_> {
    fn draw(&self, path: &Path, curves: Vec<Curve>) -> Result<(), Box<dyn Error>> {
        let curves: Vec<Curve> = curves
            .into_iter()
            .filter(|curve| !curve.points.is_empty())
            .collect();
        if curves.is_empty() {
            return Ok(());
        }
        let all = || curves.iter().flat_map(|curve| &curve.points);
        let bounds = |pick: fn(&(f64, f64)) -> f64| {
            let least = all().map(pick).fold(f64::INFINITY, f64::min);
            let most = all().map(pick).fold(0.0, f64::max);
            (least, most)
        };
        let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 19))
            .margin(12)
            .margin_right(NAMES)
            .x_label_area_size(48)
            .y_label_area_size(78)
            .build_cartesian_2d(
                (left..right).log_scale().base(2.0),
                (low * 0.8..high * 1.25).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc(self.below)
            .y_desc(self.beside)
            .axis_desc_style(("sans-serif", 14))
            .label_style(("sans-serif", 13))
            .x_labels(SIZES.len())
            .x_label_formatter(&|x| (self.label)(*x))
            .y_label_formatter(&|y| mark(*y))
            .bold_line_style(RGBColor(225, 225, 225))
            .light_line_style(WHITE)
            .draw()?;
        // The thickest on top.
        let mut order: Vec<&Curve> = curves.iter().collect();
        order.sort_by_key(|curve| curve.style.stroke_width);
        let mut ends = Vec::new();
        for curve in order {
            chart.draw_series(
                LineSeries::new(curve.points.iter().copied(), curve.style).point_size(2),
            )?;
            let last = curve.points[curve.points.len() - 1];
            ends.push((chart.backend_coord(&last), curve));
        }
        ends.sort_by_key(|((_, y), _)| *y);
        name_at_the_right(&root, &ends)?;
        root.present()?;
        Ok(())
    }
}

/// Writes each curve's name beside its end, names that would overlap above each other.
fn name_at_the_right(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    ends: &[((i32, i32), &Curve)],
) -> Result<(), Box<dyn Error>> {
    // Groups of names that touch are moved apart around their middle.
    let mut groups: Vec<(f64, Vec<usize>)> = Vec::new();
    let half = |names: usize| (names as i32 * LINE) as f64 / 2.0;
    for (at, ((_, y), _)) in ends.iter().enumerate() {
        let mut group = (f64::from(*y), vec![at]);
        while let Some((middle, names)) = groups.pop() {
            if middle + half(names.len()) <= group.0 - half(group.1.len()) {
                groups.push((middle, names));
                break;
            }
            let (many, few) = (names.len() as f64, group.1.len() as f64);
            group.0 = (middle * many + group.0 * few) / (many + few);
            group.1.splice(0..0, names);
        }
        groups.push(group);
    }
    for (middle, names) in groups {
        // Not beyond the edges of the picture.
        let least = half(names.len() + 1);
        let middle = middle.clamp(least, f64::from(SIZE.1) - least);
        let first = middle - half(names.len()) + f64::from(LINE) / 2.0;
        for (nth, name) in names.into_iter().enumerate() {
            let ((x, y), curve) = &ends[name];
            let line = first as i32 + nth as i32 * LINE;
            let leader = [(*x + 5, *y), (*x + 18, line), (*x + 28, line)];
            root.draw(&PathElement::new(leader, curve.style))?;
            let style = ("sans-serif", 14).into_font().color(&BLACK);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(curve.name.clone(), (*x + 34, line), style))?;
        }
    }
    Ok(())
}
