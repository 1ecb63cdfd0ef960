//! Other processes: the program `peer`, started, spoken with line by line, stopped and killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// Programs `peer` for other processors that run here, which `SHM_PEERS` names, with a colon between two.
pub fn other_peers() -> Vec<String> {
    let named = std::env::var("SHM_PEERS").unwrap_or_default();
    let peers: Vec<_> = named.split(':').filter(|name| !name.is_empty()).collect();
    if peers.is_empty() {
        println!("SKIPPED in part: SHM_PEERS names no program `peer` for another processor");
    }
    peers.into_iter().map(str::to_owned).collect()
}

impl Peer {
    /// Starts `program` with these arguments.
    ///
    /// # Panics
    ///
    /// If it can't be started, like all of these methods when something is wrong.
    pub fn start<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Peer {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        Peer {
            child,
            stdin,
            stdout,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints; empty if it has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it prints text");
        line.trim_end().to_owned()
    }

    /// Waits until it prints this line.
    pub fn expect(&mut self, wanted: &str) {
        assert_eq!(self.line(), wanted, "process {}", self.pid());
    }

    /// Sends a line to it.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it still listens");
        writeln!(stdin, "{line}").expect("it still listens");
    }

    /// Ends its input, waits until it ends, and returns all that it printed meanwhile.
    pub fn finish(&mut self) -> (ExitStatus, String) {
        self.stdin = None;
        let mut rest = String::new();
        self.stdout
            .read_to_string(&mut rest)
            .expect("it prints text");
        (self.child.wait().expect("it was not waited for"), rest)
    }

    /// The same for one that must succeed.
    pub fn succeed(&mut self) -> String {
        let (status, rest) = self.finish();
        assert!(
            status.success(),
            "process {} ended with {status}: {rest}",
            self.pid()
        );
        rest
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_some()
    }

    /// Stops it in its tracks (`SIGSTOP`): it lives and does nothing.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// `kill -9`; it stays a zombie until [`finish`](Peer::finish) or the drop.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Ctrl-C (`SIGINT`).
    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("it was not waited for");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
