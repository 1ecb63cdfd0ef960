//! The figures as one table for people.

use comfy_table::{CellAlignment, Row as Line, Table, presets};

use crate::goals::Goal;
use crate::measure::{Rate, Report, files, rows};
use crate::peer::{ALL, Candidate};
use crate::value::spoken;

/// Nanoseconds as a person writes them.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        1e6.. => format!("{:.2} ms", nanoseconds / 1e6),
        1e4.. => format!("{:.1} us", nanoseconds / 1e3),
        1e3.. => format!("{:.2} us", nanoseconds / 1e3),
        100.0.. => format!("{nanoseconds:.0} ns"),
        _ => format!("{nanoseconds:.1} ns"),
    }
}

/// A rate as a person writes it.
fn rate(each_second: f64) -> String {
    match each_second {
        1e6.. => format!("{:.2} M/s", each_second / 1e6),
        1e3.. => format!("{:.1} k/s", each_second / 1e3),
        _ => format!("{each_second:.0} /s"),
    }
}

/// The median, since the best round is the one with the least contention.
fn rates(of: Rate) -> String {
    rate(of.median)
}

/// The candidates as columns; each line has one cell for each.
struct Columns {
    table: Table,
    candidates: Vec<Candidate>,
}

impl Columns {
    fn new() -> Columns {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let candidates = ALL.to_vec();
        let names = candidates
            .iter()
            .map(|candidate| candidate.name().to_string());
        table.set_header(Line::from(
            std::iter::once("min (median)".to_string())
                .chain(names)
                .collect::<Vec<_>>(),
        ));
        Columns { table, candidates }
    }

    fn line(&mut self, what: String, cell: impl Fn(Candidate) -> Option<String>) {
        let cells: Vec<String> = self
            .candidates
            .iter()
            .map(|candidate| cell(*candidate).unwrap_or_default())
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            self.table.add_row(Line::from(
                std::iter::once(what).chain(cells).collect::<Vec<_>>(),
            ));
        }
    }

    fn end(mut self) -> Table {
        align(&mut self.table);
        self.table
    }
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// One value in a file.
pub fn files(report: &Report) -> Table {
    let calls = [
        files::GET,
        files::READ,
        files::FIELD,
        files::SET,
        files::DURABLE,
        files::ATTACH,
    ];
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let heading = [64, 4096].map(|bytes| calls.map(|call| format!("{call}, {}", spoken(bytes))));
    let heading = heading.into_iter().flatten();
    table.set_header(Line::from(
        std::iter::once("min (median)".to_string())
            .chain(heading)
            .collect::<Vec<_>>(),
    ));
    for candidate in [
        files::SEGMENT,
        files::OURS,
        files::MAPPED,
        files::PLAIN,
        files::LMDB,
        files::MMAP_SYNC,
    ] {
        let cell = |bytes: usize, call: &str| match report.file(call, bytes, candidate) {
            Some(cost) => format!("{} ({})", time(cost.min), time(cost.median)),
            None => String::new(),
        };
        let cells = [64, 4096].map(|bytes| calls.map(|call| cell(bytes, call)));
        table.add_row(Line::from(
            std::iter::once(candidate.to_string())
                .chain(cells.into_iter().flatten())
                .collect::<Vec<_>>(),
        ));
    }
    align(&mut table);
    table
}

/// Rows that have owners.
pub fn rows(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let heading = ["min (median)"].into_iter().chain(rows::CALLS);
    table.set_header(Line::from(heading.collect::<Vec<_>>()));
    for candidate in rows::CANDIDATES {
        let cell = |call| match report.rows(call, candidate) {
            Some(cost) => format!("{} ({})", time(cost.min), time(cost.median)),
            None => String::new(),
        };
        let cells = [candidate.to_string()]
            .into_iter()
            .chain(rows::CALLS.map(cell));
        table.add_row(Line::from(cells.collect::<Vec<_>>()));
    }
    align(&mut table);
    table
}

/// Everything that was measured.
pub fn report(report: &Report) -> Table {
    let mut table = Columns::new();
    let cost = |cost: crate::measure::Cost| format!("{} ({})", time(cost.min), time(cost.median));
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for figure in &report.solo {
        let row = (figure.what.as_str(), figure.bytes);
        if !seen.contains(&row) {
            seen.push(row);
            table.line(format!("{}, {}", row.0, spoken(row.1)), |candidate| {
                report.solo(row.0, row.1, candidate).map(cost)
            });
        }
    }
    let mut seen = Vec::new();
    for row in &report.readers {
        let this = (row.bytes, row.processes);
        if !seen.contains(&this) {
            seen.push(this);
            table.line(
                format!("get, {}, {} reading processes", spoken(this.0), this.1),
                |candidate| {
                    let is = |row: &&crate::measure::readers::Row| {
                        (row.bytes, row.processes) == this && row.candidate == candidate.name()
                    };
                    report.readers.iter().find(is).map(|row| cost(row.get))
                },
            );
        }
    }
    under_writer(report, &mut table);
    for processes in crate::measure::contention::PROCESSES {
        table.line(
            format!("update, 64 B, {processes} writing processes, together"),
            |candidate| {
                let is = |row: &&crate::measure::contention::Row| {
                    row.processes == processes && row.candidate == candidate.name()
                };
                report.contention.iter().find(is).map(|row| match row.lost {
                    0 => rates(row.updates),
                    lost => format!("{} ({lost} lost!)", rates(row.updates)),
                })
            },
        );
    }
    for what in ["attach, get, detach", "create, remove"] {
        table.line(what.into(), |candidate| {
            // The bare C calls have the column of the bare copy.
            let name = if candidate == Candidate::RuntimeLength {
                crate::measure::attach::BARE
            } else {
                candidate.name()
            };
            report.attach(what, name).map(cost)
        });
    }
    table.line(
        "attach, get, detach beside a node that stands".into(),
        |candidate| match candidate {
            Candidate::Iceoryx => report
                .attach("attach, get, detach", crate::measure::attach::NODE_STANDS)
                .map(cost),
            _ => None,
        },
    );
    table.line("takeover after kill -9: median, p99".into(), |candidate| {
        let row = report
            .takeover
            .iter()
            .find(|row| row.candidate == candidate.name());
        match candidate {
            Candidate::Plain | Candidate::RawSync | Candidate::Boost
                if !report.takeover.is_empty() =>
            {
                Some("never".into())
            }
            _ => row.map(|row| format!("{}, {}", time(row.median), time(row.p99))),
        }
    });
    table.line("clean release build: time, crates".into(), |candidate| {
        let name = match candidate {
            Candidate::Ours => "shm-core",
            Candidate::Iceoryx => "iceoryx2",
            _ => return None,
        };
        let row = report.build.iter().find(|row| row.library == name)?;
        Some(format!("{:.1} s, {}", row.seconds, row.crates))
    });
    table.end()
}

fn under_writer(report: &Report, table: &mut Columns) {
    let mut seen = Vec::new();
    for row in &report.under_writer {
        let this = (row.bytes, row.period, row.call);
        if seen.contains(&this) {
            continue;
        }
        seen.push(this);
        let period = match this.1 {
            0 => "without pause".into(),
            period => format!("{} kHz", 1_000_000 / period),
        };
        let mut line = |what: &str, cell: &dyn Fn(&crate::measure::under_writer::Row) -> String| {
            table.line(
                format!("{}, {}, writer {period}: {what}", this.2, spoken(this.0)),
                |candidate| {
                    let is = |row: &&crate::measure::under_writer::Row| {
                        (row.bytes, row.period, row.call) == this
                            && row.candidate == candidate.name()
                    };
                    report.under_writer.iter().find(is).map(cell)
                },
            );
        };
        line("reads", &|row| rates(row.reads));
        line("p50, p99, worst", &|row| {
            format!("{}, {}, {}", time(row.p50), time(row.p99), time(row.worst))
        });
        line("torn", &|row| row.torn.to_string());
        line("commits (alone)", &|row| {
            format!("{} ({})", rates(row.commits), rates(row.commits_alone))
        });
    }
}

/// Wake-ups have kinds of their own.
pub fn wake(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(vec![
        "wake-up, there and back",
        "on processor",
        "the other side",
        "min",
        "median",
        "p99",
    ]);
    for row in &report.wake {
        table.add_row(vec![
            row.kind.to_string(),
            match row.one_processor {
                true => "the same",
                false => "another",
            }
            .to_string(),
            match row.asleep {
                true => "asleep",
                false => "has just answered",
            }
            .to_string(),
            time(row.min),
            time(row.p50),
            time(row.p99),
        ]);
    }
    align(&mut table);
    table
}

/// The goals, each with its verdict.
pub fn goals(goals: &[Goal]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(vec!["what", "goal", "measured", "beside it", ""]);
    for goal in goals {
        let verdict = if goal.met { "met" } else { "MISSED" };
        table.add_row(vec![
            &goal.what,
            &goal.goal,
            &goal.measured,
            &goal.beside,
            verdict,
        ]);
    }
    table
}
