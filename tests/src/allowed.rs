//! What the machine allows a test, found out by trying: root in a container may less than root, and
//! an ordinary user may more on some machines than on others. What is refused is said in words.

use std::io;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// A user who owns nothing.
pub const NOBODY: u32 = 65534;

/// Moves this thread to an empty IPC namespace; in a user namespace of its own too, where that is
/// what it takes. What lies in it ends with it, whatever becomes of the process. `false`: the kernel
/// allows neither.
pub fn own_ipc_namespace() -> bool {
    unshare(CloneFlags::CLONE_NEWIPC).is_ok()
        || unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWIPC).is_ok()
}

/// Runs a test in a thread with an empty IPC namespace, which the processes that it starts are in too. Says so where
/// the kernel allows none.
pub fn in_own_ipc_namespace(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            if own_ipc_namespace() {
                test();
            } else {
                eprintln!("SKIPPED: no IPC namespace of its own is to be had");
            }
        });
        if let Err(panic) = run.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Does something in a thread that is this user, in the group of the same number.
///
/// # Errors
///
/// What the kernel says if this process may not become that user.
pub fn as_user<R: Send>(user: u32, act: impl FnOnce() -> R + Send) -> io::Result<R> {
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| become_user(user).map(|()| act()));
        thread.join()
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The bare calls, unlike libc's wrappers, change one thread only.
fn become_user(user: u32) -> io::Result<()> {
    // SAFETY: these calls take numbers, and an empty list; they change the credentials of this
    // thread only.
    let codes = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, user, user, user),
            libc::syscall(libc::SYS_setresuid, user, user, user),
        ]
    };
    if codes == [0; 3] {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether this process may become another user; says so if it may not.
pub fn may_change_user(test: &str) -> bool {
    let may = as_user(NOBODY, || ());
    if let Err(refusal) = &may {
        eprintln!("SKIPPED: {test}: can't become another user here: {refusal}");
    }
    may.is_ok()
}

/// Whether `unshare` with these options starts a program; says so if it does not.
pub fn may_unshare(test: &str, options: &[&str]) -> bool {
    let may = Command::new("unshare")
        .args(options)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !may {
        eprintln!(
            "SKIPPED: {test}: `unshare {}` fails here",
            options.join(" ")
        );
    }
    may
}
