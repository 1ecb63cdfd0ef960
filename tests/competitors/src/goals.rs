//! What the library must reach, as ratios within one run, and whether it did.

use serde::Serialize;

use crate::measure::attach::{BARE, NODE_STANDS};
use crate::measure::solo::Work;
use crate::measure::{Cost, Report, files, rows, under_writer};
use crate::peer::Candidate::{self, Fixed, Held, Iceoryx, Ours, Robust, RuntimeLength, View};
use crate::value::spoken;

/// One goal.
///
/// Calls of a process that is alone are judged by the minima of the rounds, which neighbours on the
/// machine disturb least. Where processes compete, by the medians: the best round of a contended
/// call is the one with the least contention.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    pub what: String,
    pub goal: String,
    pub measured: String,
    /// The same ratio of medians, or of the best rounds, where that is not the one judged.
    pub beside: String,
    pub met: bool,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn admits(self, figure: f64) -> bool {
        match self {
            Limit::AtMost(most) => figure <= most,
            Limit::AtLeast(least) => figure >= least,
        }
    }

    fn spoken(self, unit: &str) -> String {
        match self {
            Limit::AtMost(most) => format!("<= {most}{unit}"),
            Limit::AtLeast(least) => format!(">= {least}{unit}"),
        }
    }
}

use Limit::{AtLeast, AtMost};

struct Judge<'a> {
    report: &'a Report,
    goals: Vec<Goal>,
}

impl Judge<'_> {
    /// How many times the second the first is, for calls of a process that is alone.
    fn ratio(&mut self, what: impl Into<String>, limit: Limit, of: Option<Cost>, to: Option<Cost>) {
        if let (Some(of), Some(to)) = (of, to) {
            let beside = format!("median {:.2} x", of.median / to.median);
            self.add(what, limit, " x", of.min / to.min, beside);
        }
    }

    fn plain(&mut self, what: impl Into<String>, limit: Limit, unit: &str, figure: f64) {
        self.add(what, limit, unit, figure, String::new());
    }

    fn add(
        &mut self,
        what: impl Into<String>,
        limit: Limit,
        unit: &str,
        figure: f64,
        beside: String,
    ) {
        self.goals.push(Goal {
            what: what.into(),
            goal: limit.spoken(unit),
            measured: format!("{figure:.2}{unit}"),
            beside,
            met: limit.admits(figure),
        });
    }

    fn solo(&self, what: &str, bytes: usize, candidate: Candidate) -> Option<Cost> {
        self.report.solo(what, bytes, candidate)
    }

    fn alone(&mut self) {
        let get = |judge: &Self, bytes, candidate| judge.solo("get", bytes, candidate);
        let (ours, copy) = (get(self, 64, Ours), get(self, 64, Fixed));
        self.ratio("get, 64 B : fixed-size copy", AtMost(2.0), ours, copy);
        self.ratio(
            "get, 64 B: iceoryx2's get : ours",
            AtLeast(3.0),
            get(self, 64, Iceoryx),
            ours,
        );
        for (bytes, most) in [
            (256, 1.3),
            (1024, 1.3),
            (2048, 1.3),
            (4096, 1.15),
            (65536, 1.15),
        ] {
            let what = format!("get, {} : memcpy", crate::value::spoken(bytes));
            self.ratio(
                what,
                AtMost(most),
                get(self, bytes, Ours),
                get(self, bytes, RuntimeLength),
            );
        }
        for bytes in [4096, 65536] {
            let what = format!("read_into, {} : memcpy", crate::value::spoken(bytes));
            let [ours, copy] =
                [Ours, RuntimeLength].map(|candidate| self.solo("read_into", bytes, candidate));
            self.ratio(what, AtMost(1.15), ours, copy);
        }
        let set = |judge: &Self, bytes, candidate| judge.solo("set", bytes, candidate);
        let (ours, theirs) = (set(self, 64, Held), set(self, 64, Iceoryx));
        self.ratio(
            "Writer::set, 64 B : iceoryx2's update_with_copy",
            AtMost(1.0),
            ours,
            theirs,
        );
        let pair = self.solo("lock, unlock", 64, Robust);
        for what in ["set", "update"] {
            let ours = self.solo(what, 64, Ours);
            self.ratio(
                format!("{what}, 64 B : a robust mutex's lock and unlock"),
                AtMost(1.2),
                ours,
                pair,
            );
        }
        for what in ["set", "set, padded"] {
            let (ours, copy) = (
                self.solo(what, 65536, Ours),
                self.solo(what, 65536, RuntimeLength),
            );
            self.ratio(format!("{what}, 64 KiB : memcpy"), AtMost(2.2), ours, copy);
        }
    }

    fn together(&mut self) {
        let get = |candidate: Candidate| {
            let is = |row: &&crate::measure::readers::Row| {
                row.candidate == candidate.name() && row.bytes == 64 && row.processes == 2
            };
            self.report.readers.iter().find(is).map(|row| row.get)
        };
        if let (Some(ours), Some(theirs)) = (get(Ours), get(Iceoryx)) {
            self.add(
                "get, 64 B, two readers: iceoryx2's : ours",
                AtLeast(15.0),
                " x",
                theirs.median / ours.median,
                format!("best rounds {:.2} x", theirs.min / ours.min),
            );
        }
    }

    fn under_writer(&mut self) {
        let find = |candidate: Candidate, call: Work, bytes| {
            let is = |row: &&under_writer::Row| {
                (row.candidate, row.call) == (candidate.name(), call.name())
                    && (row.bytes, row.period) == (bytes, 0)
            };
            self.report.under_writer.iter().find(is).cloned()
        };
        // Large values are read in place: so the documentation tells users.
        for (bytes, call, least) in [(64, Work::Get, 2.5), (65536, Work::ReadInto, 1.0)] {
            let size = crate::value::spoken(bytes);
            let Some(theirs) = find(Iceoryx, Work::Get, bytes) else {
                return;
            };
            for candidate in [Ours, View] {
                let Some(ours) = find(candidate, call, bytes) else {
                    return;
                };
                let who = format!("{}::{}", candidate.name(), call.name());
                self.add(
                    format!("{who} under a busy writer, {size}: rate : iceoryx2's"),
                    AtLeast(least),
                    " x",
                    ours.reads.median / theirs.reads.median,
                    format!("best rounds {:.2} x", ours.reads.best / theirs.reads.best),
                );
                let what = format!("{who} under a busy writer, {size}: worst");
                self.plain(what, AtMost(5.0), " ms", ours.worst / 1e6);
                let what =
                    format!("{who}, {size}: part of its rate that the writer keeps : iceoryx2's");
                self.plain(what, AtLeast(0.9), " x", ours.kept / theirs.kept);
            }
        }
        let torn: u64 = self
            .report
            .under_writer
            .iter()
            .filter(|row| [Ours.name(), View.name()].contains(&row.candidate))
            .map(|row| row.torn)
            .chain(self.report.takeover.iter().map(|row| row.torn))
            .sum();
        self.plain("torn values, everywhere", AtMost(0.0), "", torn as f64);
    }

    fn coming_and_going(&mut self) {
        let what = "attach, get, detach";
        let (ours, bare) = (
            self.report.attach(what, Ours.name()),
            self.report.attach(what, BARE),
        );
        self.ratio(
            "attach, verify, get, detach : the bare C calls",
            AtMost(1.6),
            ours,
            bare,
        );
        let theirs = [Iceoryx.name(), NODE_STANDS].map(|name| self.report.attach(what, name));
        if let (Some(ours), [Some(theirs), Some(beside)]) = (ours, theirs) {
            self.add(
                "attach, get, detach, from nothing: iceoryx2's : ours",
                AtLeast(100.0),
                " x",
                theirs.min / ours.min,
                format!("once it has a node {:.2} x", beside.min / ours.min),
            );
        }
        if let Some(ours) = self
            .report
            .takeover
            .iter()
            .find(|row| row.candidate == Ours.name())
            .cloned()
        {
            self.plain(
                "takeover after kill -9, median",
                AtMost(3.0),
                " ms",
                ours.median / 1e6,
            );
            self.plain(
                "takeover after kill -9, p99",
                AtMost(10.0),
                " ms",
                ours.p99 / 1e6,
            );
            self.plain(
                "the longest read meanwhile",
                AtMost(5.0),
                " ms",
                ours.worst_read / 1e6,
            );
        }
        if let [ours, theirs] = self.report.build.as_slice() {
            let share = ours.seconds / theirs.seconds;
            self.plain(
                "clean release build : iceoryx2's (recorded)",
                AtMost(0.33),
                " x",
                share,
            );
        }
    }
}

impl Judge<'_> {
    fn files(&mut self) {
        let report = self.report;
        for bytes in [64, 4096] {
            let size = spoken(bytes);
            let mut medians = |what: &str, limit, (call, of), to| {
                let of = report.file(call, bytes, of);
                if let (Some(of), Some(to)) = (of, report.file(call, bytes, to)) {
                    let beside = format!("min {:.2} x", of.min / to.min);
                    self.add(
                        what.replace("{}", &size),
                        limit,
                        " x",
                        of.median / to.median,
                        beside,
                    );
                }
            };
            let get = "get, {}, in a file : in a segment";
            medians(get, AtMost(1.05), (files::GET, files::OURS), files::SEGMENT);
            // The disk's own time has no best case that means anything.
            let durable = "set and persist, {} : pwrite and fdatasync of as many bytes";
            medians(
                durable,
                AtMost(1.2),
                (files::DURABLE, files::OURS),
                files::PLAIN,
            );
            // All of 4 KiB both copy: that alone takes more than a fifth of LMDB's time.
            let (lmdb, least) = match bytes {
                64 => ("get, {}, LMDB : in a file", 5.0),
                _ => ("read_into, {}, LMDB : in a file", 3.0),
            };
            let call = if bytes == 64 { files::GET } else { files::READ };
            medians(lmdb, AtLeast(least), (call, files::LMDB), files::OURS);
            let field = "one field of {}, LMDB : in a file";
            medians(
                field,
                AtLeast(5.0),
                (files::FIELD, files::LMDB),
                files::OURS,
            );
        }
    }
}

impl Judge<'_> {
    fn rows(&mut self) {
        for (call, limit, what) in [
            (rows::SET, 1.8, "Seat::set, 64 B : two copies of 64 B"),
            (
                rows::ADD,
                1.1,
                "a counter's addition : AtomicU64::fetch_add",
            ),
            (
                rows::READ,
                1.2,
                "256 rows, life as last noticed : 256 x a value of a box",
            ),
            (
                rows::JUDGED,
                1.8,
                "256 rows judged : 256 x a value of a box, one GETVAL",
            ),
        ] {
            let [ours, bare] = [rows::OURS, rows::BARE].map(|who| self.report.rows(call, who));
            self.ratio(what, AtMost(limit), ours, bare);
        }
    }
}

/// All goals, in order.
pub fn judge(report: &Report) -> Vec<Goal> {
    let mut judge = Judge {
        report,
        goals: Vec::new(),
    };
    judge.alone();
    judge.together();
    judge.under_writer();
    judge.coming_and_going();
    judge.files();
    judge.rows();
    judge.goals
}
