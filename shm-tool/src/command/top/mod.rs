//! `shm top`: a live view.
//!
//! `observed` knows what is there and what has changed, `screen` draws it; here are the loop and the keys.

mod observed;
mod screen;

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::process::{Signal, getpid, kill_process};

use crate::cli::seconds;
use crate::failure::{Exit, Failure};
use crate::output::has_colour;
use observed::{Observed, Order};
use screen::{Look, Screen};

/// Watch everything live: commits per second, who is attached, and the value of one with its changes lit
///
/// What it looks at it has attached, for reading.
///
/// Keys: ↑ ↓ select, PageUp PageDown scroll the value, s sort, blank pause, q or
/// Ctrl-C end.
///
/// Example: shm top --delay 0.5
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Top {
    /// Between two looks
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    delay: Duration,
}

/// Between two looks whether a signal has come.
const SLICE: Duration = Duration::from_millis(100);

/// How long the loop may take to notice that it should end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends the program, on a thread of its own, also where the loop does not notice: of a terminal that is gone, `crossterm`
/// reads without end.
fn stop() {
    STOPPED.store(true, Relaxed);
    std::thread::sleep(PATIENCE);
    ratatui::restore();
    std::process::exit(0);
}

static STOPPED: AtomicBool = AtomicBool::new(false);

impl Top {
    pub fn run(self) -> Result<(), Failure> {
        if self.delay.is_zero() {
            return Err(Failure::usage(
                "--delay: it is 0; write a number of seconds above 0, such as 0.5",
            ));
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "top wants a terminal; `shm ls` and `shm watch` are for files and pipes",
            ));
        }
        ctrlc::set_handler(stop).map_err(|error| Failure::new(Exit::Other, error))?;
        let look = Look::of(has_colour());
        let mut terminal = ratatui::try_init()?;
        let ended = watch(&mut terminal, self.delay, &Screen::new(look));
        // Whatever it ended by, the terminal is what it was.
        ratatui::restore();
        ended
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    delay: Duration,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut observed = Observed::default();
    observed.look()?;
    let mut next = Instant::now() + delay;
    let mut paused = false;
    loop {
        terminal.draw(|frame| screen.draw(frame, &mut observed, paused))?;
        loop {
            if STOPPED.load(Relaxed) {
                return Ok(());
            }
            let left = next.saturating_duration_since(Instant::now());
            if event::poll(left.min(SLICE))? {
                match deed(&event::read()?) {
                    Deed::End => return Ok(()),
                    Deed::Suspend => suspend(terminal)?,
                    Deed::Pause => paused = !paused,
                    Deed::Select(by) => observed.select(by),
                    Deed::Scroll(by) => observed.scroll(by),
                    Deed::Sort => observed.sort_by(match observed.order() {
                        Order::Place => Order::Rate,
                        Order::Rate => Order::Bytes,
                        Order::Bytes => Order::Place,
                    }),
                    Deed::Draw => {}
                    Deed::Nothing => continue,
                }
                break;
            }
            if left.is_zero() {
                next = Instant::now() + delay;
                if !paused {
                    observed.look()?;
                }
                break;
            }
        }
    }
}

enum Deed {
    End,
    Suspend,
    Pause,
    Select(isize),
    Scroll(isize),
    Sort,
    Draw,
    Nothing,
}

fn deed(event: &Event) -> Deed {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press | KeyEventKind::Repeat,
        ..
    }) = event
    else {
        return match event {
            Event::Resize(..) => Deed::Draw,
            _ => Deed::Nothing,
        };
    };
    let control = modifiers.contains(KeyModifiers::CONTROL);
    match code {
        KeyCode::Char('c' | 'd') if control => Deed::End,
        KeyCode::Char('z') if control => Deed::Suspend,
        KeyCode::Char('l') if control => Deed::Draw,
        KeyCode::Char('q') | KeyCode::Esc => Deed::End,
        KeyCode::Char(' ' | 'p') => Deed::Pause,
        KeyCode::Char('s') => Deed::Sort,
        KeyCode::Up | KeyCode::Char('k') => Deed::Select(-1),
        KeyCode::Down | KeyCode::Char('j') => Deed::Select(1),
        KeyCode::Home => Deed::Select(isize::MIN),
        KeyCode::End => Deed::Select(isize::MAX),
        KeyCode::PageUp => Deed::Scroll(-8),
        KeyCode::PageDown => Deed::Scroll(8),
        _ => Deed::Nothing,
    }
}

/// Gives the terminal back to the shell until this is continued.
fn suspend(terminal: &mut ratatui::DefaultTerminal) -> Result<(), Failure> {
    ratatui::restore();
    let stopped = kill_process(getpid(), Signal::TSTP);
    *terminal = ratatui::try_init()?;
    stopped.map_err(|errno| Failure::from(io::Error::from(errno)))
}
