//! One value, without a name that anything could lead to: a program makes the memory, and hands its descriptor to others over a
//! Unix socket. In two terminals:
//!
//! ```sh
//! cargo run --example pass_fd -- serve /tmp/total.socket 2
//! cargo run --example pass_fd -- add /tmp/total.socket 5      # twice
//! ```

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write, stdout};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::ptr;

use shm_core::SharedBox;
use shm_examples::ended;

fn main() -> ExitCode {
    ended("pass_fd", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", socket, times] => serve(socket, times.parse()?),
        ["add", socket, number] => add(socket, number.parse()?),
        _ => Err("usage: pass_fd serve SOCKET TIMES, or: pass_fd add SOCKET NUMBER".into()),
    }
}

/// Makes the memory, and gives it to so many others. Says what is in it once all of them are done.
fn serve(socket: &str, times: usize) -> Result<(), Box<dyn Error>> {
    let shared = SharedBox::anonymous(0_u64)?;
    let listener = UnixListener::bind(socket)?;
    writeln!(stdout(), "serving")?;
    let mut others = Vec::new();
    for _ in 0..times {
        let (mut other, _) = listener.accept()?;
        send(&mut other, shared.as_fd()?)?;
        others.push(other);
    }
    fs::remove_file(socket)?;
    for mut other in others {
        // The other end closes when that program ends.
        other.read_to_end(&mut Vec::new())?;
    }
    Ok(writeln!(stdout(), "total {}", shared.get()?)?)
}

/// Adds a number to what it is handed.
fn add(socket: &str, number: u64) -> Result<(), Box<dyn Error>> {
    let stream = UnixStream::connect(socket)?;
    // Opened anew by the box, so the received descriptor may be closed.
    let shared = SharedBox::<u64>::from_fd(receive(&stream)?)?;
    shared.update(|total| *total += number)?;
    Ok(writeln!(stdout(), "added {number}")?)
}

/// Room for a message about one descriptor, aligned as its header.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    fd: RawFd,
}

const CONTROL: usize = size_of::<Control>();

/// Calls `act` with a message of one byte and room for a descriptor.
fn with_message(act: impl FnOnce(&mut libc::msghdr) -> isize) -> io::Result<isize> {
    let mut byte = 0_u8;
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: these structures consist of integers and pointers, for which zeros are valid.
    let (mut message, mut control) = unsafe { (zeroed::<libc::msghdr>(), zeroed::<Control>()) };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL as _;
    match act(&mut message) {
        -1 => Err(io::Error::last_os_error()),
        bytes => Ok(bytes),
    }
}

/// Sends a copy of a descriptor (`unix(7)`, `SCM_RIGHTS`).
fn send(stream: &mut UnixStream, fd: BorrowedFd<'_>) -> io::Result<()> {
    with_message(|message| {
        // SAFETY: `cmsg(3)`: the message has room for a header and what follows it, so the first header is there and has room for a
        // descriptor behind it. `sendmsg(2)` reads what the message names, all of which lives until it returns.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            let place = libc::CMSG_DATA(header).cast::<RawFd>();
            ptr::write_unaligned(place, fd.as_raw_fd());
            libc::sendmsg(stream.as_raw_fd(), message, libc::MSG_NOSIGNAL)
        }
    })
    .map(drop)
}

/// Takes a descriptor that the other end has sent.
fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut received = None;
    with_message(|message| {
        // SAFETY: `recvmsg(2)` fills what the message names, all of which lives until it returns. `cmsg(3)`: where there is a header,
        // it lies in the room of the message; behind one of `SCM_RIGHTS` that was made for one descriptor lies that, which is this
        // process's from now on, and owned by nothing else.
        unsafe {
            let bytes = libc::recvmsg(stream.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC);
            let header = libc::CMSG_FIRSTHDR(message);
            if bytes > 0 && !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
                let place = libc::CMSG_DATA(header).cast::<RawFd>();
                received = Some(OwnedFd::from_raw_fd(ptr::read_unaligned(place)));
            }
            bytes
        }
    })?;
    received.ok_or_else(|| io::Error::other("the other end sent no descriptor"))
}
