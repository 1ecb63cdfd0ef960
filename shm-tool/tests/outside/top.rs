//! `shm top`, in a pseudo-terminal.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::{Place, SharedBox};

use crate::space::*;
use crate::terminal::Terminal;

const SIZE: (u16, u16) = (24, 80);

/// Without what differs from run to run: this process's name.
fn plain(lines: &[String]) -> String {
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    lines.join("\n").replace(own.trim_end(), "OUTSIDE")
}

fn ends(terminal: Terminal) -> String {
    let (status, printed) = terminal.end();
    assert_eq!(status.code(), Some(0), "{printed}");
    // The alternate screen is left, and the cursor is shown.
    let last = printed
        .rfind("\x1b[?1049l")
        .expect("the terminal as it was");
    assert!(
        printed.rfind("\x1b[?25h") > printed.rfind("\x1b[?25l"),
        "{printed:?}"
    );
    assert!(last > printed.rfind("\x1b[?1049h").unwrap());
    printed
}

#[test]
fn segments_commits_processes_and_the_selected_value_are_on_the_screen() {
    in_own_namespace!();
    let shared = worker_box();
    // A key that no other test has: this process has threads in their namespaces.
    foreign(0x5501, 5632);
    let _named = SharedBox::create_new(Place::posix("/limits"), [1_u64, 2]).unwrap();
    let terminal = Terminal::start(SIZE, "top --delay 0.05", &[]);
    let wanted = "\
shm top · 2 segments, 1 file · 0 commits/s
  PLACE          TYPE      VERSION  COMMITS/S  STATE  ATTACHED BY
> 0x00001234     Worker          1          0  -      OUTSIDE
  0x00005501     -               -          -  -      -
  posix:/limits  [u64; 2]        1          0  -      OUTSIDE
─ 0x00001234 · Worker · version 1 ──────────────────────────────────────────────
  pid            4711
  name           \"alice\"
  limits.cpu     [1, 2, 3, 4]
  limits.memory  0.5
  moods          [Calm, Wild, Calm]












↑↓ select  PgUp PgDn scroll  s sort  blank pause  q end";
    // A child that another test is starting may stand beside this process for a moment.
    terminal.until(|lines| plain(lines) == wanted);
    shared.update(|worker| worker.limits.cpu[1] = 9).unwrap();
    let lines = terminal.until_there_is("* limits.cpu     [1, 9, 3, 4]");
    assert!(lines[5].contains("version 2"));
    assert!(lines.iter().filter(|line| line.starts_with("* ")).count() == 1);
    // And no more, after a while.
    terminal.until_there_is("  limits.cpu     [1, 9, 3, 4]");
    terminal.keys("\x1b[B");
    terminal.until(|lines| {
        lines[3].starts_with("> 0x00005501") && lines[5].starts_with("─ 0x00005501 ─")
    });
    terminal.until(|lines| lines[6].starts_with("  00000000  00 00"));
    terminal.keys("jj");
    terminal.until(|lines| {
        lines[5].contains("posix:/limits · [u64; 2] · version 1") && lines[6].ends_with("[1, 2]")
    });
    terminal.keys("q");
    ends(terminal);
}

#[test]
fn commits_are_counted_and_rows_are_sorted_by_them() {
    in_own_namespace!();
    let _idle = worker_box();
    let busy = SharedBox::create_new(0x77, 0_u64).unwrap();
    let terminal = Terminal::start((24, 120), "top --delay 0.1", &[]);
    terminal.until(|lines| lines[3].starts_with("  0x00000077"));
    terminal.keys("s");
    let start = std::time::Instant::now();
    loop {
        busy.update(|n| *n += 1).unwrap();
        let lines = terminal.lines();
        if lines[0].ends_with("by commits")
            && lines[2].contains("0x00000077")
            && !lines[0].contains(" 0 commits")
        {
            break;
        }
        assert!(start.elapsed().as_secs() < 60, "{lines:?}");
    }
    // Paused, it stays; and what was selected stays selected.
    terminal.keys(" ");
    let lines = terminal.until(|lines| lines[0].ends_with("paused"));
    assert!(lines[3].starts_with("> 0x00001234"), "{lines:?}");
    terminal.keys("s");
    terminal.until(|lines| lines[0].contains("by size"));
    terminal.keys("\x03");
    ends(terminal);
}

#[test]
fn the_stopped_owner_of_a_lock_stands_in_its_row_and_what_is_removed_goes() {
    in_own_namespace!();
    let shared = worker_box();
    let holder = Peer::start("holder");
    let pid = holder.pid();
    let terminal = Terminal::start((24, 120), "top --delay 0.05", &[]);
    terminal.until_there_is(&format!("locked by {pid}, running"));
    terminal.until_there_is(" ×2");
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    terminal.until(|lines| lines[2].contains(&format!("locked by {pid}, stopped")));
    holder.kill();
    terminal.until(|lines| lines[2].contains(", gone"));
    shared.remove().unwrap();
    drop(shared);
    terminal.until(|lines| lines[0].starts_with("shm top · 0 segments"));
    let _again = worker_box();
    terminal.until(|lines| lines[2].starts_with("> 0x00001234  Worker"));
    terminal.keys("q");
    ends(terminal);
}

#[test]
fn any_size_will_do_and_a_change_of_it_is_followed() {
    in_own_namespace!();
    let _shared = worker_box();
    let terminal = Terminal::start((6, 40), "top --delay 0.05", &[]);
    terminal.until(|lines| lines[2] == "> 0x00001234          0  Worker");
    terminal.resize((24, 80));
    terminal.until_there_is("limits.memory  0.5");
    for size in [(1, 1), (2, 5), (3, 200), (9, 12), (10, 3)] {
        terminal.resize(size);
        // Without a size there is nothing to compare but that it lives.
        terminal.keys("jk");
    }
    terminal.resize((9, 76));
    terminal.until(|lines| lines.len() == 9 && lines[8].starts_with("↑↓ select"));
    let lines = terminal.until(|lines| lines.iter().any(|line| line.ends_with(" 1 more")));
    assert!(lines.iter().any(|line| line.contains("pid ")), "{lines:?}");
    // Again and again: a key that comes with a change of the size may be read with the next one only.
    terminal.until(|lines| {
        terminal.keys("\x1b[6~");
        lines.iter().any(|line| line.starts_with("  moods "))
    });
    terminal.keys("q");
    ends(terminal);
}

#[test]
fn colour_is_used_unless_it_is_not_wanted() {
    in_own_namespace!();
    let shared = worker_box();
    for (arguments, environment, wanted) in [
        ("top --delay 0.05", &[][..], true),
        ("top --delay 0.05 --color never", &[], false),
        ("top --delay 0.05", &[("NO_COLOR", "1")], false),
    ] {
        let terminal = Terminal::start(SIZE, arguments, environment);
        terminal.until_there_is("limits.memory");
        shared.update(|worker| worker.pid += 1).unwrap();
        let lines = terminal.until_there_is("* pid ");
        let at = lines
            .iter()
            .position(|line| line.starts_with("* pid "))
            .unwrap();
        let screen = terminal.screen();
        let is_coloured = |row: u16| {
            let cell = screen.cell(row, 0).unwrap();
            (cell.fgcolor(), cell.bgcolor()) != (vt100::Color::Default, vt100::Color::Default)
        };
        assert_eq!(
            is_coloured(u16::try_from(at).unwrap()),
            wanted,
            "{arguments}"
        );
        assert_eq!((0..24).any(is_coloured), wanted, "{arguments}");
        assert!(screen.cell(2, 3).unwrap().inverse(), "the selected one");
        terminal.keys("\x1b");
        ends(terminal);
    }
}

#[test]
fn a_signal_ends_it_with_the_terminal_as_it_was() {
    in_own_namespace!();
    let _shared = worker_box();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let terminal = Terminal::start(SIZE, "top", &[]);
        terminal.until_there_is("limits.memory");
        kill(Pid::from_raw(terminal.child.id().cast_signed()), signal).unwrap();
        ends(terminal);
    }
    // Without a terminal there is nothing to draw on.
    fails("top", 2, "wants a terminal");
    fails("top --delay 0", 2, "above 0");
}

#[test]
fn it_ends_with_its_terminal() {
    use std::io::Read;

    in_own_namespace!();
    let _shared = worker_box();
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(24, 80)).unwrap();
    let program = command().get_program().to_owned();
    let top = pty_process::blocking::Command::new(program).arg("top");
    let mut child = top.spawn(pts).unwrap();
    // It has begun to draw.
    assert!(pty.read(&mut [0; 64]).unwrap() > 0);
    drop(pty);
    assert!(child.wait().is_ok());
}

#[test]
fn texts_that_would_move_a_cursor_do_not() {
    in_own_namespace!();
    let evil = shm_core::FixedStr::<20>::from_bytes(b"\x1b[2J\x07evil\n\xc2\x9b").unwrap();
    let _shared = SharedBox::create_new(KEY, evil).unwrap();
    std::fs::write("/dev/shm/a\x1b[31mb", "text").unwrap();
    let terminal = Terminal::start(SIZE, "top --delay 0.05", &[]);
    terminal.until_there_is(r"\u{1b}[2J\u{7}evil\n");
    terminal.until_there_is(r"posix:/a\x1B[31mb");
    terminal.keys("q");
    let printed = ends(terminal);
    assert!(!printed.contains("\x1b[2J\x07") && !printed.contains("\x1b[31mb"));
}
