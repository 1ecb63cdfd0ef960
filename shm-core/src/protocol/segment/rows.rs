//! Rows change hands: claims, releases, deaths, reaping. `rows/words.rs` has the table of the steps.
//!
//! The membership is the sequence of the segment, which no commit raises in a table: twice its version.

use std::time::{Duration, Instant};

use super::row::{FreshRow, Row, Seated, Seen};
use super::segment::{Judgement, Segment};
use crate::home::Witness;
use crate::protocol::fault::{Fault, NAMED};
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::record::Record;
use crate::protocol::lock::slots::Slots;
use crate::protocol::lock::verdict::Look;
use crate::protocol::lock::wait::{self, DEATH_NAP};
use crate::protocol::memory::atomics::Ordering::{AcqRel, Relaxed};
use crate::protocol::memory::control::{ALWAYS_NOTIFY, EVERYTHING, FREE_ON_DEATH, State};
use crate::protocol::memory::copy::{Area, Span};
use crate::protocol::memory::latch::version_of;
use crate::protocol::memory::stop::stop;
use crate::protocol::rows::own::{Life, Own};
use crate::sysv::sem::{self, Op};
use crate::sysv::{self, Kind};

/// Times that a claim walks over the rows while other processes take those that it is about to.
const TRIES: u32 = 64;

/// A nap where the kernel counts deaths: a wake-up that died with its process was followed by that death.
const COUNTED_NAP: Duration = Duration::from_secs(2);

/// Of so many naps, each until a change or for two seconds, one begins with a look at who lives although no death was counted.
const JUDGED_NAPS: u32 = 2;

/// How long a judgement holds at most: a peer may have set the count of deaths.
const JUDGED_FOR: Duration = Duration::from_secs(1);

/// The count of deaths is taken down by as much once it is above: a semaphore ends at 32,767.
pub(super) const DEATHS_TAKEN_DOWN: u16 = 0x4000;

/// What a claimant takes, in this order: as long as there is a free row, or one that a dead claim was about to fill or clear,
/// the last values of the dead stay.
const TAKEN: [&[Life]; 3] = [
    &[Life::Free],
    &[Life::Changing],
    &[Life::Dead, Life::Live, Life::Reaping],
];

/// Judges claims before something is done that can't be taken back.
struct Judge<'a> {
    segment: &'a Segment,
    own: Claim,
    /// What the semaphores held when all owners began to be judged.
    values: Vec<u16>,
    /// Whether the semaphores were found to be the segment's, in this namespace.
    checked: bool,
}

/// What a view has seen of the rows.
#[derive(Default)]
pub(crate) struct Looked {
    /// Those that show a value. Whose owner was found dead is so in what was seen of it.
    pub(crate) rows: Vec<(u32, Seen)>,
    /// How many of these deaths no row says.
    unnoted: u64,
}

impl Judge<'_> {
    fn witnesses(&self) -> Slots<'_> {
        Slots {
            values: &self.values,
            ..self.segment.witnesses()
        }
    }

    /// Whether the kernel will tell of the end of this claim's process, as it has one of its semaphores to undo.
    fn is_held(&self, claim: Claim) -> bool {
        let held = claim.slot().map(|slot| self.witnesses().was_held(slot));
        claim == self.own || held == Some(true)
    }

    fn is_dead(&mut self, claim: Claim) -> Result<bool, Fault> {
        let own = self.own;
        let alive = |judge: &Judge<'_>| judge.witnesses().alive(claim, own, Look::Short);
        if claim == own || alive(self)? {
            return Ok(false);
        }
        if !self.checked {
            self.segment.recheck()?;
            self.checked = true;
            return Ok(!alive(self)?);
        }
        Ok(true)
    }
}

/// A row that was claimed, and is not shown yet; dropped before it is, it is let go.
pub(crate) struct Fresh<'a> {
    row: FreshRow<'a>,
    /// The schema in force that was found behind the exchange, and its version.
    state: State,
    schema: u32,
}

impl<'a> Fresh<'a> {
    /// What the first value is committed to.
    pub(crate) fn row(&mut self) -> &mut FreshRow<'a> {
        &mut self.row
    }

    /// Whether the schema that was found is one that this process was found to be able to write. Else the row is not for it.
    pub(crate) fn is_writable(&self) -> bool {
        self.row.row.segment.is_written_as(self.state)
    }

    /// Shows the row, which has its first value; returns the number of the claim.
    pub(crate) fn show(self) -> Result<(Seated, u64), Fault> {
        stop!("row: filled");
        let Row { segment, words, .. } = self.row.row;
        let id = segment.control().ids.fetch_add(1, Relaxed).wrapping_add(1);
        let own = words.show(self.row.seated.own, id, Record::own().0, self.schema);
        let own = own.ok_or(Fault::Left)?;
        let seated = Seated {
            own,
            ..self.row.seated
        };
        std::mem::forget(self);
        stop!("row: shown");
        segment.raise_membership();
        Ok((seated, id))
    }
}

impl Drop for Fresh<'_> {
    /// As its owner would: the row may have shown the value of one that is dead.
    fn drop(&mut self) {
        self.row.row.segment.release_row(&self.row.seated);
    }
}

impl Segment {
    /// Claims a row, which is repaired then, and shown once it has a value: see [`Fresh::show`].
    pub(crate) fn claim_row(&self) -> Result<Fresh<'_>, Fault> {
        let (claim, stamp) = self.own_claim()?;
        self.check_life()?;
        let (index, own) = self.take_row(claim)?;
        let row = self.row(index).ok_or(Fault::Left)?;
        stop!("row: taken");
        // Behind the exchange, since the row's last owner may have known a later schema, and before the template is copied,
        // which has all that this one names from here on.
        let schema = self.schema_in_force();
        self.repair_row(row);
        let mut fresh = Fresh {
            row: FreshRow {
                row,
                seated: Seated::of(&row, own, stamp),
            },
            state: State::NEWBORN,
            schema: 0,
        };
        (fresh.state, fresh.schema) = schema?;
        row.note_bases();
        stop!("row: bases noted");
        Ok(fresh)
    }

    fn take_row(&self, claim: Claim) -> Result<(u32, Own), Fault> {
        let mut judge = self.judge(claim);
        for _ in 0..TRIES {
            let mut lost = false;
            for lives in TAKEN {
                for (index, words) in (0..).zip(self.row_words()) {
                    let seen = words.look();
                    if !lives.contains(&seen.life()) {
                        continue;
                    }
                    let has_no_owner = matches!(seen.life(), Life::Free | Life::Dead);
                    if has_no_owner || judge.is_dead(seen.claim())? {
                        match words.exchange(seen, seen.taken_by(claim)) {
                            Some(own) => return Ok((index, own)),
                            None => lost = true,
                        }
                    }
                }
            }
            if !lost {
                break;
            }
        }
        Err(self.full())
    }

    fn judge(&self, own: Claim) -> Judge<'_> {
        Judge {
            segment: self,
            own,
            values: Vec::new(),
            checked: false,
        }
    }

    /// The same for all owners: the semaphores are read at once.
    fn judge_of_all(&self, own: Claim) -> Judge<'_> {
        let set = self.semaphores().ok();
        Judge {
            values: set
                .and_then(|set| sem::values(set).ok())
                .unwrap_or_default(),
            ..self.judge(own)
        }
    }

    /// Whether all owners were judged, and none of them has died since. One system call.
    fn is_judged(&self) -> bool {
        let last = self.judgement.try_lock().ok().and_then(|last| *last);
        let counter = self.death_counter();
        last.zip(counter).is_some_and(|(last, counter)| {
            last.at.elapsed() < JUDGED_FOR
                && last.claims == self.control().claims.load(Relaxed)
                && sem::value(last.set, counter).is_ok_and(|deaths| deaths == last.deaths)
        })
    }

    /// What is to be known of a judgement that begins now, if it is to hold until the next death.
    fn begin_judgement(&self) -> Option<Judgement> {
        let at = Instant::now();
        let claims = self.control().claims.load(Relaxed);
        let (set, _, deaths) = self.counted_deaths()?;
        let deaths = deaths as u16;
        Some(Judgement {
            set,
            deaths,
            claims,
            at,
        })
    }

    /// Keeps it, where the kernel will tell of each death to come.
    fn keep_judgement(&self, judgement: Option<Judgement>, is_certain: bool) {
        if let Ok(mut last) = self.judgement.try_lock() {
            *last = judgement.filter(|_| is_certain);
        }
    }

    fn full(&self) -> Fault {
        let mut pids = Vec::new();
        for index in 0..self.row_count() {
            let seen = self.row(index).and_then(|row| row.look());
            let owner = seen.and_then(|seen| seen.owner());
            if let Some(pid) = owner.filter(|pid| pids.len() < NAMED && !pids.contains(pid)) {
                pids.push(pid);
            }
        }
        Fault::Full {
            rows: self.row_count(),
            pids: pids.into(),
        }
    }

    /// Lets a row go, unless it is another process's.
    pub(crate) fn release_row(&self, seated: &Seated) {
        if let Some(row) = self.row(seated.index).filter(|_| seated.stamp.lasts()) {
            self.free_row(row, seated.own);
        }
    }

    /// Hides a row of this claim's, puts it back to the template, and lets it go; `false`: it is another's by now.
    fn free_row(&self, row: Row<'_>, own: Own) -> bool {
        let hidden = own.with(Life::Changing);
        if row.words.exchange(own, hidden).is_none() {
            return false;
        }
        stop!("row: hidden");
        let (len, mask) = (self.length_in_force(), self.mask());
        row.words.range.store(EVERYTHING, Relaxed);
        // SAFETY: the row is this claim's, on a writable mapping, and its copies were repaired: **owned**, **whole**.
        // Rows, template and mask have the capacity's size, and do not overlap; the length in force is within it.
        unsafe {
            let (_, mirror) = row
                .latch()
                .commit(|area| area.copy_around(self.latch.payload(), len, mask));
            mirror.copy_from(row.latch().payload(), Span::whole(len));
        }
        stop!("row: cleared");
        if row.words.exchange(hidden, hidden.freed()).is_some() {
            stop!("row: freed");
            self.raise_membership();
        }
        true
    }

    /// What a process that has just claimed a slot makes of the rows of earlier claims of it.
    pub(super) fn bury_rows(&self, slot: u32, except: Claim) {
        let mut news = false;
        for words in self.row_words() {
            news |= words.bury(slot, except);
        }
        if news {
            self.raise_membership();
        }
    }

    /// Counts what has become of a row, and wakes those who wait for that.
    fn raise_membership(&self) {
        // Release: a waiter that sees the count sees the rows.
        let before = self.control().seq.fetch_add(2, AcqRel);
        stop!("row: membership raised");
        let version = version_of(before).wrapping_add(1);
        let awaited = wait::is_awaited_after_release(&self.control().awaited, version);
        if awaited || self.flags & ALWAYS_NOTIFY != 0 {
            self.wake_waiters();
            // Those who wait for deaths as well sleep there.
            if let (Some(counter), Some(set)) = (self.death_counter(), self.semaphores().ok()) {
                let _ = sem::op(set, &[Op::add(counter, 1).nowait()]);
            }
        }
        stop!("row: waiters woken");
    }

    /// Notes each death that no process has noticed yet. One system call if there was none since the last time; else
    /// some, and some for each owner that the semaphores don't show.
    ///
    /// A judgement holds as long as the kernel counts no further death and no process claims a slot: who has a
    /// semaphore to undo is counted when it ends. Of a process that left its namespace, or one under a set that was lost, only its
    /// record speaks, so with such an owner each look judges.
    pub(crate) fn note_deaths(&self) -> Result<(), Fault> {
        let (claim, stamp) = self.own_claim()?;
        self.check_life()?;
        if self.is_judged() {
            return Ok(());
        }
        let judgement = self.begin_judgement();
        let mut judge = self.judge_of_all(claim);
        let mut is_certain = true;
        for index in 0..self.row_count() {
            let Some(row) = self.row(index) else { continue };
            let seen = row.words.look();
            if seen.life() != Life::Live {
                continue;
            }
            if !judge.is_dead(seen.claim())? {
                is_certain &= judge.is_held(seen.claim());
                continue;
            }
            if self.flags & FREE_ON_DEATH != 0 {
                if let Some(own) = row.words.exchange(seen, seen.taken_by(claim)) {
                    self.repair_row(row);
                    self.free_row(row, own);
                }
            } else if row.words.exchange(seen, seen.died()).is_some() {
                stop!("row: death noted");
                self.raise_membership();
            }
            debug_assert!(stamp.lasts(), "no code of the caller's has run");
        }
        self.keep_judgement(judgement, is_certain);
        Ok(())
    }

    /// Looks at the rows after a look at who lives. `None`: the rows say it. System calls as for [`Segment::note_deaths`].
    pub(crate) fn look_at_rows(&self) -> Result<Option<Looked>, Fault> {
        if self.writable {
            return self.note_deaths().map(|()| None);
        }
        if !self.state().is_removed() && self.is_judged() {
            return Ok(None);
        }
        let witnesses = self.witnesses_now()?;
        let judgement = self.begin_judgement();
        let judge = self.judge_of_all(Claim { word: 0 });
        let witnesses = Slots {
            values: &judge.values,
            ..witnesses
        };
        let mut is_certain = true;
        let mut looked = Looked::default();
        for (index, mut seen) in self.rows_as_noted() {
            let claim = seen.own.claim();
            if !seen.is_dead() {
                if witnesses.alive(claim, judge.own, Look::Short)? {
                    is_certain &= judge.is_held(claim);
                } else {
                    // What this one can't note, it judges each time.
                    (seen.own, is_certain) = (seen.own.died(), false);
                    looked.unnoted += 1;
                }
            }
            looked.rows.push((index, seen));
        }
        self.keep_judgement(judgement, is_certain);
        Ok(Some(looked))
    }

    /// The rows that show a value, and what the last look at them noted.
    fn rows_as_noted(&self) -> impl Iterator<Item = (u32, Seen)> + '_ {
        (0..self.row_count()).filter_map(|index| Some((index, self.row(index)?.look()?)))
    }

    /// The rows that show a value, after a look at who lives.
    pub(crate) fn rows_looked_at(&self) -> Result<Vec<(u32, Seen)>, Fault> {
        let looked = self.look_at_rows()?.map(|looked| looked.rows);
        Ok(looked.unwrap_or_else(|| self.rows_as_noted().collect()))
    }

    /// How often the table's membership has changed, each death counted once, whether it was noted or not. `judges`: after a look at
    /// who lives.
    pub(crate) fn membership(&self, judges: bool) -> Result<u64, Fault> {
        let looked = judges.then(|| self.look_at_rows()).transpose()?.flatten();
        Ok(self.version() + looked.map_or(0, |looked| looked.unnoted))
    }

    /// Sleeps until the membership is above `count`; `None`: the time is over.
    ///
    /// Where the kernel counts deaths ([`Segment::count_own_death`]) it wakes for them, and claims and releases raise that count for
    /// those who have announced that they wait. Elsewhere this looks each [`DEATH_NAP`].
    pub(crate) fn wait_membership(
        &self,
        count: u64,
        deadline: Option<Instant>,
    ) -> Result<Option<u64>, Fault> {
        let mut naps = 0;
        let mut seen_deaths = None;
        loop {
            // Before the look at the rows: what dies behind that ends the sleep at once.
            let deaths = self.deaths();
            let version = self.version();
            // Now and then also where the count stands: a peer may have set it.
            let judges = deaths.is_none() || deaths != seen_deaths || naps % JUDGED_NAPS == 0;
            let now = self.membership(judges)?;
            seen_deaths = deaths;
            if now > count {
                return Ok(Some(now));
            }
            self.check_life()?;
            if naps % JUDGED_NAPS == 1 && self.is_orphan()? {
                return Err(Fault::Removed);
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            naps += 1;
            let nap = |nap: Duration| left.map_or(nap, |left| left.min(nap));
            let slept = deaths.is_some_and(|(set, counter, value)| {
                wait::announce(&self.control().awaited, version + 1);
                self.version() != version
                    || is_slept(sem::op_timeout(
                        set,
                        &[Op::add(counter, -(value + 1)), Op::add(counter, value + 1)],
                        nap(COUNTED_NAP),
                    ))
            });
            if !slept {
                self.wait(version, Instant::now().checked_add(nap(DEATH_NAP)))?;
            }
        }
    }

    /// The semaphore that counts deaths, in the set of a table.
    pub(super) fn death_counter(&self) -> Option<u16> {
        (self.row_count() > 0).then_some(self.geometry.slots)
    }

    /// Set, semaphore and count of deaths; `None` where none can be waited for.
    pub(super) fn deaths(&self) -> Option<(sem::Id, u16, i16)> {
        if self.writable {
            self.counted_deaths()
        } else {
            None
        }
    }

    fn counted_deaths(&self) -> Option<(sem::Id, u16, i16)> {
        let counter = self.death_counter()?;
        let set = self.semaphores().ok()?;
        let value = sem::value(set, counter).ok()?;
        if value > DEATHS_TAKEN_DOWN {
            // Others sleep for a higher count then, and look again within a nap.
            let down = Op::add(counter, -(DEATHS_TAKEN_DOWN as i16)).nowait();
            let _ = sem::op(set, &[down]);
            return None;
        }
        Some((set, counter, value as i16))
    }

    /// Has the kernel count the end of this process, or takes that back: what it undoes is a decrease.
    pub(super) fn count_own_death(&self, slots: Slots<'_>, counts: bool) {
        if let (Some(counter), Some(Witness::Set(set))) = (self.death_counter(), slots.witness) {
            let [up, down] = [1, -1].map(|n| Op::add(counter, n).nowait());
            let ops = match counts {
                true => [up, down.undo()],
                false => [up.undo(), down],
            };
            // Where it can't, waiters find the death when they look by themselves.
            let _ = sem::op(set, &ops);
        }
    }

    /// Writes the mask of a table that is being born. Its creator may have died here before, with another mask and other rows.
    pub(in crate::protocol) fn describe_counters(&self, counters: &[usize]) {
        let Some(mask) = self.mask() else { return };
        let store = |area: Area, offset, word| {
            // SAFETY: the word lies within the capacity, which is the size of a row and of the mask.
            unsafe { area.word(offset) }.store(word, Relaxed);
        };
        for offset in (0..self.geometry.capacity).step_by(8) {
            store(mask, offset, 0);
        }
        for offset in counters {
            store(mask, *offset, u64::MAX);
        }
        for row in (0..self.row_count()).filter_map(|index| self.row(index)) {
            for offset in counters {
                store(row.latch().payload(), *offset, 0);
            }
        }
    }

    /// What all owners that ever were have counted at this offset; 0: the table has no counter there.
    pub(crate) fn total(&self, offset: usize) -> Result<u64, Fault> {
        self.check_life()?;
        if !self.is_counter(offset) {
            return Ok(0);
        }
        let cell = |index| {
            let row = self.row(index)?;
            // SAFETY: it is a counter, within the capacity.
            Some(unsafe { row.latch().payload().word(offset) }.load(Relaxed))
        };
        let cells = (0..self.row_count()).filter_map(cell);
        Ok(cells.fold(0, u64::wrapping_add))
    }

    fn repair_row(&self, row: Row<'_>) {
        // SAFETY: the row is this claim's, and the mapping is writable, as claims are made on such alone:
        // **owned**. The length in force is within the capacity.
        unsafe {
            row.latch()
                .repair_around(self.length_in_force(), self.mask())
        };
    }

    /// Hands the last value of each dead owner to `each`, then frees its row. Returns how many there were.
    ///
    /// A panic in `each` leaves the row as it was.
    pub(crate) fn reap_rows(&self, mut each: impl FnMut(Row<'_>, &Seen)) -> Result<usize, Fault> {
        let (claim, stamp) = self.own_claim()?;
        self.check_life()?;
        let mut judge = self.judge(claim);
        let mut reaped = 0;
        for index in 0..self.row_count() {
            let Some(row) = self.row(index) else { continue };
            let seen = row.words.look();
            let is_dead = match seen.life() {
                Life::Dead => true,
                Life::Live | Life::Reaping => judge.is_dead(seen.claim())?,
                Life::Free | Life::Changing => false,
            };
            if !is_dead {
                continue;
            }
            let Some(own) = row.words.exchange(seen, seen.reaped_by(claim)) else {
                continue;
            };
            stop!("row: reaping");
            self.repair_row(row);
            let reaping = Reaping { row, own, stamp };
            if let Some(seen) = row.look() {
                each(row, &seen);
            }
            stop!("row: handed out");
            if !stamp.lasts() {
                return Err(Fault::Forked);
            }
            std::mem::forget(reaping);
            reaped += usize::from(self.free_row(row, own));
        }
        Ok(reaped)
    }
}

/// Whether the time was slept, or a death was counted; else it can't be waited for there.
fn is_slept(slept: Result<(), sysv::Error>) -> bool {
    match slept {
        Ok(()) => true,
        Err(error) => matches!(error.kind(), Kind::WouldBlock | Kind::TimedOut),
    }
}

/// Puts a row back whose last value was not handed out: the caller's code has panicked.
struct Reaping<'a> {
    row: Row<'a>,
    own: Own,
    stamp: Stamp,
}

impl Drop for Reaping<'_> {
    fn drop(&mut self) {
        if self.stamp.lasts() {
            self.row.words.exchange(self.own, self.own.died());
        }
    }
}
