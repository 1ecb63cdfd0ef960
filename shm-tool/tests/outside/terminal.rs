//! A pseudo-terminal with the program in it, and what its screen shows.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use vt100::Parser;

use crate::space::command;

/// Until then a screen must show what is waited for.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Terminal {
    pub child: Child,
    pty: Pty,
    parser: Arc<Mutex<Parser>>,
    /// All bytes that the program has printed.
    printed: Option<JoinHandle<Vec<u8>>>,
}

impl Drop for Terminal {
    /// A test that failed leaves no program behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    /// Starts `shm` with these arguments, and with more in its environment.
    pub fn start(
        (height, width): (u16, u16),
        arguments: &str,
        environment: &[(&str, &str)],
    ) -> Terminal {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(height, width)).unwrap();
        let child = Command::new(command().get_program())
            .args(arguments.split_whitespace())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .env("TZ", "UTC")
            .envs(environment.iter().copied())
            .spawn(pts)
            .unwrap();
        let parser = Arc::new(Mutex::new(Parser::new(height, width, 0)));
        let mut reader = fs_of(&pty);
        let to_parser = Arc::clone(&parser);
        let printed = std::thread::spawn(move || {
            let (mut bytes, mut printed) = ([0; 4096], Vec::new());
            // The last process that has the other end open has gone: an error.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                to_parser.lock().unwrap().process(&bytes[..count]);
                printed.extend(&bytes[..count]);
            }
            printed
        });
        Terminal {
            child,
            pty,
            parser,
            printed: Some(printed),
        }
    }

    pub fn resize(&self, (height, width): (u16, u16)) {
        self.parser
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(height, width);
        self.pty.resize(Size::new(height, width)).unwrap();
    }

    pub fn keys(&self, keys: &str) {
        (&self.pty).write_all(keys.as_bytes()).unwrap();
    }

    pub fn screen(&self) -> vt100::Screen {
        self.parser.lock().unwrap().screen().clone()
    }

    /// The lines of the screen, without blanks at their ends.
    pub fn lines(&self) -> Vec<String> {
        let screen = self.screen();
        let (_, width) = screen.size();
        screen
            .rows(0, width)
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Waits until the screen shows what it should.
    #[track_caller]
    pub fn until(&self, shows: impl Fn(&[String]) -> bool) -> Vec<String> {
        let start = Instant::now();
        loop {
            let lines = self.lines();
            if shows(&lines) {
                return lines;
            }
            assert!(start.elapsed() < LIMIT, "the screen:\n{}", lines.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a line of it begins or ends with the text, or has it inside.
    #[track_caller]
    pub fn until_there_is(&self, text: &str) -> Vec<String> {
        self.until(|lines| lines.iter().any(|line| line.contains(text)))
    }

    /// Waits for the end of the program; how it ended, and all that it printed.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let printed = self.printed.take().unwrap().join().unwrap();
        (status, String::from_utf8_lossy(&printed).into_owned())
    }
}

/// The same end of the pseudo-terminal, for the thread that reads.
fn fs_of(pty: &Pty) -> std::fs::File {
    use std::os::fd::AsFd;

    pty.as_fd().try_clone_to_owned().unwrap().into()
}
