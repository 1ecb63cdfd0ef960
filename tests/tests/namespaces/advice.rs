//! What an error says to do next is done here, by the reader of the message, and it works.

use std::fs;
use std::process::Command;
use std::time::Duration;

use shm_core::sysv::{Kind, Limit, Mode, sem, shm};
use shm_core::{
    Error, ErrorKind, FixedStr, Inspector, Key, Owner, RawBox, SharedBox, SharedLayout,
    SharedTable, SharedView, field,
};
use shm_tests::{Guard, NOBODY, Peer, in_own_ipc_namespace, may_change_user};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The first text between backticks that begins with `start`.
fn command<'a>(message: &'a str, start: &str) -> &'a str {
    message
        .split('`')
        .skip(1)
        .step_by(2)
        .find(|quoted| quoted.starts_with(start))
        .unwrap_or_else(|| panic!("no {start:?} in: {message}"))
}

fn shell(line: &str) -> Result<String, String> {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!(
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

fn as_nobody<const N: usize>(arguments: [&str; N]) -> String {
    let user = NOBODY.to_string();
    let arguments = ["--user", &user].into_iter().chain(arguments);
    Peer::start(PEER, arguments).succeed()
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

#[test]
fn an_error_that_main_returns_prints_the_message() {
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), 5_u64).unwrap();
    let mismatch = SharedBox::<StPid>::open(guard.key()).unwrap_err();
    assert!(
        mismatch.to_string().contains("in the segment"),
        "{mismatch}"
    );
    let missing = SharedBox::<u64>::open(Key::new(0x7b5d_2fff)).unwrap_err();
    let source = shm::get(Key::new(0x7b5d_2fff), 0, shm::GetFlags::NONE, Mode::new(0)).unwrap_err();
    assert_eq!(format!("{mismatch:?}"), mismatch.to_string());
    assert_eq!(format!("{mismatch:#?}"), mismatch.to_string());
    assert_eq!(format!("{missing:?}"), missing.to_string());
    assert_eq!(format!("{source:?}"), source.to_string());
}

#[test]
fn what_leads_to_a_segment_is_shown_in_few_words() {
    let guard = Guard::new();
    let value = StPid {
        pid: 7,
        names: FixedStr::EMPTY,
    };
    let shared = SharedBox::create_new(guard.key(), value).unwrap();
    let (key, id) = (guard.key(), shared.id().unwrap());
    let shown = |name: &str| format!("{name} {{ key: {key}, id: {id}, version: 1 }}");
    assert_eq!(format!("{shared:?}"), shown("SharedBox<StPid>"));
    let view = SharedView::<StPid>::open(key).unwrap();
    assert_eq!(format!("{view:?}"), shown("SharedView<StPid>"));
    let inspector = Inspector::open(key).unwrap();
    assert_eq!(format!("{inspector:?}"), shown("Inspector"));
    let raw = RawBox::<StPid>::open(key).unwrap();
    assert_eq!(
        format!("{raw:?}"),
        format!("RawBox<StPid> {{ key: {key}, id: {id} }}")
    );
    let mut writer = shared.writer().unwrap();
    assert_eq!(format!("{writer:?}"), shown("Writer<StPid>"));
    let batch = writer.batch().store(field!(StPid.pid), 8);
    let batch = format!("{batch:?}");
    assert!(
        batch.starts_with("Batch { writer: Writer") && batch.len() < 120,
        "{batch}"
    );
}

/// Two ways that `docs/costs.md` names, by four threads.
#[test]
fn increments_that_the_costs_page_advises_are_all_kept() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/costs.md")).unwrap();
    assert!(page.contains("by `fetch_add`, `update_field`, `update`, or a `Writer`"));
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Stats {
        started: u64,
        beats: [u64; 8],
    }
    const TIMES: u64 = 1_000;
    let guard = Guard::new();
    let key = guard.key();
    let shared = SharedBox::create_new(
        key,
        Stats {
            started: 1,
            beats: [0; 8],
        },
    )
    .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let stats = SharedBox::<Stats>::open(key).unwrap();
                let beat = field!(Stats.beats[7]);
                for _ in 0..TIMES {
                    let mut writer = stats.writer().unwrap();
                    let beats = writer.load(beat).unwrap();
                    writer.store(beat, beats + 1).unwrap();
                    drop(writer);
                    stats.fetch_add(beat, 1).unwrap();
                }
            });
        }
    });
    assert_eq!(shared.get().unwrap().beats[7], 2 * 4 * TIMES);
}

#[test]
fn what_does_not_fit_is_removed_by_the_call_that_the_error_names() {
    let guard = Guard::new();
    let old = SharedBox::create_new(guard.key(), 5_u64).unwrap();
    guard.memory();
    let value = StPid {
        pid: 7,
        names: FixedStr::EMPTY,
    };
    let error = SharedBox::open_or_create(guard.key(), || value).unwrap_err();
    command(&error.to_string(), "shm_core::remove");
    shm_core::remove(guard.key()).unwrap();
    guard.assert_nothing_left();
    let new = SharedBox::open_or_create(guard.key(), || value).unwrap();
    assert_eq!(new.get().unwrap(), value);
    let error = old.get().unwrap_err().to_string();
    assert!(error.contains("open or create"), "{error}");
}

#[test]
fn a_mode_without_its_creators_rights_is_refused_and_says_what_to_add() {
    let guard = Guard::new();
    for mode in [0, 0o400, 0o200, 0o060, 0o466] {
        let mut options = SharedBox::<u64>::options();
        let options = options.mode(mode).remove_on_drop(true);
        for error in [
            options.create_new(guard.key(), 1).unwrap_err(),
            options.open_or_create(guard.key(), || 1).unwrap_err(),
        ] {
            assert!(error.kind() == ErrorKind::Options, "{error}");
            assert!(error.to_string().contains("add 0o600"), "{error}");
        }
        guard.assert_nothing_left();
        let shared = options.mode(mode | 0o600).create_new(guard.key(), 1);
        assert_eq!(shared.unwrap().get().unwrap(), 1);
    }
}

#[test]
fn a_group_is_given_the_segment_and_its_semaphores_at_birth() {
    if !may_change_user("a_group_is_given_the_segment_and_its_semaphores_at_birth") {
        return;
    }
    let guard = Guard::new();
    let mut options = SharedBox::<u64>::options();
    let options = options.mode(0o660);
    // Without it members of another group than the creator's may not even read.
    let closed = options.create_new(guard.key(), 5).unwrap();
    assert!(as_nobody(["view", &guard.arg()]).contains("no right"));
    closed.remove().unwrap();

    options.group(NOBODY);
    let shared = options.open_or_create(guard.key(), || 5).unwrap();
    let segment = shared.info().unwrap();
    assert_eq!((segment.gid, segment.mode.bits()), (NOBODY, 0o660));
    let set = sem::stat(guard.set()).unwrap();
    assert_eq!((set.gid, set.mode.bits()), (NOBODY, 0o660));
    as_nobody(["count", &guard.arg(), "3"]);
    assert_eq!(shared.get().unwrap(), 8);
    shared.remove().unwrap();

    let error = options.group(u32::MAX).create_new(guard.key(), 5);
    assert!(
        error
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Options),
        "{error:?}"
    );
    guard.assert_nothing_left();
}

#[test]
fn who_may_only_read_a_foreign_segment_is_shown_a_call_that_reads_it() {
    if !may_change_user("who_may_only_read_a_foreign_segment_is_shown_a_call_that_reads_it") {
        return;
    }
    let guard = Guard::new();
    let memory = guard.foreign(8);
    shm::set(memory.id(), 0, 0, Mode::new(0o644)).unwrap();
    memory.write(0, &7_u64.to_ne_bytes());
    let error = as_nobody(["raw", &guard.arg()]);
    assert!(error.contains("no right to read and write"), "{error}");
    command(&error, "RawBox::open_read_only");
    assert!(!error.contains("SharedView"), "{error}");
    assert_eq!(as_nobody(["raw-view", &guard.arg()]).trim_end(), "7");
    // The other way into the circle: a view of what has no control block.
    let large = Guard::new();
    let memory = large.foreign(4096);
    shm::set(memory.id(), 0, 0, Mode::new(0o644)).unwrap();
    let error = as_nobody(["view", &large.arg()]);
    command(&error, "RawBox::open_read_only");
    assert_eq!(as_nobody(["raw-view", &large.arg()]).trim_end(), "0");
}

#[test]
fn whoever_is_not_trusted_is_allowed_by_the_call_that_the_error_names() {
    if !may_change_user("whoever_is_not_trusted_is_allowed_by_the_call_that_the_error_names") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), 5_u64).unwrap();
    shm::set(shared.id().unwrap(), NOBODY, NOBODY, Mode::new(0o666)).unwrap();
    let key = guard.key();

    let error = RawBox::<u64>::open(key).unwrap_err().to_string();
    command(&error, "RawBox::options().owner(");
    let mut options = RawBox::<u64>::options();
    let raw = options.owner(Owner::User(NOBODY)).open(key).unwrap();
    assert_eq!(raw.get().unwrap(), 5);

    let error = Inspector::open(key).unwrap_err().to_string();
    command(&error, "Inspector::options().owner(");
    let mut options = Inspector::options();
    let inspector = options.owner(Owner::User(NOBODY)).open(key).unwrap();
    assert_eq!(inspector.value().unwrap().to_string(), "5");

    let error = SharedView::<u64>::open(key).unwrap_err().to_string();
    command(&error, "Options::owner");
    let mut options = SharedBox::<u64>::options();
    let view = options.owner(Owner::User(NOBODY)).open_read_only(key);
    assert_eq!(view.unwrap().get().unwrap(), 5);
}

#[test]
fn a_key_of_another_ipc_namespace_is_found_by_the_line_of_shell() {
    let key = Key::new(0x7b5d_2001);
    in_own_ipc_namespace(|| {
        let shared = SharedBox::create_new(key, 5_u64).unwrap();
        let mut peer = Peer::start(PEER, ["wait", &key.to_string(), "view"]);
        peer.expect("waiting");
        in_own_ipc_namespace(|| {
            let error = SharedView::<u64>::open(key).unwrap_err().to_string();
            let own = fs::read_link("/proc/thread-self/ns/ipc").unwrap();
            assert!(
                error.contains(&format!("IPC namespace {}", own.display())),
                "{error}"
            );
            let line = command(&error, "nsenter")
                .replace("PID", &peer.pid().to_string())
                .replace("COMMAND", &format!("{PEER} view {key}"));
            match shell(&line) {
                Ok(said) => assert_eq!(said.trim_end(), "5"),
                Err(error) if error.contains("not found") || error.contains("permitted") => {
                    eprintln!("SKIPPED: {error}");
                }
                Err(error) => panic!("{error}"),
            }
        });
        shared.remove().unwrap();
        drop(peer);
    });
}

/// Each limit that keeps a set of semaphores from being made, with the settings that reach it.
#[test]
fn semaphores_that_a_limit_forbids_are_allowed_by_the_line_of_shell() {
    for (limit, settings) in [
        (Limit::Semmsl, "200 32000 500 128"),
        (Limit::Semmns, "250 300 500 128"),
        (Limit::Semmni, "250 32000 500 1"),
    ] {
        in_own_ipc_namespace(|| {
            let mut options = SharedBox::<u64>::options();
            let options = options.remove_on_drop(true);
            let _first = options.create_new(Key::PRIVATE, 5).unwrap();
            if let Err(error) = fs::write("/proc/sys/kernel/sem", settings) {
                eprintln!("SKIPPED: kernel.sem can't be set: {error}");
                return;
            }
            let error = options.create_new(Key::PRIVATE, 5).unwrap_err();
            assert!(
                error
                    .sysv()
                    .is_some_and(|error| error.kind() == Kind::NoSpace(limit)),
                "{error}"
            );
            let error = error.to_string();
            assert!(!error.contains("ask for fewer"), "{error}");
            if let Err(error) = shell(command(&error, "sysctl -w")) {
                assert!(error.contains("not found"), "{error}");
                eprintln!("SKIPPED: {error}");
                return;
            }
            let second = options.create_new(Key::PRIVATE, 6).unwrap();
            assert_eq!(second.get().unwrap(), 6);
        });
    }
}

#[test]
fn huge_pages_that_are_not_set_aside_are_no_matter_of_capacity() {
    let mut options = SharedBox::<u64>::options();
    let options = options.remove_on_drop(true).huge_pages(true);
    // More than any machine has set aside.
    let error = options
        .capacity(
            1 << if cfg!(target_pointer_width = "64") {
                40
            } else {
                29
            },
        )
        .create_new(Key::PRIVATE, 5)
        .unwrap_err();
    let text = error.to_string();
    if error.sysv().unwrap().kind() != Kind::NoSpace(Limit::HugePages) {
        eprintln!("SKIPPED: {text}");
        return;
    }
    assert!(!text.contains("smaller capacity"), "{text}");
    command(&text, "sysctl vm.nr_hugepages");
    command(&text, "Options::huge_pages");
    let shared = options
        .capacity(64)
        .huge_pages(false)
        .create_new(Key::PRIVATE, 5);
    assert_eq!(shared.unwrap().get().unwrap(), 5);
}

mod v1 {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(u8)]
    pub enum Light {
        Red,
        Green,
    }

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    pub struct Inner {
        pub id: u32,
        pub light: Light,
    }

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    pub struct Crossing {
        pub on: bool,
        pub lights: [Inner; 3],
    }
}

mod v2 {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(u8)]
    pub enum Light {
        Red,
        Green,
        Amber,
    }

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[shared(version = 2)]
    #[repr(C)]
    pub struct Inner {
        pub id: u32,
        pub light: Light,
    }

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[shared(version = 2)]
    #[repr(C)]
    pub struct Crossing {
        pub on: bool,
        #[shared(was = "lights")]
        pub lamps: [Inner; 3],
    }
}

#[test]
fn a_variant_of_a_newer_version_is_named_and_set_is_not_advised() {
    let guard = Guard::new();
    let key = guard.key();
    let lamp = v2::Inner {
        id: 1,
        light: v2::Light::Green,
    };
    let mut value = v2::Crossing {
        on: true,
        lamps: [lamp; 3],
    };
    value.lamps[1].light = v2::Light::Amber;
    let new = SharedBox::create_new(key, value).unwrap();
    let old = SharedBox::<v1::Crossing>::open(key).unwrap();
    let view = SharedView::<v1::Crossing>::open(key).unwrap();
    let light = field!(<v1::Crossing>.lights[1]).then(field!(<v1::Inner>.light));
    let mut buffer = v1::Crossing {
        on: false,
        lights: [v1::Inner {
            id: 0,
            light: v1::Light::Red,
        }; 3],
    };
    for error in [
        old.get().unwrap_err(),
        view.get().unwrap_err(),
        view.get_boxed().unwrap_err(),
        old.read_into(&mut buffer).unwrap_err(),
        old.update(|crossing| crossing.on = false).unwrap_err(),
        old.load(light).unwrap_err(),
        view.wait_timeout(0, Duration::ZERO).unwrap_err(),
        old.writer().unwrap().get().unwrap_err(),
    ] {
        assert_eq!(
            error.invalid().unwrap().newer(),
            Some(("Amber", 2)),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("`lights[1].light` holds 2, which is `Light::Amber` in version 2")
                && text.contains("`set` would destroy")
                && !text.contains("find the writer"),
            "{text}"
        );
    }
    // What the newer version does not know either is blamed on its writer.
    new.set(value).unwrap();
    guard.memory().write(4 + 8 + 4, &[9]);
    let error = old.get().unwrap_err().to_string();
    assert!(error.contains("holds 9, which is no `Light`"), "{error}");
    assert!(error.contains("find the writer"), "{error}");
}

/// What stands under "# Errors" of a method.
fn documented(file: &str, method: &str) -> String {
    let path = format!("{}/../shm-core/src/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let (before, _) = text.split_once(&format!("pub fn {method}(")).unwrap();
    let (_, errors) = before.rsplit_once("# Errors").unwrap();
    errors.to_owned()
}

fn assert_documents(file: &str, method: &str, error: &Error) {
    let kind = error.kind();
    let errors = documented(file, method);
    assert!(
        errors.contains(&format!("[`ErrorKind::{kind:?}`]")),
        "{method} says {kind:?} and not that it may:{errors}"
    );
}

/// Another second version of the same struct.
mod other_v2 {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[shared(version = 2)]
    #[repr(C)]
    pub struct Crossing {
        pub on: bool,
        pub lights: [v1::Inner; 3],
        #[shared(since = 2)]
        pub more: u32,
    }
}

#[test]
fn kinds_that_come_out_are_documented() {
    let guard = Guard::new();
    let key = guard.key();
    let light = v1::Inner {
        id: 1,
        light: v1::Light::Red,
    };
    let value = v1::Crossing {
        on: true,
        lights: [light; 3],
    };
    let mut options = SharedBox::<v1::Crossing>::options();
    let old = options.capacity(256).create_new(key, value).unwrap();
    // Reads with defaults, until a program puts another second version in force.
    let view = SharedView::<v2::Crossing>::open(key).unwrap();
    view.get().unwrap();
    let mut upgrade = SharedBox::<other_v2::Crossing>::options();
    drop(upgrade.upgrade(true).open(key).unwrap());
    let error = view.get().unwrap_err();
    assert!(error.kind() == ErrorKind::Mismatch, "{error}");
    assert_documents("face/shared_view.rs", "get", &error);

    let error = SharedBox::<u64>::open(Key::PRIVATE).unwrap_err();
    assert_documents("face/shared_box.rs", "open", &error);
    let mut options = SharedTable::<u64>::options();
    let table = options
        .rows(2)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE);
    let table = table.unwrap();
    let place = table.place().unwrap();
    let error = SharedBox::<u64>::open(&place).unwrap_err();
    assert_documents("face/shared_box.rs", "open", &error);
    let error = SharedView::<u64>::open(&place).unwrap_err();
    assert_documents("face/shared_view.rs", "open", &error);
    drop(table);
    let mut removed = old.writer().unwrap();
    guard.memory();
    shm_core::remove(key).unwrap();
    assert_documents("face/writer.rs", "get", &removed.get().unwrap_err());
    assert_documents("face/writer.rs", "set", &removed.set(value).unwrap_err());
    drop(removed);
    assert_documents(
        "face/shared_box.rs",
        "update",
        &old.update(|_| ()).unwrap_err(),
    );
    assert_documents("face/shared_box.rs", "remove", &old.remove().unwrap_err());
    drop(view);
    let id = old.id().unwrap();
    drop(old);
    assert!(shm::stat(id).is_err());

    let table = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shm-core/src/face/shared_box.rs"
    ));
    let table = table.unwrap();
    for call in ["info", "is_removed", "remove"] {
        assert!(table.contains(&format!("/// | `{call}` |")), "{call}");
    }
}

#[test]
fn whatever_a_hint_names_exists() {
    /// What is no function of the library: the shell's, the kernel's, and the macro's.
    const SHELL: [&str; 16] = [
        "#[shared",
        "rm",
        "chmod",
        "ulimit",
        "pids.max",
        "ipcs",
        "ipcrm",
        "sysctl",
        "nsenter",
        "Options",
        "open",
        "kill",
        "exec",
        "SEM_UNDO",
        "RemoveIPC",
        "RemoveIPC=no",
    ];
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../shm-core/src");
    let mut all = String::new();
    for folder in [
        "",
        "/face",
        "/face/table",
        "/typed",
        "/layout",
        "/sysv",
        "/sysv/sem",
        "/sysv/shm",
    ] {
        for entry in fs::read_dir(format!("{source}{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let text = fs::read_to_string(format!("{source}/face/error/text.rs")).unwrap();
    let mut named = 0;
    for line in text.lines() {
        // Text in quotes, not comments.
        if !line.contains('"') || line.trim_start().starts_with("//") {
            continue;
        }
        for quoted in line.split('`').skip(1).step_by(2) {
            let word = quoted.split([' ', '(']).next().unwrap();
            // What is put in is looked at where it stands.
            if quoted.contains('{') || SHELL.contains(&word) && !quoted.contains("::") {
                continue;
            }
            // `SharedBox::options().upgrade(true)`: each call of the chain.
            for call in quoted.split("().") {
                let name = call.split('(').next().unwrap();
                let name = name.rsplit("::").next().unwrap();
                let exists = [
                    format!("fn {name}("),
                    format!("fn {name}<"),
                    format!("struct {name}"),
                    // One of `setters!`.
                    format!("\n    {name}("),
                ]
                .iter()
                .any(|definition| all.contains(definition));
                assert!(exists, "{quoted:?} in {line}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "{named}");
}
