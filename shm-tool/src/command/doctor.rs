//! `shm doctor`: what will bite, and the line of shell that mends it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shm_core::sysv::{self, Key, Mode, sem, shm};
use shm_core::{ErrorKind, HolderState, Place};

use crate::cli::place;
use crate::failure::{Failure, cause};
use crate::kernel::files::FOLDER;
use crate::kernel::found::{Found, Inside, SET_LOST, inspect, who};
use crate::kernel::namespace::{here, memory_folder};
use crate::kernel::processes::{lives, with_name};
use crate::output::{CHANGED, FAINT, human_size, print, print_json, quoted, styled, visible};

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
                let found = Found::at(place)?;
                let mut findings = of_segment(&found);
                if findings.is_empty() {
                    findings.push(of_what_seems_fine(&found));
                }
                findings
            }
            None => everything()?,
        };
        if self.json {
            return print_json(&Answer { findings });
        }
        print(&findings.iter().map(Finding::text).collect::<String>())
    }
}

/// Of one about which nothing else is to be said.
fn of_what_seems_fine(found: &Found) -> Finding {
    let (subject, place) = (found.place().to_string(), quoted(found.place()));
    let note = |what: &str, mend: String| Finding::new(Level::Note, &subject, what, mend);
    match (Inside::of(found), found.fate()) {
        (_, Some(_)) => note(
            "no process has it attached, and none will find it: it has no key, and its creator has gone",
            format!("shm rm {place}"),
        ),
        (Inside::Closed, _) => note(
            "this user may not read it, so nothing is known of what is in it",
            format!("shm doctor {place}, as its owner or as root"),
        ),
        (Inside::Untyped, _) => Finding::fine(
            &subject,
            match found {
                Found::Segment(_) => "another program laid it out; nothing else is known of it",
                Found::File(_) => {
                    "another program laid it out, or cut it short; nothing else is known of it"
                }
            },
        ),
        _ => Finding::fine(&subject, "nothing is wrong with it"),
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
            format!("segments that no process will find: {orphans}; semaphore sets of segments that are gone: {sets}"),
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
    let sem = |semmsl: u64, semmns: u64, semmni: u64| {
        let semopm = most_sets.semopm;
        format!("sysctl -w kernel.sem='{semmsl} {semmns} {semopm} {semmni}'")
    };
    let (semmsl, semmns, semmni) = (most_sets.semmsl, most_sets.semmns, most_sets.semmni);
    let (pages, semaphores) = (twice(most.shmall, u64::MAX), twice(semmns, i32::MAX as u64));
    let mut findings = vec![
        filled(
            "kernel.shmmni",
            "segments",
            used.segments,
            most.shmmni,
            || {
                Some(format!(
                    "sysctl -w kernel.shmmni={}",
                    more_ids(most.shmmni)?
                ))
            },
        ),
        filled("kernel.shmall", "pages", used.pages, most.shmall, || {
            Some(format!("sysctl -w kernel.shmall={}", pages?))
        }),
        filled(
            "kernel.sem[3]",
            "semaphore sets",
            used_sets.sets,
            semmni,
            || Some(sem(semmsl, semmns, more_ids(semmni)?)),
        ),
        filled(
            "kernel.sem[1]",
            "semaphores",
            used_sets.semaphores,
            semmns,
            || Some(sem(semmsl, semaphores?, semmni)),
        ),
    ];
    /// What a segment of the library's wants unless its creator says otherwise.
    const SEMAPHORES: u64 = 250;
    if semmsl < SEMAPHORES {
        findings.push(Finding::new(
            Level::Bad,
            "kernel.sem[0]",
            format!(
                "a set may have {semmsl} semaphores; a segment with the usual number of slots wants {SEMAPHORES}"
            ),
            sem(SEMAPHORES, semmns, semmni),
        ));
    }
    findings.push(Finding::fine(
        "kernel.shmmax",
        format!("a segment may have {} bytes", most.shmmax),
    ));
    Ok(findings)
}

/// `raise`: the line that raises the limit, if it can be raised.
fn filled(
    name: &str,
    what: &str,
    used: u64,
    most: u64,
    raise: impl FnOnce() -> Option<String>,
) -> Finding {
    let text = format!("{used} of {most} {what}");
    if !is_nearly(used, most) {
        return Finding::fine(name, text);
    }
    let none = "it can't be raised: remove what is not used; shm ls and shm ls -s list it";
    let mend = raise().unwrap_or_else(|| none.to_owned());
    Finding::new(Level::Bad, name, text, mend)
}

/// Four in five.
fn is_nearly(used: u64, most: u64) -> bool {
    u128::from(used) * 5 >= u128::from(most) * 4
}

/// `None`: it is as high as it can be.
fn twice(most: u64, highest: u64) -> Option<u64> {
    Some(most.max(1).saturating_mul(2).min(highest)).filter(|more| *more > most)
}

/// Of segments or sets. The kernel has room for so many, or, started with `ipcmni_extend`, for more (ipc/util.h).
fn more_ids(most: u64) -> Option<u64> {
    const IPCMNI: u64 = 1 << 15;
    twice(most, if most > IPCMNI { 1 << 24 } else { IPCMNI })
}

/// How full the shared-memory file system is.
fn memory() -> Option<Finding> {
    let folder = memory_folder();
    let space = rustix::fs::statvfs(folder).ok()?;
    let most = space.f_blocks.saturating_mul(space.f_frsize);
    let used = most.saturating_sub(space.f_bavail.saturating_mul(space.f_frsize));
    let name = folder.display().to_string();
    let text = format!("{} of {} in use", human_size(used), human_size(most));
    Some(if most == 0 || !is_nearly(used, most) {
        Finding::fine(&name, text)
    } else {
        let mend = format!("mount -o remount,size={} {FOLDER}", most.saturating_mul(2));
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
    let texts: Vec<String> = parts(&FOLDERS.map(PathBuf::from))
        .iter()
        .filter_map(|part| fs::read_to_string(part).ok())
        .collect();
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

/// Where logind looks for its settings, what counts more first (logind.conf(5)).
const FOLDERS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// The file, and the parts behind it in the order of their names, wherever they lie: of one name, the first hides the others.
fn parts(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut named = BTreeMap::new();
    for folder in folders {
        let entries = fs::read_dir(folder.join("logind.conf.d"));
        for entry in entries.into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
            {
                named.entry(name).or_insert(path);
            }
        }
    }
    let files = folders.iter().map(|folder| folder.join("logind.conf"));
    let file = files.into_iter().find(|file| file.exists());
    file.into_iter().chain(named.into_values()).collect()
}

/// The last word counts; without one it is yes.
fn removes(texts: &[String]) -> bool {
    let words = texts.iter().flat_map(|text| text.lines());
    let mut set = words.filter_map(|line| {
        let (name, word) = line.split_once('=')?;
        (name.trim() == "RemoveIPC").then(|| word.trim().to_lowercase())
    });
    let no = ["no", "n", "false", "f", "0", "off"];
    !set.next_back().is_some_and(|word| no.contains(&&*word))
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
            match error.kind() {
                sysv::Kind::NoSpace(_) => {
                    "shm rm --orphans, shm ls -s lists the rest; or raise that limit"
                }
                sysv::Kind::NoMemory => error.hint(),
                _ => "run outside of this sandbox, or only read",
            },
        ),
    }
}

/// What is wrong with one segment or file.
fn of_segment(found: &Found) -> Vec<Finding> {
    let (subject, place) = (found.place().to_string(), quoted(found.place()));
    let new = |level, what: String, mend: String| Finding::new(level, &subject, what, mend);
    if found.is_removed() {
        return vec![new(
            Level::Note,
            "it was removed, and goes when the last process that has it attached detaches"
                .to_owned(),
            format!("shm who {place} names those"),
        )];
    }
    let mut findings = Vec::new();
    match Inside::of(found) {
        Inside::Typed(typed) => {
            if let Some(holder) = typed.holder {
                findings.extend(of_holder(&subject, &place, holder));
            }
            if let Found::File(file) = found
                && file.meta.mode() & 0o022 != 0
            {
                findings.push(new(
                    Level::Note,
                    "its mode lets others write it, and so cut it short, which ends those who have it open".to_owned(),
                    format!("chmod go-w {}, unless its programs ask for that mode", quoted(file.path.display())),
                ));
            }
            findings.extend(of_value(found).map(|what| {
                let mend = format!("shm set {place} PATH=VALUE, with that field; shm show --raw {place} shows the bytes");
                new(Level::Bad, what, mend)
            }));
            match typed.set_flaw {
                Some(SET_LOST) => findings.push(new(
                    Level::Note,
                    "its semaphore set was removed (ipcrm -s, or RemoveIPC)".to_owned(),
                    match typed.rows {
                        None => format!("shm unlock {place}, as its owner or as root: it opens the segment for writing, which makes a new one"),
                        Some(_) => "nothing: the next program that opens it for writing, as its owner or as root, makes a new one".to_owned(),
                    },
                )),
                Some(_) => findings.push(new(
                    Level::Bad,
                    "its semaphore set is another's, or was written to, so that no program can open it for writing".to_owned(),
                    made_anew(&found.place(), typed.rows.is_some()),
                )),
                None => (),
            }
        }
        Inside::Unfinished => findings.push(new(
            Level::Bad,
            match found.segment() {
                Some(segment) => format!(
                    "{} began to create it and has not ended that",
                    creator(segment.stat.cpid)
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
        Inside::Unfit("removed") => findings.push(new(
            Level::Note,
            "its removal was begun, and not ended".to_owned(),
            format!("shm rm {place}"),
        )),
        Inside::Unfit("not read") => findings.push(new(
            Level::Note,
            "it could not be looked into just now".to_owned(),
            format!("shm show {place} says why"),
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

/// `process 4711 (worker)`, or that it is gone.
fn creator(pid: i32) -> String {
    match u32::try_from(pid) {
        Ok(seen) if seen == 0 => with_name(seen),
        Ok(seen) if lives(pid) => format!("process {}", with_name(seen)),
        _ => format!("process {pid}, which is gone,"),
    }
}

/// What a single value has that its type has not.
fn of_value(found: &Found) -> Option<String> {
    let inspector = inspect(&found.way(), Duration::ZERO).ok()?;
    let error = match inspector.row_count() {
        0 => inspector.value().err()?,
        _ => return None,
    };
    (error.kind() == ErrorKind::Invalid).then(|| cause(&error))
}

/// The lines that make one anew; a value is kept. With its programs ended none writes meanwhile, and the one that creates it
/// does so with its own settings.
fn made_anew(place: &Place, is_table: bool) -> String {
    let p = quoted(place);
    if is_table {
        return format!("shm rm {p}, with its programs ended: the first that starts makes it anew");
    }
    let again = match place.segment_id() {
        Some(_) => "PLACE, with its new id".to_owned(),
        None => p.clone(),
    };
    format!(
        "shm dump {p} kept && shm rm {p}, with its programs ended; start the one that creates it, then shm restore kept {again}"
    )
}

fn of_holder(subject: &str, place: &str, holder: shm_core::Holder) -> Option<Finding> {
    let pid = holder.pid;
    let (level, mend) = match holder.state {
        HolderState::Running => return None,
        HolderState::Stopped => (
            Level::Bad,
            format!("kill -CONT {pid}, or kill -9 {pid}: that frees the lock"),
        ),
        HolderState::Gone => (
            Level::Note,
            "nothing: the next writer takes it over".to_owned(),
        ),
        HolderState::DumpingCore | HolderState::Exiting => {
            (Level::Note, "wait until it has ended".to_owned())
        }
        HolderState::Replaced => (
            Level::Bad,
            format!("shm unlock {place}, if it does not mean to keep it; or kill {pid}"),
        ),
        // `kill -9 0` would end the reader's own processes.
        _ if pid == 0 => (
            Level::Note,
            format!("shm doctor {place}, as root outside of this container, tells its pid"),
        ),
        _ => (Level::Bad, format!("kill -9 {pid}, if it is the one")),
    };
    let what = format!("its lock is held by {}", who(pid, holder.state));
    Some(Finding::new(level, subject, what, mend))
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
            mend: Some(here(&mend.into()).into_owned()),
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
#[allow(clippy::unwrap_used)]
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
        assert!(!removes(&texts(&["RemoveIPC = Off"])));
    }

    #[test]
    fn parts_of_settings_are_read_by_their_names_wherever_they_lie() {
        let root = std::env::temp_dir().join(format!("shm-doctor-{}", std::process::id()));
        let folders = ["etc", "usr"].map(|name| root.join(name));
        for file in [
            "usr/logind.conf",
            "usr/logind.conf.d/10-a.conf",
            "usr/logind.conf.d/90-c.conf",
            "etc/logind.conf.d/50-b.conf",
            "etc/logind.conf.d/90-c.conf",
            "etc/logind.conf.d/99-d.conf.old",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = parts(&folders);
        fs::remove_dir_all(&root).unwrap();
        let wanted = [
            "usr/logind.conf",
            "usr/logind.conf.d/10-a.conf",
            "etc/logind.conf.d/50-b.conf",
            "etc/logind.conf.d/90-c.conf",
        ];
        assert_eq!(found, wanted.map(|file| root.join(file)));
    }

    #[test]
    fn a_limit_that_is_nearly_reached_is_bad() {
        assert_eq!(
            filled("kernel.shmmni", "segments", 3277, 4096, || None).level,
            Level::Bad
        );
        for (used, most) in [(12, 4096), (0, 2), (0, u64::MAX)] {
            assert_eq!(filled("", "", used, most, || None).level, Level::Fine);
        }
    }

    #[test]
    fn no_line_raises_a_limit_beyond_what_the_kernel_takes() {
        assert_eq!(more_ids(4096), Some(8192));
        assert_eq!(more_ids(32_000), Some(32_768));
        assert_eq!(more_ids(32_768), None);
        assert_eq!(more_ids(1 << 20), Some(1 << 21));
        assert_eq!(twice(u64::MAX - 1, u64::MAX), Some(u64::MAX));
        assert_eq!(twice(u64::MAX, u64::MAX), None);
        assert_eq!((more_ids(0), twice(0, u64::MAX)), (Some(2), Some(2)));
    }
}
