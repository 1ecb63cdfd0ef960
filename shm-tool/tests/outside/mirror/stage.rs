//! What the tests stand on: a mosquitto of their own, a network that misbehaves, mirrors, and values.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::{Inspector, SharedBox, SharedLayout};

/// All words are one number, which only rises, also over lives.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Load {
    pub words: [u64; 512],
}

impl Load {
    pub fn of(number: u64) -> Load {
        Load {
            words: [number; 512],
        }
    }

    /// The number, unless it is torn.
    pub fn number(&self) -> u64 {
        assert!(self.words.iter().all(|word| *word == self.words[0]), "torn");
        self.words[0]
    }
}

pub const SOURCE: u32 = 0x1111;
pub const TARGET: u32 = 0x2222;

pub fn load_box(number: u64) -> SharedBox<Load> {
    SharedBox::create_new(SOURCE, Load::of(number)).unwrap()
}

/// Waits until it is so; what is `None` till then comes back.
#[track_caller]
pub fn until<R>(what: &str, mut found: impl FnMut() -> Option<R>) -> R {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder that goes with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("mirror-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn has_mosquitto() -> bool {
    let runs = Command::new("mosquitto").arg("-h").output().is_ok();
    if !runs {
        println!("SKIPPED: no mosquitto: apt-get install mosquitto mosquitto-clients");
    }
    runs
}

/// Enters namespaces of its own, where there is a mosquitto, or ends the test.
macro_rules! on_stage {
    () => {
        if !$crate::mirror::stage::has_mosquitto() || !$crate::space::own_namespace() {
            return;
        }
    };
}
pub(crate) use on_stage;

/// A mosquitto on loopback.
pub struct Broker {
    pub folder: Folder,
    pub port: u16,
    child: Option<Child>,
}

impl Broker {
    pub fn start() -> Broker {
        Broker::with("allow_anonymous true")
    }

    /// With more lines of configuration.
    pub fn with(lines: &str) -> Broker {
        let folder = Folder::new();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let user = if rustix::process::geteuid().is_root() {
            "user root"
        } else {
            ""
        };
        let lines = lines.replace("FOLDER", &folder.path(""));
        let lines = format!("listener {port} 127.0.0.1\n{user}\n{lines}\n");
        folder.file("mosquitto.conf", &lines, 0o600);
        let mut broker = Broker {
            folder,
            port,
            child: None,
        };
        broker.again();
        broker
    }

    pub fn again(&mut self) {
        let log = File::create(self.folder.path("log")).unwrap();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(self.folder.path("mosquitto.conf"));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let port = self.port;
        until("mosquitto listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Publishes what no mirror would.
    pub fn publish(&self, subject: &str, bytes: &[u8]) {
        let mut command = Command::new("mosquitto_pub");
        command.args([
            "-p",
            &self.port.to_string(),
            "-r",
            "-q",
            "1",
            "-t",
            subject,
            "-s",
        ]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// What a subject holds.
    pub fn holds(&self, subject: &str) -> Vec<u8> {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-p", &self.port.to_string(), "-C", "1", "-N", "-t", subject]);
        command.output().unwrap().stdout
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn url(port: u16) -> String {
    format!("mqtt://127.0.0.1:{port}/plant/press")
}

/// How a network treats what passes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Net {
    Passes,
    Delays,
    Stalls,
    /// Lets through the half of the next piece, and then ends the connection.
    Cuts,
}

/// A network between a mirror and a broker.
pub struct Proxy {
    pub port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            mode: Arc::default(),
        };
        let mode = proxy.mode.clone();
        // It ends with the process.
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(to) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for (mut from, mut to) in [(&from, &to), (&to, &from)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    let mode = mode.clone();
                    thread::spawn(move || {
                        let _ = pump(&mut from, &mut to, &mode);
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        proxy
    }

    pub fn net(&self, net: Net) {
        self.mode.store(net as u8, Relaxed);
    }

    pub fn url(&self) -> String {
        url(self.port)
    }
}

fn pump(from: &mut TcpStream, to: &mut TcpStream, mode: &AtomicU8) -> std::io::Result<()> {
    let is = |net: Net| mode.load(Relaxed) == net as u8;
    let mut piece = [0; 1500];
    loop {
        let mut len = from.read(&mut piece)?;
        while is(Net::Stalls) {
            thread::sleep(Duration::from_millis(5));
        }
        if is(Net::Delays) {
            thread::sleep(Duration::from_millis(20));
        }
        let cuts = len > 60
            && mode
                .compare_exchange(Net::Cuts as u8, 0, Relaxed, Relaxed)
                .is_ok();
        if cuts {
            len /= 2;
        }
        to.write_all(&piece[..len])?;
        if len == 0 || cuts {
            return Ok(());
        }
    }
}

/// A run of `shm mirror`, killed with its owner.
pub struct Mirror {
    child: Child,
    said: PathBuf,
    _folder: Folder,
}

impl Mirror {
    pub fn start(arguments: &str) -> Mirror {
        Mirror::with(arguments, &[])
    }

    pub fn with(arguments: &str, environment: &[(&str, &str)]) -> Mirror {
        let folder = Folder::new();
        let said = PathBuf::from(folder.path("said"));
        let mut command = Command::new(cargo_bin("shm"));
        command.arg("mirror").args(arguments.split_whitespace());
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stderr(File::create(&said).unwrap());
        let child = command.spawn().unwrap();
        Mirror {
            child,
            said,
            _folder: folder,
        }
    }

    pub fn source(url: &str) -> Mirror {
        Mirror::start(&format!("{SOURCE} --to {url} --name press-7"))
    }

    pub fn target(url: &str) -> Mirror {
        Mirror::start(&format!("{TARGET} --from {url}"))
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    #[track_caller]
    pub fn says(&self, what: &str) {
        until(&format!("{what} in {}", self.said()), || {
            self.said().contains(what).then_some(())
        });
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn end(self) -> i32 {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        self.ended().0
    }

    /// Waits for its end.
    pub fn ended(mut self) -> (i32, String) {
        let code = until("it ends", || self.child.try_wait().unwrap());
        (code.code().expect("no signal"), self.said())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Value, version, and the creation of the source's segment, as the target has them.
pub fn shown() -> Option<(u64, u64, u64)> {
    let target = Inspector::open(TARGET).ok()?;
    let seen = target.snapshot_bytes().ok()?;
    let record = format!("posix:/shm-mirror.{:016x}", target.creation());
    let record = Inspector::open(record.parse::<shm_core::Place>().unwrap()).ok()?;
    let life = record.get("life").ok()?.as_uint()?;
    let words = seen
        .value
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    let words: Vec<u64> = words.collect();
    assert!(words.iter().all(|word| *word == words[0]), "torn");
    Some((words[0], seen.version, u64::try_from(life).unwrap()))
}

/// Waits until both sides hold the same newest value, version and life.
#[track_caller]
pub fn alike(source: &SharedBox<Load>) {
    let life = Inspector::open(SOURCE).unwrap().creation();
    let seen = source.snapshot().unwrap();
    let wanted = (seen.value.number(), seen.version, life);
    let mut last = None;
    let start = Instant::now();
    while last != Some(wanted) {
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{last:?} and not {wanted:?}"
        );
        thread::sleep(Duration::from_millis(5));
        last = shown();
    }
}
