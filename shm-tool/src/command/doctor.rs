//! `shm doctor`: what will bite, and the line of shell that mends it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use shm_core::sysv::{self, Key, Mode, sem, shm};
use shm_core::{HolderState, Place};

use crate::cli::place;
use crate::failure::Failure;
use crate::kernel::found::{Found, Inside, doing};
use crate::kernel::namespace::memory_folder;
use crate::kernel::processes::with_name;
use crate::output::{CHANGED, FAINT, human_size, print, print_json, styled, visible};

/// Tell what will bite: limits, leftovers, locks of stopped processes; each with the line that mends it
///
/// Example: shm doctor
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Doctor {
    /// This one only: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Option<Place>,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    /// What it is about.
    subject: String,
    what: String,
    /// A line of shell, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Fine,
    /// Good to know.
    Note,
    /// It will bite.
    Bad,
}

#[derive(Serialize)]
struct Answer {
    findings: Vec<Finding>,
}

impl Doctor {
    pub fn run(self) -> Result<(), Failure> {
        let findings = match &self.place {
            Some(place) => {
                let found = of_segment(&Found::at(place)?);
                let fine = || Finding::fine(&place.to_string(), "nothing is wrong with it");
                if found.is_empty() {
                    vec![fine()]
                } else {
                    found
                }
            }
            None => everything()?,
        };
        if self.json {
            return print_json(&Answer { findings });
        }
        print(&findings.iter().map(Finding::text).collect::<String>())
    }
}

fn everything() -> Result<Vec<Finding>, Failure> {
    let mut findings = limits().map_err(|error| Failure::of_sysv("limits", &error))?;
    findings.extend(namespace());
    findings.extend(memory());
    findings.push(remove_ipc());
    findings.push(undo());
    let (all, _) = Found::all()?;
    let orphans = all.iter().filter(|found| found.is_orphan()).count();
    let sets = shm_core::orphaned_sets();
    let sets = sets
        .map_err(|error| Failure::of_sysv("semaphore sets", &error))?
        .len();
    findings.push(match (orphans, sets) {
        (0, 0) => Finding::fine("leftovers", "no orphaned segment, no orphaned semaphore set"),
        _ => Finding::new(
            Level::Note,
            "leftovers",
            format!("{orphans} segments that no process will find, {sets} semaphore sets of segments that are gone"),
            "shm rm --orphans",
        ),
    });
    findings.extend(all.iter().flat_map(of_segment));
    Ok(findings)
}

/// How full each limit is.
fn limits() -> Result<Vec<Finding>, sysv::Error> {
    let (most, used) = (shm::limits()?, shm::usage()?);
    let (most_sets, used_sets) = (sem::limits()?, sem::usage()?);
    let mut findings = vec![
        filled("kernel.shmmni", "segments", used.segments, most.shmmni),
        filled("kernel.shmall", "pages", used.pages, most.shmall),
        filled(
            "kernel.sem[3]",
            "semaphore sets",
            used_sets.sets,
            most_sets.semmni,
        ),
        filled(
            "kernel.sem[1]",
            "semaphores",
            used_sets.semaphores,
            most_sets.semmns,
        ),
    ];
    /// What a segment of the library's wants unless its creator says otherwise.
    const SEMAPHORES: u64 = 250;
    if most_sets.semmsl < SEMAPHORES {
        findings.push(Finding::new(
            Level::Bad,
            "kernel.sem[0]",
            format!(
                "a set may have {} semaphores; a segment with the usual number of slots wants {SEMAPHORES}",
                most_sets.semmsl
            ),
            format!("sysctl -w kernel.sem='{SEMAPHORES} {} {} {}'", most_sets.semmns, most_sets.semopm, most_sets.semmni),
        ));
    }
    findings.push(Finding::fine(
        "kernel.shmmax",
        format!("a segment may have {} bytes", most.shmmax),
    ));
    Ok(findings)
}

fn filled(name: &str, what: &str, used: u64, most: u64) -> Finding {
    let text = format!("{used} of {most} {what}");
    // Four in five.
    if used < most / 5 * 4 {
        return Finding::fine(name, text);
    }
    let mend = match name.strip_prefix("kernel.sem[") {
        None => format!("sysctl -w {name}={}", most.saturating_mul(2)),
        Some(_) => {
            "sysctl kernel.sem; then sysctl -w kernel.sem='SEMMSL SEMMNS SEMOPM SEMMNI' with more"
                .to_owned()
        }
    };
    Finding::new(Level::Bad, name, text, mend)
}

/// How full the shared-memory file system is.
fn memory() -> Option<Finding> {
    let folder = memory_folder();
    let space = rustix::fs::statvfs(folder).ok()?;
    let most = space.f_blocks.saturating_mul(space.f_frsize);
    let used = most.saturating_sub(space.f_bavail.saturating_mul(space.f_frsize));
    let name = folder.display().to_string();
    let text = format!("{} of {} in use", human_size(used), human_size(most));
    Some(if most == 0 || used < most / 5 * 4 {
        Finding::fine(&name, text)
    } else {
        let mend = format!("mount -o remount,size={} {name}", most.saturating_mul(2));
        Finding::new(Level::Bad, &name, text, mend)
    })
}

/// The number of the namespace in which a machine starts (`PROC_IPC_INIT_INO`, include/linux/proc_ns.h).
const FIRST: &str = "ipc:[4026531839]";

fn namespace() -> Option<Finding> {
    let link = fs::read_link("/proc/thread-self/ns/ipc").ok()?;
    Some(if link == Path::new(FIRST) {
        Finding::fine("namespace", "the machine's first IPC namespace")
    } else {
        Finding::new(
            Level::Note,
            "namespace",
            format!(
                "an IPC namespace of its own ({}): keys of the machine lead nowhere here",
                link.display()
            ),
            "shm --ipc-of 1 ls, as root on the machine",
        )
    })
}

/// Whether systemd removes a user's objects at the last logout.
fn remove_ipc() -> Finding {
    const NAME: &str = "RemoveIPC";
    if !Path::new("/run/systemd/system").exists() {
        return Finding::fine(NAME, "systemd does not run here");
    }
    let mut texts = vec![fs::read_to_string("/etc/systemd/logind.conf").unwrap_or_default()];
    let mut parts: Vec<_> = [
        "/usr/lib/systemd/logind.conf.d",
        "/etc/systemd/logind.conf.d",
    ]
    .iter()
    .filter_map(|folder| fs::read_dir(folder).ok())
    .flatten()
    .flatten()
    .map(|entry| entry.path())
    .collect();
    parts.sort();
    texts.extend(
        parts
            .iter()
            .filter_map(|part| fs::read_to_string(part).ok()),
    );
    if removes(&texts) {
        Finding::new(
            Level::Note,
            NAME,
            "systemd removes the segments and semaphores of an ordinary user at the last logout",
            "mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nRemoveIPC=no\\n' >/etc/systemd/logind.conf.d/shm.conf && systemctl restart systemd-logind",
        )
    } else {
        Finding::fine(NAME, "no: what users leave stays")
    }
}

/// The last word counts; without one it is yes.
fn removes(texts: &[String]) -> bool {
    let words = texts.iter().flat_map(|text| text.lines());
    let set = words
        .filter_map(|line| line.trim().strip_prefix("RemoveIPC="))
        .next_back();
    !set.is_some_and(|word| matches!(word.trim(), "no" | "false" | "0" | "off"))
}

/// Whether the kernel undoes semaphores when a process dies, which writers are judged by.
fn undo() -> Finding {
    let tried =
        sem::get(Key::PRIVATE, 1, sem::GetFlags::CREATE, Mode::new(0o600)).and_then(|set| {
            let undone = sem::op(
                set,
                &[sem::Op::add(0, 1).undo(), sem::Op::add(0, -1).undo()],
            );
            sem::remove(set)?;
            undone
        });
    match tried {
        Ok(()) => Finding::fine(
            "SEM_UNDO",
            "the kernel undoes semaphores when a process dies",
        ),
        Err(error) => Finding::new(
            Level::Bad,
            "SEM_UNDO",
            format!(
                "no program can open a segment for writing: {}",
                error.cause()
            ),
            "run outside of this sandbox, or only read",
        ),
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    quote(&path.display().to_string())
}

fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@%,".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What is wrong with one segment or file.
fn of_segment(found: &Found) -> Vec<Finding> {
    let place = quote(&found.place().to_string());
    let new = |level, what: String, mend: String| Finding::new(level, &place, what, mend);
    let mut findings = Vec::new();
    match Inside::of(found) {
        Inside::Typed(typed) => {
            if let Some(holder) = typed.holder {
                findings.extend(of_holder(&place, holder));
            }
            if let Found::File(file) = found
                && file.meta.mode() & 0o022 != 0
            {
                findings.push(new(
                    Level::Note,
                    "its mode lets others write it, and so cut it short, which ends those who have it open".to_owned(),
                    format!("chmod go-w {}, unless its programs ask for that mode", quoted(&file.path)),
                ));
            }
            if typed.has_lost_set {
                findings.push(new(
                    Level::Note,
                    "its semaphore set was removed (ipcrm -s, or RemoveIPC)".to_owned(),
                    format!("shm unlock {place}, as its owner or as root: it opens the segment for writing, which makes a new one"),
                ));
            }
        }
        Inside::Unfinished => findings.push(new(
            Level::Bad,
            match found.segment() {
                Some(segment) => format!(
                    "process {} began to create it and has not ended that",
                    segment.stat.cpid
                ),
                None => "its creator has not made it ready".to_owned(),
            },
            format!("start its creator again, or shm rm {place}"),
        )),
        Inside::Unfit("another format") => findings.push(new(
            Level::Note,
            "it has the format of another version of the library".to_owned(),
            "use the version that made it".to_owned(),
        )),
        Inside::Unfit("not restored") => findings.push(new(
            Level::Bad,
            "it was left by an earlier start of the machine, or is a copy, and nothing durable in it is whole"
                .to_owned(),
            format!("shm rm {place}"),
        )),
        Inside::Unfit(why) => findings.push(new(
            Level::Bad,
            format!("it is {why}"),
            format!("shm who {place}, to find the writer; then shm rm {place}"),
        )),
        _ => {}
    }
    findings
}

fn of_holder(place: &str, holder: shm_core::Holder) -> Option<Finding> {
    let who = with_name(holder.pid);
    let what = format!("its lock is held by {who}, {}", doing(holder.state));
    let (level, mend) = match holder.state {
        HolderState::Running => return None,
        HolderState::Stopped => (
            Level::Bad,
            format!(
                "kill -CONT {0}, or kill -9 {0}: that frees the lock",
                holder.pid
            ),
        ),
        HolderState::Gone => (
            Level::Note,
            "nothing: the next writer takes it over".to_owned(),
        ),
        HolderState::DumpingCore | HolderState::Exiting => {
            (Level::Note, "wait until it has ended".to_owned())
        }
        _ => (
            Level::Bad,
            format!("kill -9 {}, if it is the one", holder.pid),
        ),
    };
    Some(Finding::new(level, place, what, mend))
}

impl Finding {
    fn new(
        level: Level,
        subject: &str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        let (subject, what) = (subject.to_owned(), what.into());
        Finding {
            level,
            subject,
            what,
            mend: Some(mend.into()),
        }
    }

    fn fine(subject: &str, what: impl Into<String>) -> Finding {
        let (subject, what) = (subject.to_owned(), what.into());
        Finding {
            level: Level::Fine,
            subject,
            what,
            mend: None,
        }
    }

    fn text(&self) -> String {
        let word = match self.level {
            Level::Fine => styled(FAINT, "fine"),
            Level::Note => "note".to_owned(),
            Level::Bad => styled(CHANGED, "BAD "),
        };
        let mut text = format!(
            "{word}  {}: {}\n",
            visible(&self.subject),
            visible(&self.what)
        );
        if let Some(mend) = &self.mend {
            let _ = writeln!(text, "      {}", visible(mend));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_remove_ipc_counts() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(removes(&texts(&["[Login]\n#RemoveIPC=no\n"])));
        assert!(!removes(&texts(&["RemoveIPC=yes", "RemoveIPC=no"])));
        assert!(removes(&texts(&["RemoveIPC=no", " RemoveIPC=yes "])));
    }

    #[test]
    fn a_limit_that_is_nearly_reached_is_bad() {
        assert_eq!(
            filled("kernel.shmmni", "segments", 3277, 4096).level,
            Level::Bad
        );
        assert_eq!(
            filled("kernel.shmmni", "segments", 12, 4096).level,
            Level::Fine
        );
    }
}
