//! The files of the library name only those below them, and none of them runs in a circle. The lists of what does not
//! hold yet may only shrink.

mod arrows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arrows::{Arrows, Crate};

/// The rooms of the house, and the rooms that each may use beside itself, with those inside them. A file belongs to the
/// longest beginning that fits its name.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("layout", &["layout/"], &[]),
    ("sysv", &["sysv/"], &[]),
    ("home/file", &["home/file/"], &["sysv"]),
    ("home", &["home/"], &["home", "sysv"]),
    ("protocol", &["protocol/"], &["protocol", "home", "sysv"]),
    ("protocol/fault", &["protocol/fault.rs"], &["home", "sysv"]),
    ("protocol/memory", &["protocol/memory/"], &["home", "sysv"]),
    (
        "protocol/lock",
        &["protocol/lock/"],
        &["protocol/memory", "protocol/fault", "home", "sysv"],
    ),
    (
        "protocol/rows",
        &["protocol/rows/"],
        &["protocol/lock", "protocol/memory", "protocol/fault"],
    ),
    (
        "protocol/segment",
        &["protocol/segment/"],
        &[
            "protocol/rows",
            "protocol/lock",
            "protocol/memory",
            "protocol/fault",
            "home",
            "sysv",
        ],
    ),
    (
        "protocol/life",
        &["protocol/life/"],
        &[
            "protocol/segment",
            "protocol/rows",
            "protocol/lock",
            "protocol/memory",
            "protocol/fault",
            "home",
            "sysv",
        ],
    ),
    (
        "typed",
        &["typed/"],
        &["protocol", "home", "sysv", "layout"],
    ),
    ("foreign", &["foreign/"], &["typed", "layout"]),
    (
        "face",
        &[""],
        &["foreign", "typed", "protocol", "home", "sysv", "layout"],
    ),
];

/// The one circle that is meant, as among `File` and `OpenOptions` in `std::fs`.
const MEANT: &[&str] = &[
    "face/options.rs",
    "face/shared_box.rs",
    "face/shared_view.rs",
];

/// Arrows that point up today.
const UP: &[(&str, &str)] = &[];

/// Circles of today, each with all of its files.
const CIRCLES: &[&[&str]] = &[];

fn library() -> Crate {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../shm-core/src/");
    Crate::read(&|name| fs::read_to_string(format!("{source}{name}")).ok())
}

fn room(file: &str) -> (&'static str, &'static [&'static str]) {
    let fits = |begin: &&str| file.starts_with(begin);
    ROOMS
        .iter()
        .filter_map(|(room, files, may)| {
            let longest = files
                .iter()
                .filter(|begin| fits(begin))
                .map(|begin| begin.len());
            Some((longest.max()?, (*room, *may)))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, room)| room)
        .expect("the last room takes every file")
}

fn is_within(room: &str, whole: &str) -> bool {
    let rest = room.strip_prefix(whole);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn upward(arrows: &Arrows) -> Arrows {
    let points_up = |(from, to): &&(String, String)| {
        let (from, may) = room(from);
        let (to, _) = room(to);
        from != to && !may.iter().any(|room| is_within(to, room))
    };
    arrows.iter().filter(points_up).cloned().collect()
}

/// The largest sets of files each of which leads to every other.
fn circles(arrows: &Arrows) -> BTreeSet<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().push(to);
    }
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut todo = next.get(from).cloned().unwrap_or_default();
        while let Some(file) = todo.pop() {
            if reached.insert(file) {
                todo.extend(next.get(file).into_iter().flatten());
            }
        }
        reached
    };
    let all: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&from| (from, reached(from))).collect();
    let with = |file: &str| {
        all[file]
            .iter()
            .filter(|&&other| all.get(other).is_some_and(|back| back.contains(file)))
            .map(|&other| other.to_owned())
            .collect::<Vec<_>>()
    };
    all.keys()
        .map(|file| with(file))
        .filter(|circle| !circle.is_empty())
        .collect()
}

fn is_meant(circle: &[String]) -> bool {
    circle.iter().all(|file| MEANT.contains(&&**file))
}

/// The arrows inside a circle, for the message.
fn inside(arrows: &Arrows, circle: &[String]) -> String {
    let inner = arrows
        .iter()
        .filter(|(from, to)| circle.contains(from) && circle.contains(to));
    inner
        .map(|(from, to)| format!("    {from} -> {to}\n"))
        .collect()
}

#[test]
fn every_file_of_the_library_is_read() {
    let library = library();
    let files: BTreeSet<&str> = library.files().collect();
    for file in [
        "lib.rs",
        "protocol/memory/copy/masked.rs",
        "protocol/memory/copy/words.rs",
        "typed/gaps.rs",
    ] {
        assert!(files.contains(file), "{file} was not read: {files:?}");
    }
    assert!(files.len() > 80, "{} files", files.len());
    assert!(
        !files
            .iter()
            .any(|file| file.contains("/tests/") || file.contains("/models/"))
    );
}

#[test]
fn arrows_point_down() {
    let found = upward(&library().mentions());
    let known: Arrows = UP
        .iter()
        .map(|&(from, to)| (from.into(), to.into()))
        .collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    let what = |(from, to): &&(String, String)| {
        format!(
            "    {from} -> {to}: `{}` may not use `{}`\n",
            room(from).0,
            room(to).0
        )
    };
    assert!(
        new.is_empty(),
        "these files name a file above them:\n{}",
        new.iter().map(what).collect::<String>()
    );
    assert!(
        gone.is_empty(),
        "no more, so take them out of `UP`: {gone:?}"
    );
}

#[test]
fn no_files_run_in_a_circle() {
    let arrows = library().uses();
    let found: BTreeSet<_> = circles(&arrows)
        .into_iter()
        .filter(|circle| !is_meant(circle))
        .collect();
    let known: BTreeSet<Vec<String>> = CIRCLES
        .iter()
        .map(|circle| circle.iter().map(|&file| file.to_owned()).collect())
        .collect();
    let new: String = found
        .difference(&known)
        .map(|circle| format!("{circle:#?}\n{}", inside(&arrows, circle)))
        .collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "circles of files that are not in `CIRCLES`, with their arrows:\n{new}\nin `CIRCLES`, and not so any more: {gone:#?}",
    );
}

#[test]
fn every_package_of_the_workspace_inherits_the_lints() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let manifest = |package: &str| fs::read_to_string(format!("{root}/{package}Cargo.toml"));
    let workspace = manifest("").expect("the workspace has a manifest");
    let members = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .expect("members on one line");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.contains(&"shm-core"), "{members:?}");
    for member in members {
        let manifest = manifest(&format!("{member}/")).expect("a member has a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
}

/// The reader itself: what it must find, and what it must not.
#[test]
fn arrows_are_found_through_what_is_passed_on() {
    let files = [
        (
            "lib.rs",
            "mod face; mod layout; mod protocol; pub use layout::Schema;",
        ),
        ("face.rs", "use crate::protocol::Lock; use std::fmt;"),
        (
            "layout/mod.rs",
            "mod schema; pub use schema::Schema; #[cfg(test)] mod tests;",
        ),
        (
            "layout/schema.rs",
            "fn f() { crate::protocol::lock::take() }",
        ),
        (
            "protocol/mod.rs",
            "mod lock; mod slots; pub(crate) use lock::Lock;",
        ),
        (
            "protocol/lock.rs",
            "use super::slots::{self, Claim}; #[cfg(all(test, loom))] use crate::face; macro_rules! m { () => { $crate::face::x } }",
        ),
        (
            "protocol/slots.rs",
            "use super::Lock; use crate::Schema; pub(in crate::protocol) fn f(self) { self.x }",
        ),
    ];
    let files = BTreeMap::from(files);
    let read = Crate::read(&|name| files.get(name).map(|&text| text.to_owned()));
    let arrow = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let wanted = [
        arrow("face.rs", "protocol/lock.rs"),
        arrow("layout/schema.rs", "protocol/lock.rs"),
        arrow("protocol/lock.rs", "protocol/slots.rs"),
        arrow("protocol/slots.rs", "layout/schema.rs"),
        arrow("protocol/slots.rs", "protocol/lock.rs"),
    ];
    assert_eq!(read.uses(), Arrows::from(wanted.clone()));
    assert_eq!(
        upward(&read.mentions()),
        Arrows::from([wanted[1].clone(), wanted[3].clone()])
    );
    let circle = ["layout/schema.rs", "protocol/lock.rs", "protocol/slots.rs"].map(str::to_owned);
    assert_eq!(circles(&read.uses()), BTreeSet::from([circle.to_vec()]));
}
