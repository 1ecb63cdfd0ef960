//! Segments: found and made by key, attached in every way, looked at, changed and removed.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use shm_core::sysv::shm::{self, Access, AttachOptions, Attachment, GetFlags};
use shm_core::sysv::{Error, Key, Kind, Limit, Mode};

use crate::support::{Segment, me, unique_key};

fn write(memory: &Attachment, byte: u8) {
    // SAFETY: attached for writing; every segment here has at least a byte, and no other thread
    // uses it.
    unsafe { memory.as_ptr().write_volatile(byte) }
}

fn read(memory: &Attachment) -> u8 {
    // SAFETY: attached; every segment here has at least a byte.
    unsafe { memory.as_ptr().read_volatile() }
}

fn address_of(memory: &Attachment) -> NonZeroUsize {
    memory.as_non_null().addr()
}

/// Root may map the page at address 0, and rounding leads there: no Rust pointer does.
#[test]
fn an_address_that_rounds_to_0_is_refused_and_nothing_stays_mapped() {
    let segment = Segment::private(1, 0o600);
    for address in [1, 8, 4095] {
        let address = NonZeroUsize::new(address).unwrap();
        let options = AttachOptions::new(Access::ReadWrite)
            .at(address)
            .round(true);
        let error = options.attach(segment.0).unwrap_err();
        // To an ordinary user the kernel refuses it itself, with one errno or another.
        let refused = error.kind() == Kind::Invalid || error.raw_os_error().is_some();
        assert!(refused, "{error:?}");
        assert_eq!(shm::stat(segment.0).unwrap().attached, 0);
    }
}

/// The `rwxs` of the mapping at this address.
fn protection(memory: &Attachment) -> String {
    let start = format!("{:x}-", memory.as_ptr().addr());
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps
        .lines()
        .find(|line| line.trim_start_matches('0').starts_with(&start))
        .unwrap();
    line.split(' ').nth(1).unwrap().into()
}

#[test]
fn a_segment_is_found_by_its_key_and_holds_what_was_written() {
    let key = unique_key();
    let made = Segment::with_key(key, 56, 0o640);
    assert_eq!(
        shm::get(key, 0, GetFlags::NONE, Mode::new(0)).unwrap(),
        made.0
    );
    assert_eq!(
        shm::get(key, 56, GetFlags::CREATE, Mode::new(0o640)).unwrap(),
        made.0
    );

    let first = shm::attach(made.0, Access::ReadWrite).unwrap();
    let second = shm::attach(made.0, Access::ReadOnly).unwrap();
    assert_ne!(first.as_ptr(), second.as_ptr());
    assert_eq!(
        (read(&second), first.id(), second.access()),
        (0, made.0, Access::ReadOnly)
    );
    write(&first, 7);
    assert_eq!(read(&second), 7);
}

#[test]
fn stat_tells_what_the_kernel_knows() {
    let key = unique_key();
    let segment = Segment::with_key(key, 56, 0o741);
    let (uid, gid) = me();
    let stat = shm::stat(segment.0).unwrap();
    assert_eq!(
        (stat.key, stat.size, stat.mode),
        (key, 56, Mode::new(0o741))
    );
    assert_eq!(
        (stat.uid, stat.gid, stat.cuid, stat.cgid),
        (uid, gid, uid, gid)
    );
    assert_eq!((stat.dest, stat.locked, stat.attached), (false, false, 0));
    assert_eq!((stat.atime, stat.dtime, stat.lpid), (None, None, 0));
    assert_eq!(stat.cpid.unsigned_abs(), std::process::id());
    let age = stat.ctime.unwrap().elapsed().map_or(0, |age| age.as_secs());
    assert!(age < 3600, "{age}");

    let memory = shm::attach(segment.0, Access::ReadWrite).unwrap();
    let stat = shm::stat(segment.0).unwrap();
    assert!(
        stat.attached == 1 && stat.atime.is_some() && stat.dtime.is_none(),
        "{stat:?}"
    );
    assert_eq!(stat.lpid.unsigned_abs(), std::process::id());

    memory.detach().unwrap();
    let stat = shm::stat(segment.0).unwrap();
    assert!(stat.attached == 0 && stat.dtime.is_some(), "{stat:?}");
}

#[test]
fn dropping_an_attachment_detaches_from_whichever_thread() {
    const fn check<T: Send + Sync>() {}
    const { check::<Attachment>() };

    let segment = Segment::private(1, 0o600);
    let memory = shm::attach(segment.0, Access::ReadWrite).unwrap();
    std::thread::spawn(move || drop(memory)).join().unwrap();
    assert_eq!(shm::stat(segment.0).unwrap().attached, 0);
}

#[test]
fn detaching_what_is_gone_is_an_error_in_words() {
    let segment = Segment::private(1, 0o600);
    let memory = shm::attach(segment.0, Access::ReadWrite).unwrap();
    // Plain memory takes its place, so that no other thread's segment can.
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: replaces the one page of the attachment, which nothing uses.
    let at = unsafe { libc::mmap(memory.as_ptr().cast(), 4096, libc::PROT_READ, flags, -1, 0) };
    assert_eq!(at.cast(), memory.as_ptr());
    let error = memory.detach().unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::Invalid, Some(libc::EINVAL))
    );
    assert!(
        error
            .to_string()
            .contains("no segment is attached where this one was"),
        "{error}"
    );
}

#[test]
fn access_decides_the_protection_of_the_memory() {
    let segment = Segment::private(1, 0o700);
    let options = |access| AttachOptions::new(access);
    assert_eq!(
        protection(&shm::attach(segment.0, Access::ReadWrite).unwrap()),
        "rw-s"
    );
    assert_eq!(
        protection(&shm::attach(segment.0, Access::ReadOnly).unwrap()),
        "r--s"
    );
    assert_eq!(
        protection(
            &options(Access::ReadOnly)
                .exec(true)
                .attach(segment.0)
                .unwrap()
        ),
        "r-xs"
    );
    assert_eq!(
        protection(
            &options(Access::ReadWrite)
                .exec(true)
                .attach(segment.0)
                .unwrap()
        ),
        "rwxs"
    );
}

/// Address space that is ours and unused, so that no other thread's mapping comes in between.
struct Reserved(NonNull<libc::c_void>, usize);

impl Reserved {
    fn new(size: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe { libc::mmap(core::ptr::null_mut(), size, libc::PROT_READ, flags, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED);
        Self(NonNull::new(at).unwrap(), size)
    }

    fn release(&self) {
        // SAFETY: mapped by `new`, and used by nothing else.
        assert_eq!(unsafe { libc::munmap(self.0.as_ptr(), self.1) }, 0);
    }
}

#[test]
fn a_chosen_address_is_used_aligned_and_never_taken_from_another() {
    let segment = Segment::private(100, 0o600);
    let taken = shm::attach(segment.0, Access::ReadWrite).unwrap();
    write(&taken, 9);
    let at = |address| AttachOptions::new(Access::ReadWrite).at(address);

    let error = at(address_of(&taken)).attach(segment.0).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::Invalid, Some(libc::EINVAL))
    );
    assert!(
        error.to_string().contains("the 100 bytes from address 0x"),
        "{error}"
    );
    assert_eq!(read(&taken), 9);

    let odd = address_of(&taken).checked_add(24).unwrap();
    let error = at(odd).attach(segment.0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is no multiple of the page size"),
        "{error}"
    );
    assert!(error.hint().contains("round"), "{error}");

    // Only its own thread maps where it has just unmapped, unless another one is unlucky: then
    // there is the next try.
    let placed = (0..50).find_map(|_| {
        let reserved = Reserved::new(1 << 20);
        reserved.release();
        let address = reserved.0.addr().checked_add(24).unwrap();
        let memory = at(address).round(true).attach(segment.0).ok()?;
        Some((memory.as_ptr().addr(), reserved.0.addr().get()))
    });
    let (got, wanted) = placed.unwrap();
    assert_eq!(got, wanted);
}

#[test]
fn remap_replaces_what_is_mapped_and_needs_an_address() {
    let segment = Segment::private(100, 0o600);
    let options = AttachOptions::new(Access::ReadWrite);
    // SAFETY: without an address, nothing can be replaced.
    let error = unsafe { options.attach_replacing(segment.0) }.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("an address must be given"),
        "{error}"
    );

    let reserved = Reserved::new(4096);
    // SAFETY: the range is the page just mapped, which nothing uses.
    let memory = unsafe { options.at(reserved.0.addr()).attach_replacing(segment.0) }.unwrap();
    assert_eq!(memory.as_ptr().addr(), reserved.0.addr().get());
    write(&memory, 3);
    assert_eq!(read(&shm::attach(segment.0, Access::ReadOnly).unwrap()), 3);
}

#[test]
fn a_removed_segment_lives_until_the_last_detach() {
    let key = unique_key();
    let segment = Segment::with_key(key, 64, 0o600);
    let memory = shm::attach(segment.0, Access::ReadWrite).unwrap();
    shm::remove(segment.0).unwrap();

    let stat = shm::stat(segment.0).unwrap();
    assert!(
        stat.dest && stat.key == Key::PRIVATE && stat.attached == 1,
        "{stat:?}"
    );
    assert_eq!(
        shm::get(key, 0, GetFlags::NONE, Mode::new(0))
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );
    write(&memory, 1);
    drop(memory);

    let errors: [Result<(), Error>; 5] = [
        shm::stat(segment.0).map(drop),
        shm::attach(segment.0, Access::ReadOnly).map(drop),
        shm::remove(segment.0),
        shm::lock(segment.0),
        shm::set(segment.0, 0, 0, Mode::new(0o600)),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(
            (error.kind(), error.id()),
            (Kind::Removed, Some(segment.0.as_raw()))
        );
        assert!(
            error
                .to_string()
                .contains("no segment has this id: it was removed, or never was"),
            "{error}"
        );
    }
}

#[test]
fn a_recycled_place_answers_the_old_id_with_removed() {
    // EINVAL while the place is empty, EIDRM when another segment has it: the same to each that asks.
    let old = Segment::private(64, 0o600).0;
    let all: Vec<_> = (0..8).map(|_| Segment::private(64, 0o600)).collect();
    assert!(all.iter().all(|new| new.0 != old));
    assert_eq!(shm::stat(old).unwrap_err().kind(), Kind::Removed);
    assert_eq!(
        shm::stat(shm::Id::from_raw(-1)).unwrap_err().kind(),
        Kind::Removed
    );
}

#[test]
fn a_missing_key_is_not_found() {
    let key = unique_key();
    let error = shm::get(key, 64, GetFlags::NONE, Mode::new(0o600)).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::NotFound, Some(libc::ENOENT))
    );
    assert_eq!(
        (error.call(), error.key(), error.id()),
        ("shmget", Some(key), None)
    );
    let text = error.to_string();
    // Between the two the IPC namespace is told, if it is not the machine's first.
    assert!(
        text.starts_with(&format!("shmget({key}): no segment has this key"))
            && text.ends_with(
                "; create it with GetFlags::CREATE, or look for the right key in `ipcs -m`"
            ),
        "{text}"
    );
}

#[test]
fn an_existing_key_is_described() {
    let key = unique_key();
    let segment = Segment::with_key(key, 56, 0o640);
    let flags = GetFlags::CREATE | GetFlags::EXCLUSIVE;
    let error = shm::get(key, 56, flags, Mode::new(0o640)).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::Exists, Some(libc::EEXIST))
    );
    let (uid, gid) = me();
    let expected = format!(
        ": id {}, 56 bytes, of uid {uid}, gid {gid} with mode 0640",
        segment.0
    );
    assert!(error.cause().ends_with(&expected), "{error}");
}

#[test]
fn asking_for_more_than_is_there_tells_both_sizes() {
    let key = unique_key();
    let _segment = Segment::with_key(key, 56, 0o640);
    for flags in [GetFlags::NONE, GetFlags::CREATE] {
        let error = shm::get(key, 4096, flags, Mode::new(0o600)).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::Invalid, Some(libc::EINVAL))
        );
        assert_eq!(
            error.cause(),
            format!("the segment under {key} has 56 bytes, 4096 were asked for")
        );
        assert!(error.hint().contains("size 0"), "{error}");
    }
}

#[test]
fn sizes_zero_and_absurd_are_told_apart() {
    let create =
        |size| shm::get(Key::PRIVATE, size, GetFlags::CREATE, Mode::new(0o600)).unwrap_err();
    let error = create(0);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("a new segment of 0 bytes"),
        "{error}"
    );

    // With 32 bits no size is one.
    if cfg!(target_pointer_width = "32") {
        return;
    }
    let error = create(usize::MAX);
    assert_eq!(error.kind(), Kind::NoSpace(Limit::Shmmax));
    let shmmax = shm::limits().unwrap().shmmax;
    assert!(
        error
            .cause()
            .contains(&format!("shmmax allows for one segment, {shmmax} bytes")),
        "{error}"
    );

    // Within shmmax as it comes, and still beyond what a file, which a segment is inside, can have.
    let error = create(usize::MAX / 2 + 4096);
    assert!(
        matches!(
            error.kind(),
            Kind::Invalid | Kind::NoMemory | Kind::NoSpace(_)
        ),
        "{error}"
    );
    assert!(error.hint().contains("ask for less"), "{error}");

    // Within every limit of the kernel's, and more than any machine can set aside.
    #[cfg(target_pointer_width = "64")]
    {
        let error = create(1 << 46);
        assert!(
            matches!(error.kind(), Kind::NoMemory | Kind::NoSpace(_)),
            "{error}"
        );
    }
}

#[test]
fn huge_pages_work_or_the_error_says_what_is_missing() {
    for flag in [
        GetFlags::HUGETLB,
        GetFlags::HUGETLB_2MB,
        GetFlags::HUGETLB_1GB,
    ] {
        match shm::get(
            Key::PRIVATE,
            1 << 30,
            GetFlags::CREATE | flag,
            Mode::new(0o600),
        ) {
            Ok(id) => drop(Segment(id)),
            Err(e) => match e.kind() {
                Kind::NoSpace(Limit::HugePages) => {
                    assert!(e.hint().contains("vm.nr_hugepages"), "{e}");
                }
                Kind::NotPermitted => assert!(e.hint().contains("vm.hugetlb_shm_group"), "{e}"),
                Kind::Invalid => assert!(e.hint().contains("/sys/kernel/mm/hugepages"), "{e}"),
                Kind::Unsupported | Kind::Other => eprintln!("SKIPPED: no huge pages here: {e}"),
                _ => panic!("{e}"),
            },
        }
    }
    let both = GetFlags::CREATE | GetFlags::HUGETLB_2MB | GetFlags::HUGETLB_1GB;
    let error = shm::get(Key::PRIVATE, 1 << 30, both, Mode::new(0o600)).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (Kind::Invalid, None));
}

#[test]
fn noreserve_creates_an_ordinary_segment() {
    let flags = GetFlags::CREATE | GetFlags::NORESERVE;
    let segment = Segment(shm::get(Key::PRIVATE, 64, flags, Mode::new(0o600)).unwrap());
    assert_eq!(shm::stat(segment.0).unwrap().mode, Mode::new(0o600));
}

#[test]
fn flags_print_by_name() {
    let flags = GetFlags::CREATE | GetFlags::HUGETLB_2MB;
    assert_eq!(
        format!("{flags:?}"),
        "{CREATE, HUGETLB, 2^21 bytes per page}"
    );
    assert_eq!(format!("{:?}", GetFlags::NONE), "{}");
}

#[test]
fn set_changes_owner_and_all_nine_bits() {
    let segment = Segment::private(64, 0o600);
    let (uid, gid) = me();
    let other = if uid == 0 { 4242 } else { uid };
    shm::set(segment.0, other, gid, Mode::new(0o751)).unwrap();
    let stat = shm::stat(segment.0).unwrap();
    assert_eq!(
        (stat.uid, stat.gid, stat.cuid, stat.mode),
        (other, gid, uid, Mode::new(0o751))
    );

    let error = shm::set(segment.0, u32::MAX, gid, Mode::new(0o600)).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (Kind::Invalid, None));
}

#[test]
fn lock_and_unlock_show_in_stat() {
    let segment = Segment::private(64, 0o600);
    match shm::lock(segment.0) {
        Ok(()) => assert!(shm::stat(segment.0).unwrap().locked),
        Err(e) => {
            assert_eq!(e.kind(), Kind::NoSpace(Limit::Memlock));
            eprintln!("SKIPPED: {e}");
        }
    }
    shm::unlock(segment.0).unwrap();
    assert!(!shm::stat(segment.0).unwrap().locked);
}

#[test]
fn the_walk_finds_each_segment_by_index_and_skips_holes() {
    let mine = [
        Segment::private(64, 0o600),
        Segment::private(64, 0o600),
        Segment::private(77, 0o600),
    ];
    shm::remove(mine[1].0).unwrap();
    let usage = shm::usage().unwrap();
    assert!(usage.segments >= 2 && usage.pages >= 2, "{usage:?}");

    let seen: Vec<_> = shm::segments().unwrap().map(Result::unwrap).collect();
    let find = |id| seen.iter().find(|(found, _)| *found == id);
    assert_eq!(find(mine[2].0).unwrap().1.size, 77);
    assert!(find(mine[0].0).is_some() && find(mine[1].0).is_none());

    let index = (0..=usage.highest_index)
        .find(|i| shm::stat_index(*i).is_ok_and(|(id, _)| id == mine[2].0))
        .unwrap();
    assert_eq!(
        shm::stat_index_any(index).unwrap(),
        shm::stat_index(index).unwrap()
    );

    let error = shm::stat_index_any(u32::MAX >> 1).unwrap_err();
    assert_eq!(
        (error.kind(), error.command()),
        (Kind::NotFound, Some("SHM_STAT_ANY"))
    );
    assert!(
        error
            .to_string()
            .starts_with("shmctl(index 2147483647, SHM_STAT_ANY): nothing stands"),
        "{error}"
    );
}

#[test]
fn an_error_travels_as_an_io_error_and_comes_back() {
    let error = shm::stat(shm::Id::from_raw(-1)).unwrap_err();
    assert_eq!((error.key(), error.id()), (None, Some(-1)));
    let text = error.to_string();
    assert!(
        text.starts_with("shmctl(id -1, IPC_STAT): no segment has this id"),
        "{text}"
    );
    let io = std::io::Error::from(error);
    assert_eq!(
        (io.kind(), io.to_string()),
        (std::io::ErrorKind::NotFound, text)
    );
    let back = io.into_inner().unwrap().downcast::<Error>().unwrap();
    assert_eq!(back.kind(), Kind::Removed);
}

#[test]
fn atomics_are_had_within_the_segment_and_aligned_and_nowhere_else() {
    use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU16, AtomicU32, Ordering::*};
    let segment = Segment::private(13, 0o600);
    let memory = shm::attach(segment.0, Access::ReadWrite).unwrap();
    let view = shm::attach(segment.0, Access::ReadOnly).unwrap();
    assert_eq!((memory.len(), view.len()), (13, 13));
    memory.atomic::<AtomicU32>(8).unwrap().store(7, Release);
    memory.atomic::<AtomicU8>(12).unwrap().fetch_add(3, Relaxed);
    for order in [Relaxed, Acquire, SeqCst] {
        assert_eq!(view.load::<AtomicU32>(8, order).unwrap(), 7);
        assert_eq!(view.load::<AtomicU8>(12, order).unwrap(), 3);
    }
    let before = memory.load::<AtomicI64>(0, Relaxed).unwrap();
    for (error, says) in [
        (memory.atomic::<AtomicU32>(12).map(drop), "beyond its 13"),
        (memory.atomic::<AtomicU8>(13).map(drop), "beyond its 13"),
        (memory.atomic::<AtomicU16>(usize::MAX).map(drop), "beyond"),
        (view.load::<AtomicI64>(8, Relaxed).map(drop), "beyond"),
        (memory.atomic::<AtomicU32>(2).map(drop), "not aligned"),
        (view.load::<AtomicU16>(11, Relaxed).map(drop), "not aligned"),
        (view.atomic::<AtomicU8>(0).map(drop), "for reading only"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(memory.load::<AtomicI64>(0, Relaxed).unwrap(), before);
}
