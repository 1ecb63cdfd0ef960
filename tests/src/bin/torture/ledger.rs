//! Whether every commit that a writer was told of stayed: the chain of stamps has no two commits in
//! one place, and no broken link.

use std::collections::HashMap;

use crate::log::Told;

/// All that was told so far.
#[derive(Debug, Default)]
pub struct Ledger {
    /// One bit for each commit told.
    told: Vec<u64>,
    /// Where a stretch of told commits begins: the stamp that the commit before must have.
    begins: HashMap<u64, u64>,
    /// Where one ends: its stamp.
    ends: HashMap<u64, u64>,
    /// The newest commit told, and its version.
    pub newest: u64,
    pub newest_version: u64,
    pub commits: u64,
    pub lost: u64,
    pub backwards: u64,
}

impl Ledger {
    /// Enters what a dead writer has logged.
    pub fn enter(&mut self, log: impl Iterator<Item = Told>) {
        let mut last: Option<Told> = None;
        for told in log {
            self.commits += 1;
            self.mark(told.link.counter);
            if let Some(last) = last {
                if told.version <= last.version || told.link.counter <= last.link.counter {
                    self.backwards += 1;
                }
                if told.link.counter == last.link.counter + 1 {
                    self.lost += u64::from(told.link.previous != last.link.stamp);
                } else {
                    self.end(last);
                    self.begin(told);
                }
            } else {
                self.begin(told);
            }
            last = Some(told);
        }
        if let Some(last) = last {
            self.end(last);
            self.newest = self.newest.max(last.link.counter);
            self.newest_version = self.newest_version.max(last.version);
        }
    }

    /// Two commits with one number: the first of them was forgotten by the time of the second.
    fn mark(&mut self, counter: u64) {
        let (word, bit) = (counter as usize / 64, 1 << (counter % 64));
        if self.told.len() <= word {
            self.told.resize(word + 1, 0);
        }
        self.lost += u64::from(self.told[word] & bit != 0);
        self.told[word] |= bit;
    }

    fn begin(&mut self, told: Told) {
        let before = told.link.counter - 1;
        match self.ends.remove(&before) {
            Some(stamp) => self.lost += u64::from(stamp != told.link.previous),
            None => {
                self.begins.insert(told.link.counter, told.link.previous);
            }
        }
    }

    fn end(&mut self, told: Told) {
        match self.begins.remove(&(told.link.counter + 1)) {
            Some(previous) => self.lost += u64::from(previous != told.link.stamp),
            None => {
                self.ends.insert(told.link.counter, told.link.stamp);
            }
        }
    }
}
