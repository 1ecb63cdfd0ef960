//! Births that end in the middle, and places where none can be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use shm_core::{Error, Place, SharedBox, SharedView};
use shm_tests::{Folder, Home, NOBODY, Peer, as_user, may_change_user, may_unshare};

use super::TENANT;

/// How many at once, and how often, on each sort of file system: 500 in all.
const AT_ONCE: usize = 2;
const ROUNDS: u32 = 125;

/// Short lives that end anywhere: in a birth, in a removal, in a commit.
#[test]
fn after_births_killed_at_any_instant_the_path_is_usable_and_nothing_else_lies_there() {
    for home in Home::files() {
        let arg = home.arg();
        let mut noise = u64::from(std::process::id()) | 1;
        for round in 0..ROUNDS {
            let mut peers: Vec<_> = (0..AT_ONCE)
                .map(|_| Peer::start(TENANT, ["churn", &arg]))
                .collect();
            for peer in &mut peers {
                peer.expect("begun");
            }
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            // No time that must be long enough: any will do.
            std::thread::sleep(Duration::from_micros(noise % 3000));
            for peer in &mut peers {
                assert!(!peer.has_ended(), "round {round}");
                peer.kill();
            }
            drop(peers);
            let shared = SharedBox::open_or_create(home.place(), || [1_u64; 512]).unwrap();
            let value = shared.get().unwrap();
            assert_eq!(value, [value[0]; 512]);
            shared.set([7; 512]).unwrap();
        }
        // The next birth sweeps what has a name; what has none went with its process.
        shm_core::remove(home.place()).unwrap();
        SharedBox::create_new(home.place(), [1_u64; 512]).unwrap();
        assert_eq!(home.folder().names(), ["state"]);
    }
}

fn born(path: &std::path::Path) -> Result<SharedBox<[u64; 512]>, Error> {
    SharedBox::open_or_create(Place::file(path), || [1; 512])
}

fn refused(path: &std::path::Path, words: &[&str]) {
    let error = born(path).unwrap_err();
    let said = error.to_string();
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains(&path.display().to_string()), "{said}");
}

#[test]
fn where_there_is_no_ordinary_file_the_error_says_what_there_is() {
    for folder in [Folder::new(), Folder::in_memory()] {
        let at = |name: &str| folder.path().join(name);
        refused(&at("none/state"), &["there is no directory"]);
        fs::write(at("plain"), "").unwrap();
        refused(&at("plain/state"), &["is no directory"]);
        refused(folder.path(), &["directory"]);
        let made = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
        assert!(made.success());
        refused(&at("fifo"), &["FIFO"]);
        symlink("elsewhere", at("link")).unwrap();
        refused(&at("link"), &["symbolic link", "readlink -f"]);
        born(&at("elsewhere")).unwrap();
        refused(&at("link"), &["symbolic link"]);
        SharedView::<[u64; 512]>::open(Place::file(at("link"))).unwrap_err();
        assert_eq!(folder.names(), ["elsewhere", "fifo", "link", "plain"]);
    }
}

#[test]
fn where_a_user_may_not_write_no_file_is_born() {
    if !may_change_user("a read-only folder") {
        return;
    }
    let folder = Folder::in_memory();
    let path = folder.path().join("state");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = as_user(NOBODY, || born(&path).unwrap_err()).unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES), "{error}");
    assert!(folder.names().is_empty());
}

/// Runs a script that mounts something in a namespace of its own; `None` if it can't (9), which is said.
fn mounted(what: &str, script: &str, folder: &Folder) -> Option<Vec<String>> {
    if !may_unshare(what, &["-m"]) {
        return None;
    }
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .arg(folder.path())
        .arg(TENANT)
        .output()
        .unwrap();
    if output.status.code() == Some(9) {
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!("SKIPPED: {what}: {}", why.trim_end());
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    Some(said.lines().map(str::to_owned).collect())
}

/// The quota of a subvolume: those of users and projects the kernel reports alike.
#[test]
fn where_a_quota_is_used_up_no_file_is_born_and_what_fits_is() {
    let script = r#"truncate -s 130M "$0/disk" && mkfs.btrfs -q "$0/disk" >"$0/told" && mkdir "$0/mnt" &&
        mount -o loop "$0/disk" "$0/mnt" && btrfs quota enable "$0/mnt" &&
        btrfs -q subvolume create "$0/mnt/v" && btrfs qgroup limit 192k "$0/mnt/v" || exit 9
        "$1" birth "file:$0/mnt/v/state"; echo left: $(ls -A "$0/mnt/v")
        "$1" small-birth "file:$0/mnt/v/state""#;
    let folder = Folder::new();
    let Some(lines) = mounted("a quota, on Btrfs", script, &folder) else {
        return;
    };
    assert!(
        lines[0].contains("a quota of the file system is used up") && lines[0].contains("`btrfs"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["left:", "born"], "{lines:?}");
}

/// As on a network: what another program, or machine, stores there is seen late or never.
#[test]
fn a_file_that_a_program_serves_is_refused_in_words_and_left_as_it_is() {
    let script = r#"truncate -s 64k "$0/disk" && touch "$0/served" || exit 9
        qemu-storage-daemon --blockdev driver=file,node-name=d,filename="$0/disk" \
            --export type=fuse,id=e,node-name=d,mountpoint="$0/served",writable=on & daemon=$!
        until [ "$(stat -c %s "$0/served")" -gt 0 ]; do sleep 0.02; kill -0 $daemon || exit 9; done
        "$1" count "file:$0/served" 2>&1; "$1" birth "file:$0/served"
        kill $daemon; wait $daemon; od -An -tx1 "$0/disk""#;
    let folder = Folder::new();
    let Some(lines) = mounted("a file system that a program serves", script, &folder) else {
        return;
    };
    assert!(
        lines[0].contains("the file system is FUSE") && lines[0].contains("local file system"),
        "{lines:?}"
    );
    assert!(lines[1].contains("exists already"), "{lines:?}");
    assert_eq!(lines[2], " 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
}

/// What is opened for writing on an overlay moves to another file.
#[test]
fn a_view_on_an_overlay_sees_what_is_stored_behind_a_copy_up_or_says_that_it_can_t() {
    let script = r#"mkdir "$0/low" "$0/up" "$0/work" "$0/mnt" && "$1" small-birth "file:$0/low/state" &&
        mount -t overlay -o "lowerdir=$0/low,upperdir=$0/up,workdir=$0/work" none "$0/mnt" || exit 9
        "$1" look-and-set "file:$0/mnt/state"; "$1" small-birth "file:$0/mnt/other"
        mount -o remount,ro "$0/mnt"; "$1" look-and-set "file:$0/mnt/state""#;
    let folder = Folder::new();
    let Some(lines) = mounted("an overlay", script, &folder) else {
        return;
    };
    assert_eq!(lines[..3], ["born", "7", "born"], "{lines:?}");
    assert!(lines[3].contains("on an overlay"), "{lines:?}");
    assert_eq!(folder.names(), ["low", "mnt", "up", "work"]);
}

/// On file systems of a test's own, mounted in a namespace of its own.
#[test]
fn where_no_room_is_left_or_nothing_may_be_written_no_file_is_born() {
    if !may_unshare("full and read-only file systems", &["-m"]) {
        return;
    }
    let folder = Folder::new();
    for (options, words) in [
        ("size=16k", "the file system is full"),
        ("ro", "mounted read-only"),
    ] {
        let script = "mount -t tmpfs -o \"$1\" none \"$0\" || exit 9
            \"$2\" birth \"file:$0/state\"; echo left: $(ls -A \"$0\")
            test \"$1\" = ro || \"$2\" small-birth \"file:$0/state\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(folder.path())
            .args([options, TENANT])
            .output()
            .unwrap();
        if output.status.code() == Some(9) {
            eprintln!("SKIPPED: full and read-only file systems: nothing can be mounted");
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].contains(words), "{output:?}");
        assert_eq!(lines[1], "left:", "{output:?}");
        // What fits is born there.
        assert!(options == "ro" || lines[2] == "born", "{output:?}");
    }
}
