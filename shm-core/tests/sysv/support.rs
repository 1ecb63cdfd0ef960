//! What the tests share: objects that remove themselves, unique keys, another user, another IPC
//! namespace.

use std::sync::atomic::{AtomicU32, Ordering};

use shm_core::sysv::{Key, Mode, sem, shm};

/// The user that owns nothing.
pub const NOBODY: u32 = 65534;

/// A key that no other test and no other test process uses.
pub fn unique_key() -> Key {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let pid = std::process::id() & 0x3f_ffff;
    Key::new(0x4000_0000 | pid << 8 | NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A segment that is removed when the test ends, also by a panic.
pub struct Segment(pub shm::Id);

impl Segment {
    pub fn private(size: usize, mode: u32) -> Self {
        Self(shm::get(Key::PRIVATE, size, shm::GetFlags::CREATE, Mode::new(mode)).unwrap())
    }

    pub fn with_key(key: Key, size: usize, mode: u32) -> Self {
        let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
        Self(shm::get(key, size, flags, Mode::new(mode)).unwrap())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = shm::remove(self.0);
    }
}

/// A semaphore set that is removed when the test ends, also by a panic.
pub struct Set(pub sem::Id);

impl Set {
    pub fn private(count: u16, mode: u32) -> Self {
        Self(sem::get(Key::PRIVATE, count, sem::GetFlags::CREATE, Mode::new(mode)).unwrap())
    }

    pub fn with_key(key: Key, count: u16, mode: u32) -> Self {
        let flags = sem::GetFlags::CREATE | sem::GetFlags::EXCLUSIVE;
        Self(sem::get(key, count, flags, Mode::new(mode)).unwrap())
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        let _ = sem::remove(self.0);
    }
}

pub fn me() -> (u32, u32) {
    // SAFETY: both take nothing and always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Runs `test` in a thread that is the user nobody: the bare calls, unlike libc's wrappers, change
/// one thread only.
pub fn as_nobody(test: impl FnOnce() + Send) {
    if me().0 != 0 {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    in_thread(|| {
        let id = NOBODY as libc::c_long;
        // SAFETY: these calls take numbers, and an empty list; they change the credentials of this
        // thread only.
        let codes = unsafe {
            [
                libc::syscall(libc::SYS_setgroups, 0, core::ptr::null::<libc::gid_t>()),
                libc::syscall(libc::SYS_setresgid, id, id, id),
                libc::syscall(libc::SYS_setresuid, id, id, id),
            ]
        };
        if codes != [0; 3] {
            eprintln!(
                "SKIPPED: cannot become another user: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
        assert_eq!(me(), (NOBODY, NOBODY));
        test();
    });
}

/// Runs `test` in a thread with an empty IPC namespace, whose limits it may set; all objects end
/// with it.
pub fn in_own_namespace(test: impl FnOnce() + Send) {
    in_thread(|| {
        // SAFETY: takes a number; changes what this thread sees of System V IPC.
        if unsafe { libc::unshare(libc::CLONE_NEWIPC) } != 0 {
            eprintln!(
                "SKIPPED: no IPC namespace to be had: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
        test();
    });
}

/// Sets a limit of this thread's namespace; `false` (and a word on it) where /proc is not writable.
pub fn sysctl(name: &str, value: &str) -> bool {
    let done = std::fs::write(format!("/proc/sys/kernel/{name}"), value);
    if let Err(e) = &done {
        eprintln!("SKIPPED: cannot set kernel.{name}: {e}");
    }
    done.is_ok()
}

fn in_thread(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(test).join() {
            std::panic::resume_unwind(panic);
        }
    });
}
