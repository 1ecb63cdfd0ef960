//! The pictures of the documents are what the program prints; with `SHM_DRAW` set they are drawn anew.

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use shm_core::{FixedStr, Place, SharedBox, SharedLayout};

use crate::debug_info::Folder;
use crate::space::*;
use crate::svg;
use crate::terminal::Terminal;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
pub struct StPid {
    pub pid: i32,
    pub names: FixedStr<51>,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Limits {
    requests: u32,
    per_user: u32,
    burst: f32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum State {
    #[allow(dead_code)]
    Idle,
    Running,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Plan {
    state: State,
    name: FixedStr<24>,
    done: u64,
    left: u64,
    load: [f32; 4],
    limits: Limits,
}

/// Another program that has a value open: `worker` holds a lock, `planner` commits from the first line that it reads on.
pub fn plays(role: &str, ready: impl Fn()) -> bool {
    let limits = Limits {
        requests: 1000,
        per_user: 20,
        burst: 1.5,
    };
    match role {
        "picture's worker" => {
            let names = FixedStr::new("alice").unwrap();
            let shared = SharedBox::create_new(KEY, StPid { pid: 0, names }).unwrap();
            for pid in 4671..=4711 {
                shared.update(|value| value.pid = pid).unwrap();
            }
            let _file = SharedBox::create_new(Place::file("/srv/limits.shm"), limits).unwrap();
            let _lock = shared.writer().unwrap();
            ready();
        }
        "picture's planner" => {
            let plan = Plan {
                state: State::Running,
                name: FixedStr::new("nightly rebuild").unwrap(),
                done: 1024,
                left: 4096,
                load: [0.5, 0.25, 0.75, 0.5],
                limits,
            };
            let shared = SharedBox::create_new(Place::posix("/plan"), plan).unwrap();
            println!("ready");
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).unwrap();
            // Until it is killed.
            while !line.is_empty() {
                let done = shared.update(|plan| {
                    plan.done += 1;
                    plan.load[2] = (plan.done % 60) as f32 / 64.0;
                });
                done.unwrap();
                std::thread::sleep(std::time::Duration::from_millis(8));
            }
        }
        _ => return false,
    }
    true
}

/// What the commands print, as one screen: a prompt before each.
fn session(width: u16, commands: &[&str], folder: &Path) -> vt100::Parser {
    let mut printed = String::new();
    for line in commands {
        printed += &format!("\x1b[1m$ {line}\x1b[0m\r\n");
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for c in line.strip_prefix("shm ").unwrap().chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        let output = command()
            .current_dir(folder)
            .args(["--color", "always"])
            .args(words)
            .output();
        let ran = ran(output.unwrap());
        assert_eq!((ran.code, &*ran.err), (0, ""), "{line}");
        printed += &ran.out.replace('\n', "\r\n");
    }
    let height = u16::try_from(printed.lines().count()).unwrap();
    let mut parser = vt100::Parser::new(height, width, 0);
    parser.process(printed.trim_end().as_bytes());
    parser
}

/// Draws it, or holds it against the one that is there.
fn hold(name: &str, screen: &vt100::Screen, title: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let drawn = svg::of(screen, title);
    if std::env::var_os("SHM_DRAW").is_some() {
        fs::write(path, drawn).unwrap();
        return;
    }
    let there = fs::read_to_string(path).unwrap();
    assert_eq!(
        svg::said(&there),
        svg::said(&drawn),
        "{name}: shm-tool/tests/draw draws it anew"
    );
}

#[test]
fn the_pictures_are_what_the_program_prints() {
    in_own_namespace!();
    let folder = Folder::new("pictures");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let motion = folder.0.join("motion");
    fs::rename(program, &motion).unwrap();
    if let Err(errno) = nix::mount::mount(
        Some("tmpfs"),
        "/srv",
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    ) {
        println!("SKIPPED: nothing is mounted on /srv ({errno})");
        return;
    }
    // Other tests, in threads of this process, have segments of this key attached in their own namespaces, where `who`
    // tells them apart by the id alone: let this one have another id than a namespace's first.
    for _ in 0..50 {
        let id = foreign(shm_core::Key::PRIVATE, 1);
        shm_core::sysv::shm::remove(id).unwrap();
    }
    let mut worker = Peer::called("worker", "picture's worker", &folder.0);
    let mut planner = Peer::called("planner", "picture's planner", &folder.0);
    let _motion = crate::debug_info::Program::start(&motion, &[]);

    let commands = ["shm ls /srv", "shm who 0x1234"];
    let screen = session(100, &commands, &folder.0);
    hold("shm-ls.svg", screen.screen(), "shm ls and shm who");

    let typed =
        "shm show 0x2001 --type 'struct motion_status' --from ./motion pos axes[0] mode reading";
    let commands = ["shm show 0x1234", "shm show 0x1234 names", typed];
    let screen = session(100, &commands, &folder.0);
    hold(
        "shm-show.svg",
        screen.screen(),
        "shm show, also of a C program's segment",
    );

    planner
        .0
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    let terminal = Terminal::start((19, 100), "top --delay 0.25", &[]);
    terminal.until_there_is("posix:/plan");
    terminal.keys("jj");
    terminal.until(|lines| {
        let has = |text: &str| lines.iter().any(|line| line.contains(text));
        has("* done ") && has("* load ") && has("> posix:/plan") && !has("0  -  planner")
    });
    hold("shm-top.svg", &terminal.screen(), "shm top");
    terminal.keys("q");
    terminal.end();
    drop(worker.0.stdin.take());
}
