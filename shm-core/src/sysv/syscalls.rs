//! The calls themselves: the only file of this module that talks to libc, and the one place where a
//! return code becomes an `Errno`. What an `Errno` means is decided in `diagnose`.

use core::ffi::{c_int, c_ulong, c_ushort, c_void};
use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;
use core::time::Duration;

/// An errno, straight from the failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

impl Errno {
    fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

type Result<T> = core::result::Result<T, Errno>;

/// All calls here but `shmat` say with -1 that they failed.
fn ret(code: c_int) -> Result<c_int> {
    if code == -1 {
        Err(Errno::last())
    } else {
        Ok(code)
    }
}

// The bits that the `libc` crate does not name. `include/uapi/linux/shm.h`, and `<bits/shm.h>` of
// glibc.
pub(super) const SHM_DEST: u32 = 0o1000;
pub(super) const SHM_LOCKED: u32 = 0o2000;
pub(super) const SHM_EXEC: c_int = 0o100_000;
// On targets where libc widens the times, it marks the commands that return them; libc's own
// `SEM_STAT` does the same.
pub(super) const SHM_STAT: c_int = 13 | (libc::IPC_STAT & 0x100);
pub(super) const SHM_INFO: c_int = 14;
pub(super) const SHM_STAT_ANY: c_int = 15 | (libc::IPC_STAT & 0x100);
/// `HUGETLB_FLAG_ENCODE_SHIFT` in `include/uapi/asm-generic/hugetlb_encode.h`: above it stands the
/// page size's log2.
pub(super) const SHM_HUGE_SHIFT: u32 = 26;

/// `struct shminfo` of `shmctl(2)`; the spare words are in `struct shminfo64` of
/// `include/uapi/asm-generic/shmbuf.h`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ShmInfo {
    pub(super) shmmax: c_ulong,
    pub(super) shmmin: c_ulong,
    pub(super) shmmni: c_ulong,
    pub(super) shmseg: c_ulong,
    pub(super) shmall: c_ulong,
    spare: [c_ulong; 4],
}

/// `struct shm_info` of `shmctl(2)`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ShmUsage {
    pub(super) used_ids: c_int,
    pub(super) shm_tot: c_ulong,
    pub(super) shm_rss: c_ulong,
    pub(super) shm_swp: c_ulong,
    swap_attempts: c_ulong,
    swap_successes: c_ulong,
}

/// `struct seminfo` of `semctl(2)`, used by both `IPC_INFO` and `SEM_INFO`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SemInfo {
    pub(super) semmap: c_int,
    pub(super) semmni: c_int,
    pub(super) semmns: c_int,
    pub(super) semmnu: c_int,
    pub(super) semmsl: c_int,
    pub(super) semopm: c_int,
    pub(super) semume: c_int,
    pub(super) semusz: c_int,
    pub(super) semvmx: c_int,
    pub(super) semaem: c_int,
}

/// `struct semid_ds` of `semctl(2)`.
#[cfg(not(target_env = "musl"))]
pub(super) type SemidDs = libc::semid_ds;

/// `struct semid_ds` where the `libc` crate has none: `struct semid64_ds` of
/// `arch/x86/include/uapi/asm/sembuf.h` and `include/uapi/asm-generic/sembuf.h`, which musl hands
/// through on 64-bit targets.
#[cfg(all(target_env = "musl", target_pointer_width = "64"))]
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SemidDs {
    pub(super) sem_perm: libc::ipc_perm,
    pub(super) sem_otime: i64,
    #[cfg(target_arch = "x86_64")]
    reserved1: c_ulong,
    pub(super) sem_ctime: i64,
    #[cfg(target_arch = "x86_64")]
    reserved2: c_ulong,
    pub(super) sem_nsems: c_ulong,
    reserved3: [c_ulong; 2],
}
#[cfg(all(target_env = "musl", not(target_pointer_width = "64")))]
compile_error!("shm-core does not know the semaphore structures of musl on 32-bit targets");

/// `union semun`, which "the calling program must define" (`semctl(2)`).
///
/// Passed by value as a union, since on big-endian machines a bare `int` lies in the other half of
/// the word.
#[repr(C)]
union SemArg {
    val: c_int,
    buf: *mut SemidDs,
    array: *mut c_ushort,
    info: *mut SemInfo,
}

const _: () = {
    const LONG: usize = size_of::<c_ulong>();
    assert!(size_of::<ShmInfo>() == 9 * LONG && offset_of!(ShmInfo, shmall) == 4 * LONG);
    assert!(size_of::<ShmUsage>() == 6 * LONG && offset_of!(ShmUsage, shm_tot) == LONG);
    assert!(size_of::<SemInfo>() == 40 && offset_of!(SemInfo, semvmx) == 32);
    assert!(size_of::<SemArg>() == size_of::<*mut c_void>());
    // Like glibc's: the perms, and after `sem_nsems` two spare words.
    assert!(offset_of!(SemidDs, sem_nsems) == size_of::<SemidDs>() - 3 * LONG);
    assert!(size_of::<libc::sembuf>() == 6 && align_of::<libc::sembuf>() == 2);
    // `key_of` reads the key from the first place of `ipc_perm`, where every libc has it, under
    // various names.
    assert!(offset_of!(libc::ipc_perm, uid) == size_of::<libc::key_t>());
    assert!(offset_of!(libc::shmid_ds, shm_perm) == 0 && offset_of!(SemidDs, sem_perm) == 0);
};

/// A number as the kernel tells it, in 64 bits.
#[allow(
    clippy::unnecessary_cast,
    reason = "c_ulong is narrower on 32-bit targets"
)]
pub(super) const fn wide(figure: c_ulong) -> u64 {
    figure as u64
}

/// What `call` returns, and what it writes to the place that it is given.
///
/// # Safety
///
/// `T` consists of integers, and `call` writes there nothing but a `T`.
unsafe fn filled<T>(call: impl FnOnce(*mut T) -> c_int) -> Result<(c_int, T)> {
    let mut place = MaybeUninit::<T>::zeroed();
    let value = ret(call(place.as_mut_ptr()))?;
    // SAFETY: `filled` demands that `T` "consists of integers", for which the zeros it began with are
    // valid, and so is whatever was written over them.
    Ok((value, unsafe { place.assume_init() }))
}

/// The key in an `ipc_perm`.
pub(super) fn key_of(perm: &libc::ipc_perm) -> i32 {
    // SAFETY: `ipc_perm` is `repr(C)` and starts with the key, a `key_t` (`shmctl(2)`: "key_t
    // __key; /* Key supplied to shmget(2) */" is its first member); the assertion above leaves no
    // room for anything else before `uid`. The reference makes the read valid and aligned
    // (`ipc_perm` is aligned at least as its first member).
    unsafe { core::ptr::from_ref(perm).cast::<libc::key_t>().read() }
}

pub(super) fn shmget(key: i32, size: usize, flags: c_int) -> Result<i32> {
    // SAFETY: takes and returns numbers only; touches no memory of this process.
    ret(unsafe { libc::shmget(key, size, flags) })
}

/// # Safety
///
/// With `SHM_REMAP` in `flags`, the range that the segment will cover holds nothing that is still
/// used.
pub(super) unsafe fn shmat(id: i32, address: usize, flags: c_int) -> Result<NonNull<c_void>> {
    let address = core::ptr::without_provenance_mut::<c_void>(address);
    // SAFETY: without `SHM_REMAP` no live mapping is touched: `shmat(2)`: "Normally, an EINVAL
    // error would result if a mapping already exists in this address range"; with it, this function
    // demands that the range "holds nothing that is still used". The address is a number to the
    // kernel and is not read through.
    let at = unsafe { libc::shmat(id, address, flags) };
    if at.addr() == usize::MAX {
        return Err(Errno::last());
    }
    NonNull::new(at).ok_or_else(|| {
        // Address 0 can be mapped by the privileged only, where `SHM_RND` leads there, and is no
        // place for a Rust pointer.
        // SAFETY: `shmat` returned this address just now, so a segment is attached there; nothing uses
        // it, since it was handed to no other code.
        unsafe { libc::shmdt(at) };
        Errno(libc::EINVAL)
    })
}

/// # Safety
///
/// `at` came from `shmat`, was not detached since, and nothing uses that mapping any more.
pub(super) unsafe fn shmdt(at: NonNull<c_void>) -> Result<()> {
    // SAFETY: `shmdt(2)`: "the to-be-detached segment must be currently attached with shmaddr equal
    // to the value returned by the attaching shmat() call": this function demands that `at` "came
    // from `shmat`, was not detached since, and nothing uses that mapping any more".
    ret(unsafe { libc::shmdt(at.as_ptr()) }).map(drop)
}

/// Whether a mapping that begins here is of huge pages: `madvise(2)` refuses to let those grow cold.
/// (Locked memory, too, and it is there already.)
pub(super) fn is_of_huge_pages(at: NonNull<c_void>) -> bool {
    // SAFETY: `madvise(2)`: MADV_COLD "deactivates" pages, which says when they are reclaimed and
    // leaves what they hold; an address where nothing is mapped is an error (`ENOMEM`).
    let code = unsafe { libc::madvise(at.as_ptr(), 1, libc::MADV_COLD) };
    ret(code) == Err(Errno(libc::EINVAL))
}

/// Touches all pages of these bytes in the kernel, where a failure is an error and no signal.
pub(super) fn populate(at: NonNull<c_void>, bytes: usize, writable: bool) -> Result<()> {
    let advice = if writable {
        libc::MADV_POPULATE_WRITE
    } else {
        libc::MADV_POPULATE_READ
    };
    // SAFETY: `madvise(2)`: both advices "populate (prefault) page tables", "without actually" writing
    // or reading; an address where nothing is mapped is an error (`ENOMEM`).
    match ret(unsafe { libc::madvise(at.as_ptr(), bytes, advice) }) {
        // A kernel before 5.14, which does not know it.
        Err(Errno(libc::EINVAL)) => Ok(()),
        result => result.map(drop),
    }
}

/// The commands that fill a `shmid_ds`: `IPC_STAT`, `SHM_STAT`, `SHM_STAT_ANY`. Returns the
/// command's own value too.
pub(super) fn shmctl_stat(id: i32, command: c_int) -> Result<(i32, libc::shmid_ds)> {
    debug_assert!([libc::IPC_STAT, SHM_STAT, SHM_STAT_ANY].contains(&command));
    // SAFETY: `shmctl(2)`: these commands copy "into the shmid_ds structure pointed to by buf", which
    // consists of integers.
    unsafe { filled(|ds| libc::shmctl(id, command, ds)) }
}

pub(super) fn shmctl_set(id: i32, uid: u32, gid: u32, mode: u32) -> Result<()> {
    // SAFETY: all members of a `shmid_ds` are integers, for which zero is valid.
    let mut ds: libc::shmid_ds = unsafe { core::mem::zeroed() };
    ds.shm_perm.uid = uid;
    ds.shm_perm.gid = gid;
    ds.shm_perm.mode = mode as _;
    // SAFETY: `IPC_SET` reads "the shmid_ds structure pointed to by buf" (`shmctl(2)`); `ds` is
    // one, and is ours.
    ret(unsafe { libc::shmctl(id, libc::IPC_SET, &raw mut ds) }).map(drop)
}

/// The commands without an argument: `IPC_RMID`, `SHM_LOCK`, `SHM_UNLOCK`.
pub(super) fn shmctl_plain(id: i32, command: c_int) -> Result<()> {
    debug_assert!([libc::IPC_RMID, libc::SHM_LOCK, libc::SHM_UNLOCK].contains(&command));
    // SAFETY: these commands use no buffer (`shmctl(2)` on `IPC_RMID`: "the buf argument is
    // ignored"). Removal leaves the mappings as they are: "the segment will actually be destroyed
    // only after the last process detaches it".
    ret(unsafe { libc::shmctl(id, command, core::ptr::null_mut()) }).map(drop)
}

/// `IPC_INFO`: the limits in force, and the highest index in use.
pub(super) fn shm_limits() -> Result<(i32, ShmInfo)> {
    // SAFETY: `shmctl(2)`: `IPC_INFO` writes to "the structure pointed to by buf. This structure is
    // of type shminfo (thus, a cast is required)"; `ShmInfo` is that structure with the kernel's
    // spare words, integers all.
    unsafe { filled(|info: *mut ShmInfo| libc::shmctl(0, libc::IPC_INFO, info.cast())) }
}

/// `SHM_INFO`: what is in use, and the highest index in use.
pub(super) fn shm_usage() -> Result<(i32, ShmUsage)> {
    // SAFETY: `shmctl(2)`: `SHM_INFO` returns "a shm_info structure", which `ShmUsage` is; it consists
    // of integers.
    unsafe { filled(|usage: *mut ShmUsage| libc::shmctl(0, SHM_INFO, usage.cast())) }
}

pub(super) fn semget(key: i32, count: c_int, flags: c_int) -> Result<i32> {
    // SAFETY: takes and returns numbers only; touches no memory of this process.
    ret(unsafe { libc::semget(key, count, flags) })
}

pub(super) fn semop(id: i32, ops: &[libc::sembuf]) -> Result<()> {
    // SAFETY: `semop(2)`: "each of the nsops elements in the array pointed to by sops is a
    // structure"; pointer and length are those of one slice. libc says `*mut` for history's sake:
    // POSIX has the operations read, never written.
    ret(unsafe { libc::semop(id, ops.as_ptr().cast_mut(), ops.len()) }).map(drop)
}

/// `struct __kernel_timespec`, `include/uapi/linux/time_types.h`; libc's own on 64-bit targets.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanos: i64,
}

// The `libc` crate does not declare it.
#[cfg(target_pointer_width = "64")]
unsafe extern "C" {
    // `semop(2)`; in glibc since 2.3.3, in musl since 0.9.
    #[link_name = "semtimedop"]
    fn timed_semop(
        id: c_int,
        ops: *const libc::sembuf,
        count: usize,
        timeout: *const KernelTimespec,
    ) -> c_int;
}

/// On 32-bit targets the width of libc's `time_t` is a matter of configuration: straight to the call with 64-bit times,
/// `semtimedop_time64`, number 420 on all of them since Linux 5.1.
///
/// # Safety
///
/// `ops` leads to `count` operations.
#[cfg(target_pointer_width = "32")]
unsafe fn timed_semop(
    id: c_int,
    ops: *const libc::sembuf,
    count: usize,
    timeout: *const KernelTimespec,
) -> c_int {
    // SAFETY: the call takes an id, an array with its length (this function's contract), and a time; `semop(2)` has the kernel
    // read array and time, and write neither.
    unsafe { libc::syscall(420, id, ops, count, timeout) as c_int }
}

/// `semop` that sleeps at most `timeout`.
pub(super) fn semtimedop(id: i32, ops: &[libc::sembuf], timeout: Duration) -> Result<()> {
    let timeout = KernelTimespec {
        seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        nanos: timeout.subsec_nanos().into(),
    };
    // SAFETY: `semop(2)`: "each of the nsops elements in the array pointed to by sops is a structure";
    // pointer and length are those of one slice, whose operations are read, never written. `timeout`
    // is "the timespec structure whose address is passed in the timeout argument" and is only read:
    // "the contents of timeout are left unchanged".
    ret(unsafe { timed_semop(id, ops.as_ptr(), ops.len(), &raw const timeout) }).map(drop)
}

/// The commands that fill a `semid_ds`: `IPC_STAT`, `SEM_STAT`, `SEM_STAT_ANY`. Returns the
/// command's own value too.
pub(super) fn semctl_stat(id: i32, command: c_int) -> Result<(i32, SemidDs)> {
    debug_assert!([libc::IPC_STAT, libc::SEM_STAT, libc::SEM_STAT_ANY].contains(&command));
    // SAFETY: `semctl(2)`: these commands copy "into the semid_ds structure pointed to by arg.buf",
    // which consists of integers.
    unsafe { filled(|buf| libc::semctl(id, 0, command, SemArg { buf })) }
}

pub(super) fn semctl_set(id: i32, uid: u32, gid: u32, mode: u32) -> Result<()> {
    // SAFETY: all members of a `semid_ds` are integers, for which zero is valid.
    let mut ds: SemidDs = unsafe { core::mem::zeroed() };
    ds.sem_perm.uid = uid;
    ds.sem_perm.gid = gid;
    ds.sem_perm.mode = mode as _;
    // SAFETY: `IPC_SET` reads "the semid_ds structure pointed to by arg.buf" (`semctl(2)`); `ds` is
    // one, and is ours.
    ret(unsafe { libc::semctl(id, 0, libc::IPC_SET, SemArg { buf: &raw mut ds }) }).map(drop)
}

/// The commands on one semaphore that return a number: `GETVAL`, `GETPID`, `GETNCNT`, `GETZCNT`;
/// and `IPC_RMID`.
pub(super) fn semctl_plain(id: i32, index: u16, command: c_int) -> Result<i32> {
    debug_assert!(
        [
            libc::GETVAL,
            libc::GETPID,
            libc::GETNCNT,
            libc::GETZCNT,
            libc::IPC_RMID
        ]
        .contains(&command)
    );
    // SAFETY: these commands use no fourth argument; it is given since "it is best to always call
    // semctl() with four arguments" (`semctl(2)`).
    ret(unsafe { libc::semctl(id, index.into(), command, SemArg { val: 0 }) })
}

pub(super) fn semctl_setval(id: i32, index: u16, value: u16) -> Result<()> {
    let arg = SemArg { val: value.into() };
    // SAFETY: `SETVAL` takes "arg.val", a number.
    ret(unsafe { libc::semctl(id, index.into(), libc::SETVAL, arg) }).map(drop)
}

/// `GETALL` or `SETALL`.
///
/// # Safety
///
/// The set has at most `values.len()` semaphores when the kernel looks.
pub(super) unsafe fn semctl_all(id: i32, command: c_int, values: &mut [u16]) -> Result<()> {
    debug_assert!([libc::GETALL, libc::SETALL].contains(&command));
    let array = values.as_mut_ptr();
    // SAFETY: `semctl(2)`: "return semval for all semaphores of the set into arg.array", or "set the
    // semval values for all semaphores of the set using arg.array": one `unsigned short` for each
    // semaphore. This function demands that the set "has at most `values.len()` semaphores when the
    // kernel looks".
    ret(unsafe { libc::semctl(id, 0, command, SemArg { array }) }).map(drop)
}

/// `command` is `IPC_INFO` (limits) or `SEM_INFO` (what is in use); with the highest index in use.
pub(super) fn sem_info(command: c_int) -> Result<(i32, SemInfo)> {
    debug_assert!([libc::IPC_INFO, libc::SEM_INFO].contains(&command));
    // SAFETY: `semctl(2)`: both commands return "information in the structure pointed to by
    // arg.__buf. This structure is of type seminfo", which `SemInfo` is; it consists of integers.
    unsafe { filled(|info| libc::semctl(0, 0, command, SemArg { info })) }
}

/// The effective user of this process, which permissions go by.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: `geteuid(2)`: "these functions are always successful", and it takes nothing.
    unsafe { libc::geteuid() }
}

/// The effective user and group of this process.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: `getegid(2)`: "these functions are always successful", and it takes nothing.
    (effective_user(), unsafe { libc::getegid() })
}

/// A soft limit of this process, such as `RLIMIT_NOFILE`; the largest number stands for none.
#[allow(clippy::useless_conversion, reason = "32 bits wide on some targets")]
pub(crate) fn soft_limit(which: i32) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `getrlimit(2)` writes "the rlimit structure" that its second argument points to; `limit` is one. Where it fails, that
    // stays as it is.
    unsafe { libc::getrlimit(which as _, &raw mut limit) };
    match limit.rlim_cur {
        libc::RLIM_INFINITY => u64::MAX,
        bytes => bytes.into(),
    }
}

/// Bytes per page, the unit of `shmall` and of the usage figures.
pub(super) fn page_size() -> u64 {
    // SAFETY: `sysconf(3)` takes a number and returns one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}
