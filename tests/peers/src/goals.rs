//! What the library must reach, as ratios within one run, and whether it did.

use serde::Serialize;

use crate::measure::attach::BARE;
use crate::measure::under_writer;
use crate::measure::{Cost, Report};
use crate::peer::Candidate::{self, Fixed, Held, Iceoryx, Ours, Robust, RuntimeLength, View};

/// One goal. Judged by the minima of the rounds, which neighbours on the machine disturb least.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    pub what: String,
    pub goal: String,
    pub measured: String,
    /// The same ratio of medians.
    pub median: String,
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
    /// How many times the second the first is.
    fn ratio(&mut self, what: impl Into<String>, limit: Limit, of: Option<Cost>, to: Option<Cost>) {
        let (Some(of), Some(to)) = (of, to) else {
            return;
        };
        let (min, median) = (of.min / to.min, of.median / to.median);
        self.goals.push(Goal {
            what: what.into(),
            goal: limit.spoken(" x"),
            measured: format!("{min:.2} x"),
            median: format!("{median:.2} x"),
            met: limit.admits(min),
        });
    }

    fn plain(&mut self, what: impl Into<String>, limit: Limit, unit: &str, figure: f64) {
        self.goals.push(Goal {
            what: what.into(),
            goal: limit.spoken(unit),
            measured: format!("{figure:.2}{unit}"),
            median: String::new(),
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
        let (ours, theirs) = (get(Ours), get(Iceoryx));
        self.ratio(
            "get, 64 B, two readers: iceoryx2's : ours",
            AtLeast(15.0),
            theirs,
            ours,
        );
    }

    fn under_writer(&mut self) {
        let find = |candidate: Candidate, bytes| {
            let is = |row: &&under_writer::Row| {
                row.candidate == candidate.name() && row.bytes == bytes && row.period == 0
            };
            self.report.under_writer.iter().find(is).cloned()
        };
        for (bytes, least) in [(64, 2.5), (65536, 1.0)] {
            let size = crate::value::spoken(bytes);
            let Some(theirs) = find(Iceoryx, bytes) else {
                return;
            };
            for candidate in [Ours, View] {
                let Some(ours) = find(candidate, bytes) else {
                    return;
                };
                let who = candidate.name();
                let what = format!("{who}::get under a busy writer, {size}: rate : iceoryx2's");
                self.plain(what, AtLeast(least), " x", ours.reads / theirs.reads);
                let what = format!("{who}::get under a busy writer, {size}: worst");
                self.plain(what, AtMost(5.0), " ms", ours.worst / 1e6);
                let kept =
                    (ours.commits / ours.commits_alone) / (theirs.commits / theirs.commits_alone);
                let what = format!(
                    "{who}, {size}: part of its rate that the writer keeps : iceoryx2's part"
                );
                self.plain(what, AtLeast(0.9), " x", kept);
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
        let theirs = self.report.attach(what, Iceoryx.name());
        self.ratio(
            "attach, get, detach: iceoryx2's : ours",
            AtLeast(100.0),
            theirs,
            ours,
        );
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
    judge.goals
}
