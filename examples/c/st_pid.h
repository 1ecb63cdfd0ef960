/*
 * `StPid`, schema version 1, 56 bytes, shared with Rust programs that use shm-core.
 * Generated from the Rust type: change it there.
 */
#ifndef SHMBOX_HEADER_ST_PID_11EDB9BC7D83EDC9
#define SHMBOX_HEADER_ST_PID_11EDB9BC7D83EDC9

/*
 * The part that all headers made by shm-core have in common: the protocol of FORMAT.md, format 1, for C11 and C++17 on
 * Linux, with the __atomic builtins of gcc and clang. Nothing to link. The functions without a trailing underscore
 * return 0 or a negative SHMBOX_E... code.
 *
 * In this order, each part using only those before it: what a user sees; words; copies; system calls; stored forms; state
 * and schema; repair; processes; records; files; semaphores; verdicts; leaving; claims; the lock; reading; writing; the
 * disk; attaching; birth; opening by key; opening files; opening; waiting; for C++.
 */
#ifndef SHMBOX_H_1
#define SHMBOX_H_1

#if !defined(_DEFAULT_SOURCE) && !defined(_GNU_SOURCE)
#define _DEFAULT_SOURCE 1
#endif

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* What strict C hides (-std=c11), where the headers of the system came first: of their functions no other is used. */
#if !defined(__USE_MISC) && !defined(__cplusplus)
extern long syscall(long number, ...);
#endif

#ifdef __cplusplus
#define SHMBOX_STATIC_ASSERT(condition, message) static_assert(condition, message)
#else
#define SHMBOX_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#endif

/* Casts that neither language warns of: between numbers, where one target needs what another has already; between
 * pointers; and between a pointer and a number. */
#ifdef __cplusplus
extern "C++" {
template <typename To, typename From> static inline To shmbox_to_(From value)
{
	return static_cast<To>(value);
}
}
#define SHMBOX_TO_(type, value) shmbox_to_<type>(value)
#define SHMBOX_POINTER_(type, value) static_cast<type>(value)
#define SHMBOX_BITS_(type, value) reinterpret_cast<type>(value)
#define SHMBOX_NULL_ nullptr
#else
#define SHMBOX_TO_(type, value) ((type)(value))
#define SHMBOX_POINTER_(type, value) ((type)(value))
#define SHMBOX_BITS_(type, value) ((type)(value))
#define SHMBOX_NULL_ NULL
#endif

/* The type of a member of a struct, or of what is in it. */
#define SHMBOX_TYPE_(type, member) __typeof__(SHMBOX_POINTER_(type *, SHMBOX_NULL_)->member)

/* What must hold of a struct, and of each of its members. */
#define SHMBOX_STRUCT_(type, size, align) \
	SHMBOX_STATIC_ASSERT(sizeof(type) == size, "size of " #type); \
	SHMBOX_STATIC_ASSERT(__alignof__(type) == align, "alignment of " #type)
#define SHMBOX_MEMBER_(type, member, offset, size) \
	SHMBOX_STATIC_ASSERT(offsetof(type, member) == offset, "offset of " #type "." #member); \
	SHMBOX_STATIC_ASSERT(sizeof(SHMBOX_TYPE_(type, member)) == size, "size of " #type "." #member)

SHMBOX_STATIC_ASSERT(sizeof(bool) == 1, "bool in shared memory is one byte");

/*
 * 2 is always; 1 may be a library, with a lock of each process's own. clang says 1 also for i386 from the Pentium on, of
 * integers that are not aligned to 8; those here are.
 */
#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2 && !(defined(__i386__) && defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8))
#error "this target has no lock-free 64-bit atomics, which processes need to share memory"
#endif

/* ---- What a user sees ---- */

/* What a function returns if it is not 0. */
enum {
	SHMBOX_ESYSTEM = -1,        /* a system call failed; the handle's `error` is its errno */
	SHMBOX_ENOTFOUND = -2,      /* the key leads to no segment, the path to no file */
	SHMBOX_EFOREIGN = -3,       /* another program laid the segment out: it has no control block */
	SHMBOX_EUNTRUSTED = -4,     /* its owner or creator is neither this user nor root */
	SHMBOX_EDAMAGED = -5,       /* the segment or its semaphore set contradicts itself */
	SHMBOX_EFORMAT = -6,        /* a format that this header does not know */
	SHMBOX_EMISMATCH = -7,      /* another layout than this header's struct */
	SHMBOX_ENEEDSUPGRADE = -8,  /* an earlier version of this header's struct, which can be read, and written after an upgrade */
	SHMBOX_EREMOVED = -9,       /* the segment has been removed */
	SHMBOX_EUNFINISHED = -11,   /* its creator has not made it ready within the limit */
	SHMBOX_EBUSY = -12,         /* a living process kept the lock for the whole limit */
	SHMBOX_EOVERTAKEN = -13,    /* writers were faster than this reader for the whole limit */
	SHMBOX_ESLOTS = -14,        /* all slots for writing processes are in use */
	SHMBOX_EREENTRANT = -15,    /* this handle holds the lock already, or a signal's handler came in the middle of its commit */
	SHMBOX_EUNLOCKED = -16,     /* this handle does not hold the lock */
	SHMBOX_EFORKED = -17,       /* the lock was taken, or the row was claimed, by the parent, before the fork */
	SHMBOX_EREADONLY = -18,     /* attached for reading only */
	SHMBOX_EINVALID = -19,      /* a bool, a char, an enum or the length of a vector is none */
	SHMBOX_ETIMEDOUT = -20,     /* the time is over and no newer version came */
	SHMBOX_EARGUMENT = -21,     /* key 0, a handle that is not open for this struct, or a mode that keeps its creator out */
	SHMBOX_ELEFT = -22,         /* this process has left the segment's IPC namespace, or lost its slot: it can only read */
	SHMBOX_ESETLOST = -23,      /* the semaphore set that tells who is alive has been removed */
	SHMBOX_EUNJUDGED = -24,     /* whether a process lives that may hold the lock can't be told from here */
	SHMBOX_ENOUNDO = -25,       /* the kernel undoes no semaphores when a process dies */
	SHMBOX_EEXISTS = -26,       /* the key leads to a segment already, the path to a file */
	SHMBOX_ENOFILE = -27,       /* the path leads to a directory, a FIFO, a device or a symbolic link */
	SHMBOX_EFILESYSTEM = -28,   /* the file lies where not every process sees the others' locks and stores */
	SHMBOX_EEXPOSED = -29,      /* others may write the file, and so cut it short under this process */
	SHMBOX_ENOTRESTORED = -30,  /* the live value is of an earlier start of the machine, or of the file that this is a copy of */
	SHMBOX_ENOPROC = -31,       /* /proc is needed, and not there */
	SHMBOX_ETABLE = -32,        /* it holds a table of rows, and no single struct */
	SHMBOX_ENOTABLE = -33,      /* it holds a single struct, and no table of rows */
	SHMBOX_EFULL = -34,         /* each row of the table has an owner that lives */
	SHMBOX_ESTALE = -35         /* the row has another owner by now, or none */
};

static inline const char *shmbox_strerror(int code)
{
	switch (code) {
	case 0: return "success";
	case SHMBOX_ESYSTEM: return "a system call failed: the handle's `error` is its errno";
	case SHMBOX_ENOTFOUND: return "the key leads to no segment, or the path to no file: start the program that creates it, or look in `ipcs -m`, or with `ls -l`, in its container if it runs in one";
	case SHMBOX_EFOREIGN: return "it has no control block: another program laid it out, or cut the file short, which is then to be had from a backup";
	case SHMBOX_EUNTRUSTED: return "the segment's owner or creator is neither this user nor root: say whom to trust in shmbox_options";
	case SHMBOX_EDAMAGED: return "the segment or its semaphore set contradicts itself: find who wrote there, then remove it with shm_core::remove in Rust and create it anew";
	case SHMBOX_EFORMAT: return "the segment has a format that this header does not know: generate the header anew";
	case SHMBOX_EMISMATCH: return "the segment holds another layout than this header's struct: generate the header anew";
	case SHMBOX_ENEEDSUPGRADE: return "the segment holds an earlier version of this struct: open it for reading only (fields that it lacks read as their defaults, if the text that was generated from the Rust type knows them), or let a Rust program that has this version upgrade it with `SharedBox::<T>::options().upgrade(true).open(key)`, or with `SharedTable::<T>` in its place";
	case SHMBOX_EREMOVED: return "the segment has been removed: open it again";
	case SHMBOX_EUNFINISHED: return "a process began to create the segment and did not end it: start that program again";
	case SHMBOX_EBUSY: return "a living process keeps the lock";
	case SHMBOX_EOVERTAKEN: return "writers replaced the value faster than it could be copied";
	case SHMBOX_ESLOTS: return "all slots for writing processes are in use: close handles that write no more";
	case SHMBOX_EREENTRANT: return "this handle holds the lock already";
	case SHMBOX_EUNLOCKED: return "this handle does not hold the lock";
	case SHMBOX_EFORKED: return "the lock, or the row, belongs to the process that forked this one";
	case SHMBOX_EREADONLY: return "the segment was opened for reading only";
	case SHMBOX_EINVALID: return "a bool, a char, an enum or the length of a vector is none, or one of a newer version, which a commit would destroy";
	case SHMBOX_ETIMEDOUT: return "the time is over and no newer version came";
	case SHMBOX_EARGUMENT: return "key 0, a handle that is not open for this struct, or a new segment's or file's mode without 0600, which would keep its creator out";
	case SHMBOX_ELEFT: return "this process has left the segment's IPC namespace (setns, unshare), or a peer took its slot: it can read, and write after it has opened the segment again there";
	case SHMBOX_ESETLOST: return "the segment's semaphores have been removed (`ipcrm -s`, or systemd's RemoveIPC at a logout): open it again as its owner or root";
	case SHMBOX_EUNJUDGED: return "whether a process that may hold the lock is alive can't be told from here: it is in another pid or time namespace, or /proc is missing";
	case SHMBOX_ENOUNDO: return "the kernel refuses to undo semaphores when a process dies, which writers need: this sandbox lacks SEM_UNDO; what opens it for reading only works";
	case SHMBOX_EEXISTS: return "the key leads to a segment already, or the path to a file: open it";
	case SHMBOX_ENOFILE: return "the path leads to no ordinary file, or to a symbolic link, which could be led elsewhere at any time: name the file itself (`readlink -f`)";
	case SHMBOX_EFILESYSTEM: return "not every process would see the others' locks and stores on the file's file system: put it on a local one (ext4, xfs, btrfs, f2fs, zfs, bcachefs, tmpfs; `stat -f` shows which it is), or, on an overlay, let this process write it; to create one there, it must know O_TMPFILE: else let a Rust program do it";
	case SHMBOX_EEXPOSED: return "the file's mode lets others write it, and so cut it short, which would end each process that reads behind the cut (SIGBUS): if they may be trusted, say so with `mode` in shmbox_options, with their bits in it; else `chmod go-w` with its path";
	case SHMBOX_ENOTRESTORED: return "the value was left by an earlier start of the machine, or by the file that this one is a copy of: open it once for writing, which brings the newest durable value back; if that says so too, none is whole: restore the file from a backup that was made of a closed one, or remove it and create it anew";
	case SHMBOX_ENOPROC: return "a file needs /proc, which tells this start of the machine from the one before, and through which a file is opened once more: `mount -t proc proc /proc` inside the chroot or container";
	case SHMBOX_ETABLE: return "the segment holds a table of rows, and no single struct: open it with the `..._table_open` of a header that was generated by `CHeader::of::<T>().table()`";
	case SHMBOX_ENOTABLE: return "the segment holds a single struct, and no table of rows: open it with `..._open`";
	case SHMBOX_EFULL: return "each row of the table has an owner that lives: `..._table_rows` tells their pids; let one of them release its row, or make the table anew with more rows";
	case SHMBOX_ESTALE: return "the row has another owner by now, or none: look at the rows anew";
	default: return "not a code of shmbox";
	}
}

/* A test may define it, before the first include, to stop or kill the process at a named step. */
#ifndef SHMBOX_STOP
#define SHMBOX_STOP(step) ((void)0)
#endif

/* u128 and i128: two halves, so that 32-bit compilers have them too. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
typedef struct shmbox_u128 { uint64_t low; uint64_t high; } __attribute__((__aligned__(16))) shmbox_u128;
typedef struct shmbox_i128 { uint64_t low; int64_t high; } __attribute__((__aligned__(16))) shmbox_i128;
#else
typedef struct shmbox_u128 { uint64_t high; uint64_t low; } __attribute__((__aligned__(16))) shmbox_u128;
typedef struct shmbox_i128 { int64_t high; uint64_t low; } __attribute__((__aligned__(16))) shmbox_i128;
#endif

/* Bytes that came with a version of a struct, and their defaults. */
typedef struct shmbox_added {
	uint32_t since; /* 0: the end of the list */
	size_t offset, size;
	const unsigned char *bytes; /* NULL: zeros, or not known */
} shmbox_added;

/* What a generated header tells of its struct. */
typedef struct shmbox_type {
	uint64_t fingerprint;
	size_t size;
	uint32_t version, align;
	/* `first`: one that may begin a segment, so that no variant in it stands for others; NULL: every bit pattern is a value */
	int (*is_value)(const unsigned char *bytes, int first);
	void (*store)(unsigned char *to, const unsigned char *from); /* all but padding; NULL: there is none */
	const unsigned char *schema; /* the stored form */
	size_t schema_length;
	const shmbox_added *added; /* NULL: none */
	int defaults;              /* whether those are known; else earlier versions are not read */
} shmbox_type;

/* Whose segments are trusted: its owner can change, starve and remove it at any time. */
enum {
	SHMBOX_TRUST_SELF = 0, /* this process's effective user and root */
	SHMBOX_TRUST_USER = 1, /* these, and `user` */
	SHMBOX_TRUST_ANYBODY = 2
};

/* How to attach; all zeros is what `..._open` does. */
typedef struct shmbox_options {
	int read_only; /* asks for no right to write, never writes, and reads earlier versions of the struct too */
	int limit_ms;  /* how long to wait for others to get out of the way; 0 means 5000 */
	int trust;     /* SHMBOX_TRUST_... */
	uid_t user;
	int mode;      /* of a file: others than its owner may write it, as far as this has those bits, as 0660 has for the group */
} shmbox_options;

/*
 * A descriptor that holds a slot of a file. A child of a fork gives it up, since its copy would keep a dead parent alive.
 * `mark`, where its offset stands, tells it from what has its number once the program has closed all that it found.
 */
typedef struct shmbox_kept {
	int file; /* or SHMBOX_NO_FILE_, SHMBOX_TAKEN_ */
	long mark;
	struct shmbox_kept *next;
} shmbox_kept;

/*
 * A handle: one process's attachment to one segment. For one thread at a time; other threads open handles of their own.
 * Each handle that may write takes one of the segment's slots (248, unless more were asked for) when it is opened. Its
 * members are these functions' alone, save `error` and `limit_ms`.
 */
typedef struct shmbox {
	int error;              /* errno of the last SHMBOX_ESYSTEM */
	int limit_ms;           /* as in shmbox_options; may be changed at any time */
	const shmbox_type *type;
	unsigned char *base;    /* NULL: not open */
	unsigned char *control;
	size_t capacity, room;  /* bytes of each copy, of each schema room */
	size_t stored;          /* bytes of the value in the segment, which may have fields that this program does not know */
	uint32_t flags;
	uint32_t slots;         /* how many there are */
	uint32_t rows;          /* of a table: how many there are; else 0 */
	void (*on_slot)(struct shmbox *box, uint32_t slot, int event); /* of a handle for tables: see `claim`; else NULL */
	uint64_t unique;        /* tells the segment's creation from others of its id */
	uint64_t record;        /* what tells who claimed a slot; see `claim` */
	uint32_t state;         /* the state word for which the schema was checked */
	uint32_t version;       /* the schema version of the segment */
	uint32_t earlier;       /* the same, if that is before this struct's; else 0 */
	uint64_t awaited;       /* a version whose waiters are not woken yet; 0: none */
	uint32_t *alive;        /* on a page that the kernel wipes in a child; NULL: none was to be had */
	pid_t pid;
	int id, set;            /* ids of the segment and of its semaphore set; set is -1 before it was checked */
	uint32_t claim;         /* what the lock holds while this handle owns it; 0: no slot yet */
	int writable, held;
	int created;            /* whether this handle made the segment ready */
	int left;               /* the process has left the segment's IPC namespace: it does not write by this handle */
	int is_file;
	int file;               /* of a file: by what others are judged; as in shmbox_kept */
	long mark;
	shmbox_kept *kept;      /* of a file: what holds the slot; NULL: none */
	shmbox_kept *disk;      /* of a file: what goes to the disk, though the rights to open it are given up; NULL: none */
} shmbox;

/* ---- Words: where they are, and what they hold ---- */

enum {
	SHMBOX_CONTROL_ = 320, SHMBOX_MAGIC_ = 0, SHMBOX_FORMAT_ = 8, SHMBOX_FLAGS_ = 12, SHMBOX_CAPACITY_ = 16,
	SHMBOX_ROOM_ = 24, SHMBOX_UNIQUE_ = 32, SHMBOX_SLOTS_ = 40, SHMBOX_ROWS_ = 44, SHMBOX_SET_ = 64, SHMBOX_CLAIMS_ = 68,
	SHMBOX_REPLACED_ = 72, SHMBOX_DURABLE_ = 76, SHMBOX_LIFE_ = 80, SHMBOX_IDS_ = 88, SHMBOX_SEQ_ = 128, SHMBOX_STATE_ = 136,
	SHMBOX_RANGE_ = 144, SHMBOX_LOCK_ = 192, SHMBOX_AWAITED_ = 256
};
enum {
	SHMBOX_RAW_WRITERS_ = 1, SHMBOX_ALWAYS_NOTIFY_ = 2, SHMBOX_SNAPSHOTS_ = 4, SHMBOX_TABLE_ = 8, SHMBOX_FREE_ON_DEATH_ = 16,
	SHMBOX_COUNTERS_ = 32
};
enum { SHMBOX_NEWBORN_ = 0, SHMBOX_READY_ = 1, SHMBOX_REMOVED_ = 2, SHMBOX_ADOPTED_ = 4 };
enum { SHMBOX_MOST_SLOTS_ = 1022, SHMBOX_NEW_SLOTS_ = 248, SHMBOX_HELD_ = 1, SHMBOX_HELD_BY_PARENT_ = 2 };
enum { SHMBOX_MOST_ROWS_ = 1 << 20, SHMBOX_ROW_WORDS_ = 64 };
/* What befalls a slot: this handle has claimed it, has succeeded this process before an exec there, or is about to give it back; or all
 * of them: the table was left by another life. */
enum { SHMBOX_CLAIMED_, SHMBOX_SUCCEEDED_, SHMBOX_RETURNED_, SHMBOX_FORGOTTEN_ };
enum { SHMBOX_ROOM_HEADER_ = 32, SHMBOX_MAX_SCHEMA_ = 1 << 20, SHMBOX_TRIES_ = 64, SHMBOX_SPINS_ = 100 };
#define SHMBOX_WAITERS_ UINT32_C(0x80000000)
#define SHMBOX_MS_ INT64_C(1000000)

/* The words of a segment: aligned on every target (i386 aligns uint64_t to 4), whatever type the bytes had. */
typedef uint32_t __attribute__((__may_alias__)) shmbox_u32_;
typedef uint64_t __attribute__((__may_alias__, __aligned__(8))) shmbox_u64_;
typedef size_t __attribute__((__may_alias__)) shmbox_word_;

static inline shmbox_u32_ *shmbox_u32_at_(const shmbox *box, size_t offset)
{
	void *const place = box->control + offset;

	return SHMBOX_POINTER_(shmbox_u32_ *, place);
}

static inline shmbox_u64_ *shmbox_u64_at_(const shmbox *box, size_t offset)
{
	void *const place = box->control + offset;

	return SHMBOX_POINTER_(shmbox_u64_ *, place);
}

/* Readers use relaxed loads and fences, never a load that a target may make of a compare-exchange: their page may be
 * read-only. */
static inline uint32_t shmbox_get32_(const shmbox *box, size_t offset)
{
	return __atomic_load_n(shmbox_u32_at_(box, offset), __ATOMIC_RELAXED);
}

static inline uint64_t shmbox_get64_(const shmbox *box, size_t offset)
{
	return __atomic_load_n(shmbox_u64_at_(box, offset), __ATOMIC_RELAXED);
}

static inline void shmbox_put32_(const shmbox *box, size_t offset, uint32_t word)
{
	__atomic_store_n(shmbox_u32_at_(box, offset), word, __ATOMIC_RELAXED);
}

static inline void shmbox_put64_(const shmbox *box, size_t offset, uint64_t word)
{
	__atomic_store_n(shmbox_u64_at_(box, offset), word, __ATOMIC_RELAXED);
}

static inline int shmbox_exchange32_(const shmbox *box, size_t offset, uint32_t *expected, uint32_t wanted, int order)
{
	return __atomic_compare_exchange_n(shmbox_u32_at_(box, offset), expected, wanted, 0, order, __ATOMIC_RELAXED);
}

/* ---- Copies ---- */

/* Others may write to a segment at any time, so each access is atomic; what a copy is worth, the sequence says. */

static inline size_t shmbox_load_word_(const void *from)
{
	return __atomic_load_n(SHMBOX_POINTER_(const shmbox_word_ *, from), __ATOMIC_RELAXED);
}

static inline void shmbox_store_word_(void *to, size_t word)
{
	__atomic_store_n(SHMBOX_POINTER_(shmbox_word_ *, to), word, __ATOMIC_RELAXED);
}

static inline void shmbox_load_bytes_(unsigned char *to, const unsigned char *from, size_t length)
{
	for (; length > 0 && SHMBOX_BITS_(uintptr_t, from) % sizeof(shmbox_word_) != 0; length--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
	for (; length >= sizeof(shmbox_word_); length -= sizeof(shmbox_word_)) {
		size_t const word = shmbox_load_word_(from);

		memcpy(to, &word, sizeof word);
		to += sizeof word;
		from += sizeof word;
	}
	for (; length > 0; length--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}

static inline void shmbox_store_bytes_(unsigned char *to, const unsigned char *from, size_t length)
{
	for (; length > 0 && SHMBOX_BITS_(uintptr_t, to) % sizeof(shmbox_word_) != 0; length--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
	for (; length >= sizeof(shmbox_word_); length -= sizeof(shmbox_word_)) {
		size_t word;

		memcpy(&word, from, sizeof word);
		shmbox_store_word_(to, word);
		to += sizeof word;
		from += sizeof word;
	}
	for (; length > 0; length--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
}

/* From one copy of the payload to another: both begin on multiples of 64. */
static inline void shmbox_copy_within_(unsigned char *to, const unsigned char *from, size_t length)
{
	size_t at = 0;

	for (; at + sizeof(shmbox_word_) <= length; at += sizeof(shmbox_word_))
		shmbox_store_word_(to + at, shmbox_load_word_(from + at));
	for (; at < length; at++)
		__atomic_store_n(to + at, __atomic_load_n(from + at, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* The copies of one value, and the words that say which of them is whole. */
typedef struct shmbox_copies_ {
	unsigned char *payload;
	size_t step; /* from there to mirror 0, and on to mirror 1 */
	shmbox_u64_ *seq, *range;
	uint32_t has; /* of a row: the schema version whose fields it has; else 0: all of the segment's */
} shmbox_copies_;

/* From one part of the segment with values to the next: a table has all rows in each, and behind them the template. */
static inline size_t shmbox_step_(const shmbox *box)
{
	return box->capacity * (SHMBOX_TO_(size_t, box->rows) + 1);
}

/* Where the schema rooms begin: behind the copies, and behind the bases of a table with counters. */
static inline size_t shmbox_rooms_at_(const shmbox *box)
{
	return shmbox_step_(box) * ((box->flags & SHMBOX_COUNTERS_) != 0 ? 4 : 3);
}

/* Those of the value; of a table, of the template. */
static inline shmbox_copies_ shmbox_copies_of_(const shmbox *box)
{
	shmbox_copies_ copies;

	copies.step = shmbox_step_(box);
	copies.payload = box->base + copies.step - box->capacity;
	copies.seq = shmbox_u64_at_(box, SHMBOX_SEQ_);
	copies.range = shmbox_u64_at_(box, SHMBOX_RANGE_);
	copies.has = 0;
	return copies;
}

static inline unsigned char *shmbox_mirror_(const shmbox_copies_ *copies, uint64_t version)
{
	return copies->payload + copies->step * SHMBOX_TO_(size_t, 1 + version % 2);
}

/* ---- System calls ---- */

/* 32-bit targets of late have the calls with 64-bit times alone. */
#ifdef SYS_futex
#define SHMBOX_FUTEX_ SYS_futex
#define SHMBOX_CLOCK_ SYS_clock_gettime
typedef long shmbox_kernel_time_;
#else
#define SHMBOX_FUTEX_ SYS_futex_time64
#define SHMBOX_CLOCK_ SYS_clock_gettime64
typedef int64_t shmbox_kernel_time_;
#endif

/* The kernel's struct, which has another size than libc's where time_t was widened. */
typedef struct shmbox_time_ {
	shmbox_kernel_time_ seconds, nanoseconds;
} shmbox_time_;

static inline int shmbox_failed_(shmbox *box)
{
	box->error = errno;
	return SHMBOX_ESYSTEM;
}

/* Nanoseconds of the monotonic clock. */
static inline int64_t shmbox_now_(void)
{
	shmbox_time_ now;

	syscall(SHMBOX_CLOCK_, 1 /* CLOCK_MONOTONIC */, &now);
	return SHMBOX_TO_(int64_t, now.seconds) * 1000 * SHMBOX_MS_ + SHMBOX_TO_(int64_t, now.nanoseconds);
}

/* A number that no other creation or descriptor has. */
static inline uint64_t shmbox_random_(const shmbox *box)
{
	uint64_t number = SHMBOX_TO_(uint64_t, shmbox_now_()) ^ SHMBOX_TO_(uint64_t, box->pid) << 40;

#ifdef SYS_getrandom
	syscall(SYS_getrandom, &number, sizeof number, 1 /* GRND_NONBLOCK */);
#endif
	return number;
}

static inline int64_t shmbox_limit_(const shmbox *box)
{
	return (box->limit_ms > 0 ? box->limit_ms : 5000) * SHMBOX_MS_;
}

/* Sleeps until woken, for `nap` nanoseconds at most, or not at all if the word is another one. */
static inline void shmbox_sleep_(const void *word, uint32_t expected, int64_t nap)
{
	shmbox_time_ time;

	time.seconds = SHMBOX_TO_(shmbox_kernel_time_, nap / (1000 * SHMBOX_MS_));
	time.nanoseconds = SHMBOX_TO_(shmbox_kernel_time_, nap % (1000 * SHMBOX_MS_));
	syscall(SHMBOX_FUTEX_, word, 0 /* FUTEX_WAIT */, expected, &time, SHMBOX_NULL_, 0);
}

static inline void shmbox_rest_a_millisecond_(void)
{
	uint32_t const unwoken = 0;

	shmbox_sleep_(&unwoken, 0, SHMBOX_MS_);
}

static inline int shmbox_advise_(void *from, size_t length, int advice)
{
	return syscall(SYS_madvise, from, length, advice) == 0 ? 0 : -1;
}

static inline void shmbox_wake_(const void *word, int count)
{
	syscall(SHMBOX_FUTEX_, word, 1 /* FUTEX_WAKE */, count, SHMBOX_NULL_, SHMBOX_NULL_, 0);
}

/* A full barrier on every thread of every process that asked for them; 0 if the kernel can't. */
static inline int shmbox_barrier_everywhere_(void)
{
#ifdef SYS_membarrier
	return syscall(SYS_membarrier, 2 /* MEMBARRIER_CMD_GLOBAL_EXPEDITED */, 0, 0) == 0;
#else
	return 0;
#endif
}

static inline int shmbox_semctl_(int set, uint32_t index, int command, void *facts)
{
	union { int value; void *facts; } argument;

	argument.facts = facts;
	return semctl(set, SHMBOX_TO_(int, index), command, argument);
}

/* Whether a call failed because what it named has been removed. */
static inline int shmbox_is_gone_(void)
{
	return errno == EINVAL || errno == EIDRM;
}

/* ---- Stored forms of schemas, side by side ---- */

/* Whether a newer one is an older one and what was added since. What comes from a segment may be any bytes: each step takes
 * at least one of them, and types nest at most 32 deep. */

typedef struct shmbox_form_ {
	const unsigned char *at, *end;
	int wrong; /* set for good where more is asked for than there is */
} shmbox_form_;

/* The next `length` bytes; zeros where the form has ended. */
static inline const unsigned char *shmbox_take_(shmbox_form_ *form, size_t length)
{
	static const unsigned char zeros[256] = { 0 };
	const unsigned char *const at = form->at;

	if (form->wrong || SHMBOX_TO_(size_t, form->end - at) < length) {
		form->wrong = 1;
		return zeros;
	}
	form->at += length;
	return at;
}

/* The next integer: little-endian on every machine. */
static inline uint64_t shmbox_number_(shmbox_form_ *form, size_t bytes)
{
	const unsigned char *const at = shmbox_take_(form, bytes);
	uint64_t number = 0;

	while (bytes-- > 0)
		number = number << 8 | at[bytes];
	return number;
}

/* A name, with the byte for its length in front. */
static inline const unsigned char *shmbox_name_(shmbox_form_ *form)
{
	const unsigned char *const length = shmbox_take_(form, 1);

	shmbox_take_(form, *length);
	return form->wrong ? shmbox_take_(form, 1) : length;
}

static inline int shmbox_same_number_(shmbox_form_ *a, shmbox_form_ *b, size_t bytes)
{
	return shmbox_number_(a, bytes) == shmbox_number_(b, bytes);
}

static inline int shmbox_same_name_(const unsigned char *a, const unsigned char *b)
{
	/* The lengths first: behind the shorter one there may be nothing to look at. */
	return *a == *b && memcmp(a + 1, b + 1, *a) == 0;
}

/* What stands behind a field's type: since when it exists, and whether it once was called `name`. */
static inline uint32_t shmbox_history_(shmbox_form_ *form, const unsigned char *name, int *was)
{
	uint32_t const since = SHMBOX_TO_(uint32_t, shmbox_number_(form, 4));
	uint64_t count = shmbox_number_(form, 1);

	while (count-- > 0) {
		const unsigned char *const former = shmbox_name_(form);

		if (!form->wrong && name != SHMBOX_NULL_ && shmbox_same_name_(former, name))
			*was = 1;
	}
	return since;
}

/* Whether the older variants are all there, in their order, perhaps between others. */
static inline int shmbox_same_variants_(shmbox_form_ *newer, shmbox_form_ *older)
{
	uint64_t left, wanted;
	uint64_t newer_integer, older_integer;

	shmbox_name_(newer);
	shmbox_name_(older);
	/* Bit 7: which variant unknown numbers read as follows, and says nothing of the bytes. */
	newer_integer = shmbox_number_(newer, 1);
	older_integer = shmbox_number_(older, 1);
	if ((newer_integer & 0x7f) != (older_integer & 0x7f))
		return 0;
	left = shmbox_number_(newer, 8);
	wanted = shmbox_number_(older, 8);
	for (; wanted > 0 && !older->wrong; wanted--) {
		const unsigned char *const name = shmbox_name_(older);
		const unsigned char *const value = shmbox_take_(older, 16);

		for (;; left--) {
			const unsigned char *const candidate = shmbox_name_(newer);
			const unsigned char *const its_value = shmbox_take_(newer, 16);

			if (left == 0 || newer->wrong || older->wrong)
				return 0;
			if (shmbox_same_name_(candidate, name)) {
				if (memcmp(its_value, value, 16) != 0)
					return 0;
				left--;
				break;
			}
		}
	}
	for (; left > 0 && !newer->wrong; left--) {
		shmbox_name_(newer);
		shmbox_take_(newer, 16);
	}
	if (newer_integer & 0x80)
		shmbox_take_(newer, 8);
	if (older_integer & 0x80)
		shmbox_take_(older, 8);
	return 1;
}

static inline int shmbox_same_type_(shmbox_form_ *newer, shmbox_form_ *older, int depth);

/* Whether the next field of the older struct is the next one of the newer. `since`: of the newer. */
static inline int shmbox_same_field_(shmbox_form_ *newer, shmbox_form_ *older, int depth, uint32_t *since)
{
	const unsigned char *const name = shmbox_name_(older);
	int named = shmbox_same_name_(shmbox_name_(newer), name);

	if (!shmbox_same_number_(newer, older, 8) || !shmbox_same_type_(newer, older, depth))
		return 0;
	*since = shmbox_history_(newer, name, &named);
	shmbox_history_(older, SHMBOX_NULL_, SHMBOX_NULL_);
	return named && !newer->wrong && !older->wrong;
}

/* Whether bytes of the older type are one of the newer type: structs inside have not grown. */
static inline int shmbox_same_type_(shmbox_form_ *newer, shmbox_form_ *older, int depth)
{
	uint64_t const tag = shmbox_number_(newer, 1);
	uint64_t count;
	uint32_t since;

	if (depth == 0 || tag != shmbox_number_(older, 1) || newer->wrong || older->wrong)
		return 0;
	switch (tag) {
	case 0x20: /* array */
		return shmbox_same_number_(newer, older, 8) && shmbox_same_type_(newer, older, depth - 1);
	case 0x21: /* text */
		return shmbox_same_number_(newer, older, 8);
	case 0x22: /* struct */
		shmbox_name_(newer);
		shmbox_name_(older);
		if (shmbox_number_(newer, 4) < shmbox_number_(older, 4) || !shmbox_same_number_(newer, older, 8))
			return 0;
		/* The alignments may differ: between a 32-bit and a 64-bit program. */
		shmbox_take_(newer, 8);
		shmbox_take_(older, 8);
		count = shmbox_number_(newer, 8);
		if (count != shmbox_number_(older, 8))
			return 0;
		for (; count > 0; count--)
			if (!shmbox_same_field_(newer, older, depth - 1, &since))
				return 0;
		return 1;
	case 0x23: /* enum */
		return shmbox_same_variants_(newer, older);
	case 0x25: /* opaque bytes */
		if (!shmbox_same_number_(newer, older, 8))
			return 0;
		shmbox_take_(newer, 8);
		shmbox_take_(older, 8);
		return 1;
	case 0x24: /* vector */
		return shmbox_same_number_(newer, older, 8) && shmbox_same_number_(newer, older, 8) &&
			shmbox_same_type_(newer, older, depth - 1);
	default:
		return tag >= 1 && tag <= 24;
	}
}

/* Whether the struct of the newer form has all fields of the older one where they were, and says of all others that they
 * came later. */
static inline int shmbox_extends_(shmbox_form_ newer, shmbox_form_ older)
{
	/* Form 1, one byte order, and a struct on both sides. */
	const unsigned char *const head = shmbox_take_(&newer, 3);
	uint64_t newer_count, older_count, newer_version, older_version;
	uint32_t since;

	if (memcmp(head, shmbox_take_(&older, 3), 3) != 0 || head[0] != 1 || head[2] != 0x22)
		return 0;
	shmbox_name_(&newer);
	shmbox_name_(&older);
	newer_version = shmbox_number_(&newer, 4);
	older_version = shmbox_number_(&older, 4);
	if (newer_version <= older_version || shmbox_number_(&newer, 8) < shmbox_number_(&older, 8))
		return 0;
	shmbox_take_(&newer, 8);
	shmbox_take_(&older, 8);
	newer_count = shmbox_number_(&newer, 8);
	older_count = shmbox_number_(&older, 8);
	if (newer_count < older_count)
		return 0;
	for (; older_count > 0; older_count--, newer_count--)
		if (!shmbox_same_field_(&newer, &older, 31, &since) || since > older_version)
			return 0;
	if (older.wrong || older.at != older.end)
		return 0;
	for (; newer_count > 0; newer_count--) {
		shmbox_name_(&newer);
		shmbox_take_(&newer, 8);
		/* A type is its own equal: this goes past it. */
		older = newer;
		if (!shmbox_same_type_(&newer, &older, 31) ||
		    shmbox_history_(&newer, SHMBOX_NULL_, SHMBOX_NULL_) <= older_version || newer.wrong)
			return 0;
	}
	return !newer.wrong && newer.at == newer.end;
}

/* ---- State and schema ---- */

/* The half of the sequence that changes with each store: a futex has 32 bits. */
static inline const void *shmbox_seq_low_(const shmbox *box)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return box->control + SHMBOX_SEQ_;
#else
	return box->control + SHMBOX_SEQ_ + 4;
#endif
}

static inline void shmbox_wake_waiters_(const shmbox *box)
{
	shmbox_wake_(shmbox_seq_low_(box), INT_MAX);
}

/* Copies the beginning of the schema room that `state` names. 0: the state is another one by now, and the copy may be of
 * anything. */
static inline int shmbox_read_room_(const shmbox *box, uint32_t state, void *to, size_t length)
{
	const unsigned char *room = box->base + shmbox_rooms_at_(box) + box->room * (state >> 8 & 1);

	shmbox_load_bytes_(SHMBOX_POINTER_(unsigned char *, to), room, length < box->room ? length : box->room);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return shmbox_get32_(box, SHMBOX_STATE_) == state;
}

/* What a state that is not "ready" means. */
static inline int shmbox_life_(uint32_t state)
{
	switch (state & 0xff) {
	case SHMBOX_READY_: return 0;
	case SHMBOX_REMOVED_: return SHMBOX_EREMOVED;
	default: return SHMBOX_EDAMAGED;
	}
}

static inline int shmbox_is_removed_(const shmbox *box)
{
	return shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_)) == SHMBOX_EREMOVED;
}

/* Whether a program of this header may use a segment with this schema, which is another one than its own. `earlier`: the
 * version of the schema, if this program is to read it with defaults for what it lacks. */
static inline int shmbox_compare_(const shmbox *box, const unsigned char *room, size_t read, uint32_t *earlier)
{
	const shmbox_type *const type = box->type;
	shmbox_form_ mine, theirs;
	uint64_t header[4];

	memcpy(header, room, sizeof header);
	if (header[2] > read - sizeof header || header[1] == 0 || header[1] > box->capacity)
		return SHMBOX_EDAMAGED;
	mine.at = type->schema;
	mine.end = type->schema + type->schema_length;
	theirs.at = room + sizeof header;
	theirs.end = theirs.at + header[2];
	mine.wrong = theirs.wrong = 0;
	if (shmbox_extends_(theirs, mine))
		return header[1] >= type->size ? 0 : SHMBOX_EDAMAGED;
	if (!shmbox_extends_(mine, theirs))
		return SHMBOX_EMISMATCH;
	if (box->writable || !type->defaults)
		return SHMBOX_ENEEDSUPGRADE;
	shmbox_take_(&theirs, 3);
	shmbox_name_(&theirs);
	*earlier = SHMBOX_TO_(uint32_t, shmbox_number_(&theirs, 4));
	return 0;
}

/* Checks the schema in force: at the first attach, and again when another one is in force. */
static inline int shmbox_check_schema_(shmbox *box)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(box);

	do {
		uint32_t const state = shmbox_get32_(box, SHMBOX_STATE_);
		uint64_t header[4];
		uint32_t earlier = 0;
		unsigned char *room;
		size_t length;
		int code = shmbox_life_(state), unchanged;

		if (code != 0)
			return code;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!shmbox_read_room_(box, state, header, sizeof header))
			continue;
		if (header[0] != box->type->fingerprint || header[1] != box->type->size || header[1] > box->capacity) {
			/* No more than a schema can take, whatever room there is. */
			length = SHMBOX_ROOM_HEADER_ + SHMBOX_MAX_SCHEMA_;
			if (length > box->room)
				length = box->room;
			room = SHMBOX_POINTER_(unsigned char *, malloc(length));
			if (room == SHMBOX_NULL_)
				return shmbox_failed_(box);
			unchanged = shmbox_read_room_(box, state, room, length);
			if (unchanged) {
				memcpy(header, room, sizeof header);
				code = shmbox_compare_(box, room, length, &earlier);
			}
			free(room);
			if (!unchanged)
				continue;
			if (code != 0)
				return code;
		}
		box->stored = SHMBOX_TO_(size_t, header[1]);
		/* The first half of the word, whatever the byte order. */
		memcpy(&box->version, &header[3], sizeof box->version);
		box->earlier = earlier;
		box->state = state;
		return 0;
	} while (shmbox_now_() < end);
	return SHMBOX_EOVERTAKEN;
}

static inline int shmbox_check_(shmbox *box)
{
	if (shmbox_get32_(box, SHMBOX_STATE_) == box->state)
		return 0;
	return shmbox_check_schema_(box);
}

static inline int shmbox_is_open_(const shmbox *box, const shmbox_type *type)
{
	return box->base != SHMBOX_NULL_ && box->type->fingerprint == type->fingerprint;
}

/* ---- Repair: what an owner of the lock that died left ---- */

/* How many bytes a value has in the schema in force, which this process need not know yet; the whole capacity if that says
 * more. */
static inline size_t shmbox_length_in_force_(const shmbox *box, uint32_t state)
{
	uint64_t header[4];

	return shmbox_read_room_(box, state, header, sizeof header) && header[1] < box->capacity ? SHMBOX_TO_(size_t, header[1])
												  : box->capacity;
}

/* The same as `shmbox_copy_within_`, without the words that are not 0 in a mask, unless that is NULL. */
static inline void shmbox_copy_around_(unsigned char *to, const unsigned char *from, size_t length, const unsigned char *mask)
{
	size_t at, from_here = 0;

	for (at = 0; mask != SHMBOX_NULL_ && at < length; at += 8) {
		const void *const word = mask + at;

		if (__atomic_load_n(SHMBOX_POINTER_(const shmbox_u64_ *, word), __ATOMIC_RELAXED) == 0)
			continue;
		shmbox_copy_within_(to + from_here, from + from_here, at - from_here);
		from_here = at + 8;
	}
	if (from_here < length)
		shmbox_copy_within_(to + from_here, from + from_here, length - from_here);
}

/* Makes copies whole, but for what the mask says. May itself be cut short, and done again. */
static inline void shmbox_make_whole_(const shmbox_copies_ *copies, size_t length, const unsigned char *mask)
{
	uint64_t const seq = __atomic_load_n(copies->seq, __ATOMIC_RELAXED);
	uint64_t const version = seq / 2 + seq % 2;

	/* A reader that sees one of the stores below must also see the dead writer's sequence. */
	__atomic_thread_fence(__ATOMIC_ACQ_REL);
	SHMBOX_STOP("repair: begun");
	if (seq % 2 != 0) {
		shmbox_copy_around_(copies->payload, shmbox_mirror_(copies, seq / 2), length, mask);
		SHMBOX_STOP("repair: payload restored");
		__atomic_store_n(copies->seq, seq + 1, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_RELEASE);
	}
	shmbox_copy_within_(shmbox_mirror_(copies, version), copies->payload, length);
	SHMBOX_STOP("repair: done");
}

static inline void shmbox_repair_(shmbox *box)
{
	uint32_t const state = shmbox_get32_(box, SHMBOX_STATE_);
	shmbox_copies_ const copies = shmbox_copies_of_(box);

	if (shmbox_life_(state) != 0)
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	shmbox_make_whole_(&copies, shmbox_length_in_force_(box, state), SHMBOX_NULL_);
	shmbox_put64_(box, SHMBOX_RANGE_, 0);
	shmbox_wake_waiters_(box);
}

static inline void shmbox_release_(shmbox *box)
{
	uint32_t expected = box->claim;

	SHMBOX_STOP("unlock: begun");
	if (shmbox_exchange32_(box, SHMBOX_LOCK_, &expected, 0, __ATOMIC_SEQ_CST))
		return;
	SHMBOX_STOP("unlock: sleepers");
	/* Any other word is not this claim's: a peer tampered with the semaphores and took the lock from the living. */
	expected = box->claim | SHMBOX_WAITERS_;
	if (shmbox_exchange32_(box, SHMBOX_LOCK_, &expected, 0, __ATOMIC_SEQ_CST))
		shmbox_wake_(box->control + SHMBOX_LOCK_, 1);
}

/* ---- Processes: what the kernel says of them ---- */

/* Who is alive: for each slot a semaphore, which the kernel undoes when its claimant dies, and a record of who that is. A
 * claimant is dead only if no witness says that it lives: see "Slots", "Records" and "Verdict" of FORMAT.md. */

/* How closely to look at an owner whose semaphore says that it lives: it may be in its exit, and a peer may have set the
 * semaphore of a dead one. */
enum { SHMBOX_SHORT_, SHMBOX_LONG_, SHMBOX_LAST_ };

/* Each answer that may err errs towards alive. Nothing here allocates. */

typedef struct shmbox_path_ {
	char text[80];
	size_t length;
} shmbox_path_;

static inline void shmbox_add_(shmbox_path_ *path, const char *text)
{
	for (; *text != 0 && path->length + 1 < sizeof path->text; text++)
		path->text[path->length++] = *text;
	path->text[path->length] = 0;
}

static inline void shmbox_add_number_(shmbox_path_ *path, uint32_t number)
{
	char digit[2] = { 0, 0 };

	if (number > 9)
		shmbox_add_number_(path, number / 10);
	digit[0] = "0123456789"[number % 10];
	shmbox_add_(path, digit);
}

static inline shmbox_path_ shmbox_path_with_(const char *before, uint32_t number, const char *behind)
{
	shmbox_path_ path;

	path.length = 0;
	shmbox_add_(&path, before);
	shmbox_add_number_(&path, number);
	shmbox_add_(&path, behind);
	return path;
}

/* /proc/PID and what follows it. */
static inline shmbox_path_ shmbox_proc_(uint32_t pid, const char *rest)
{
	return shmbox_path_with_("/proc/", pid, rest);
}

/* What leads to an open file once more. */
static inline shmbox_path_ shmbox_path_to_(int file)
{
	return shmbox_path_with_("/proc/thread-self/fd/", SHMBOX_TO_(uint32_t, file), "");
}

/* open(2) without <fcntl.h>, which has macros with names of fields. */
static inline int shmbox_open_for_(const char *path, int access)
{
	return SHMBOX_TO_(int, syscall(SYS_openat, -100 /* AT_FDCWD */, path,
				       access | 02004000 /* O_CLOEXEC, and O_NONBLOCK for FIFOs */, 0600));
}

static inline int shmbox_open_file_(const char *path)
{
	return shmbox_open_for_(path, 0 /* O_RDONLY */);
}

/* The flags of a process or thread, and when it started in clock ticks since boot: fields 9 and 22 of its file `stat`. 0 if
 * that can't be read. */
static inline int shmbox_read_stat_(const char *path, uint64_t *flags, uint64_t *start)
{
	char line[1024];
	const char *at;
	int const file = shmbox_open_file_(path);
	int field;
	ssize_t length;

	if (file < 0)
		return 0;
	length = read(file, line, sizeof line - 1);
	close(file);
	if (length <= 0)
		return 0;
	line[length] = 0;
	/* The second field is the program's name in brackets, and may have brackets in it. */
	at = strrchr(line, ')');
	for (field = 3; field <= 22 && at != SHMBOX_NULL_; field++) {
		at = strchr(at, ' ');
		if (at != SHMBOX_NULL_)
			at++;
		if (at != SHMBOX_NULL_ && field == 9)
			*flags = strtoull(at, SHMBOX_NULL_, 10);
		if (at != SHMBOX_NULL_ && field == 22)
			*start = strtoull(at, SHMBOX_NULL_, 10);
	}
	return at != SHMBOX_NULL_;
}

/* Whether each thread of a process has PF_EXITING, and so runs no instruction of its program any more. */
static inline int shmbox_exits_once_(uint32_t pid)
{
	shmbox_path_ const threads = shmbox_proc_(pid, "/task");
	uint64_t entries[128];
	const char *const bytes = SHMBOX_POINTER_(const char *, SHMBOX_POINTER_(const void *, entries));
	int const directory = shmbox_open_file_(threads.text);
	int exits = 1, any = 0;
	long length;

	if (directory < 0)
		return 0;
	while (exits && (length = syscall(SYS_getdents64, directory, entries, sizeof entries)) != 0) {
		long at;
		unsigned short step;

		/* getdents64(2): the length of an entry is at 16, its name at 19. */
		for (at = 0; exits && at < length; at += step) {
			shmbox_path_ path = threads;
			uint64_t flags = 0, start = 0;

			memcpy(&step, bytes + at + 16, sizeof step);
			if (bytes[at + 19] == '.')
				continue;
			shmbox_add_(&path, "/");
			shmbox_add_(&path, bytes + at + 19);
			shmbox_add_(&path, "/stat");
			/* One that can't be read may be one that has ended, or one that may not be read. */
			exits = shmbox_read_stat_(path.text, &flags, &start) && (flags & 4 /* PF_EXITING */) != 0;
			any = 1;
		}
		if (length < 0)
			exits = 0;
	}
	close(directory);
	return exits && any;
}

/* Twice: a thread that began behind the first walk was begun by one that the first walk found running. */
static inline int shmbox_exits_(uint32_t pid)
{
	return shmbox_exits_once_(pid) && shmbox_exits_once_(pid);
}

/* Whether a process has ended, though its parent has not waited for it: its pidfd is readable. */
static inline int shmbox_has_ended_(uint32_t pid)
{
#ifdef SYS_pidfd_open
	long const open_call = SYS_pidfd_open;
#else
	long const open_call = 434;
#endif
#ifdef SYS_ppoll
	long const poll_call = SYS_ppoll;
#else
	long const poll_call = SYS_ppoll_time64;
#endif
	struct { int file; short events, found; } watched;
	int64_t const at_once[2] = { 0, 0 };
	int ended;

	watched.file = SHMBOX_TO_(int, syscall(open_call, SHMBOX_TO_(long, pid), 0));
	watched.events = 1 /* POLLIN */;
	watched.found = 0;
	if (watched.file < 0)
		return 0;
	ended = syscall(poll_call, &watched, 1, at_once, SHMBOX_NULL_, 0) == 1 && (watched.found & 1) != 0;
	close(watched.file);
	return ended;
}

/* Makes all that a process stored before it was seen to be gone seen here. x86 keeps stores in order. */
static inline int shmbox_sees_stores_(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return 1;
#elif defined(SYS_membarrier)
	return syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0) == 0;
#else
	return 0;
#endif
}

/* ---- Records ---- */

static inline uint32_t shmbox_record_pid_(uint64_t record)
{
	return SHMBOX_TO_(uint32_t, record & 0x3fffff);
}

/* The bytes at AT_RANDOM that a process keeps until exec: the first is in the claim's word, the second in the record. */
static inline uint32_t shmbox_image_(int which)
{
	const unsigned char *const random = SHMBOX_BITS_(const unsigned char *, getauxval(25 /* AT_RANDOM */));

	return random == SHMBOX_NULL_ ? 0 : random[which];
}

/* The number in the target of a link, such as "pid:[4026531836]"; 0 if there is none. */
static inline uint64_t shmbox_link_(const char *path)
{
	char target[64];
	long const length = syscall(SYS_readlinkat, -100 /* AT_FDCWD */, path, target, sizeof target - 1);
	const char *at = target;

	if (length <= 0)
		return 0;
	target[length] = 0;
	while (*at != 0 && (*at < '0' || *at > '9'))
		at++;
	return strtoull(at, SHMBOX_NULL_, 10);
}

/* This process's record. Some 20 us. Its namespaces are asked of this thread: a leading one that has ended shows none. */
static inline uint64_t shmbox_make_record_(const shmbox *box)
{
	uint64_t const record = (SHMBOX_TO_(uint64_t, box->pid) & 0x3fffff) | SHMBOX_TO_(uint64_t, shmbox_image_(1)) << 56;
	uint64_t const pids = shmbox_link_("/proc/thread-self/ns/pid");
	uint32_t const own = SHMBOX_TO_(uint32_t, shmbox_link_("/proc/self"));
	shmbox_path_ path = shmbox_proc_(own, "/task/");
	uint64_t flags = 0, start = 0, space;

	/* The leading thread's: in the place of /proc/self/stat an emulator (qemu-user) shows another. */
	shmbox_add_number_(&path, own);
	shmbox_add_(&path, "/stat");
	/* Without /proc it is not comparable. */
	if (pids == 0 || !shmbox_read_stat_(path.text, &flags, &start))
		return record;
	space = (pids + 61 * shmbox_link_("/proc/thread-self/ns/time")) & 0xfff;
	return record | (start & 0x3fffff) << 22 | (space == 0 ? 1 : space) << 44;
}

/* A record for each slot, in whole lines of 64 bytes. */
static inline size_t shmbox_records_size_(uint32_t slots)
{
	return SHMBOX_TO_(size_t, slots + 7) / 8 * 64;
}

static inline shmbox_u64_ *shmbox_record_at_(const shmbox *box, uint32_t slot)
{
	void *const place = box->control - shmbox_records_size_(box->slots) + SHMBOX_TO_(size_t, slot) * 8;

	return SHMBOX_POINTER_(shmbox_u64_ *, place);
}

static inline uint64_t shmbox_get_record_(const shmbox *box, uint32_t slot)
{
	return __atomic_load_n(shmbox_record_at_(box, slot), __ATOMIC_ACQUIRE);
}

static inline int shmbox_exchange_record_(const shmbox *box, uint32_t slot, uint64_t seen, uint64_t wanted)
{
	return __atomic_compare_exchange_n(shmbox_record_at_(box, slot), &seen, wanted, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Whether pid and start mean here what they meant to the claimant. */
static inline int shmbox_is_comparable_(const shmbox *box, uint64_t record)
{
	return (record >> 44 & 0xfff) != 0 && ((record ^ box->record) >> 44 & 0xfff) == 0;
}

/* Whether this very process made it, in this program or before an exec. */
static inline int shmbox_is_mine_(const shmbox *box, uint64_t record)
{
	return shmbox_is_comparable_(box, record) && (record ^ box->record) << 8 == 0;
}

/* Whether /proc is that of this process's pid namespace: where it is an outer one's, pids lead to other processes. */
static inline int shmbox_knows_proc_(const shmbox *box)
{
	return shmbox_link_("/proc/self") == SHMBOX_TO_(uint64_t, box->pid);
}

/* Whether the process of this pid started when the claimant did: 1, 0, or -1 if it can't be told. */
static inline int shmbox_started_with_(uint64_t record, uint32_t pid)
{
	shmbox_path_ const path = shmbox_proc_(pid, "/stat");
	uint64_t flags = 0, start = 0;

	if (pid == 0 || !shmbox_read_stat_(path.text, &flags, &start))
		return -1;
	return (start & 0x3fffff) == (record >> 22 & 0x3fffff);
}

/* Whether the claimant has ended, or runs nothing of its program any more. 1 is for good. */
static inline int shmbox_claimant_is_gone_(const shmbox *box, uint64_t record)
{
	uint32_t const pid = shmbox_record_pid_(record);

	if (record == 0)
		return 1;
	if (!shmbox_is_comparable_(box, record) || shmbox_is_mine_(box, record) || pid == 0)
		return 0;
	return ((syscall(SYS_kill, SHMBOX_TO_(long, pid), 0) != 0 && errno == ESRCH) || shmbox_has_ended_(pid) ||
		(shmbox_knows_proc_(box) && (shmbox_started_with_(record, pid) == 0 || shmbox_exits_(pid)))) &&
		shmbox_sees_stores_();
}

/* ---- Files: what semaphores are to a segment, locks on its bytes are to a file ---- */

#define SHMBOX_LIFE_BYTE_ (INT64_C(1) << 32)
#define SHMBOX_DISK_BYTE_ (SHMBOX_LIFE_BYTE_ + 1)
#define SHMBOX_NAME_BYTE_ (SHMBOX_LIFE_BYTE_ + 2)
#define SHMBOX_OVERLAY_ 0x794c7630u
enum { SHMBOX_NO_FILE_ = -1, SHMBOX_TAKEN_ = -2 };
enum { SHMBOX_TOGETHER_ = 0 /* F_RDLCK */, SHMBOX_ALONE_ = 1 /* F_WRLCK */, SHMBOX_UNLOCK_ = 2 /* F_UNLCK */ };

/* statx(2), as the kernel has it. */
typedef struct shmbox_facts_ {
	uint32_t mask, block;
	uint64_t attributes;
	uint32_t links, user, group;
	uint16_t mode, unused;
	uint64_t inode, size, blocks, more_attributes;
	struct { int64_t seconds; uint32_t nanoseconds; int32_t unused; } accessed, born, changed, modified;
	uint32_t device_of[2], device[2];
	uint64_t more[14];
} shmbox_facts_;

/* What the kernel says of an open file or, with a path, of what that leads to: 0 or -1 (errno). */
static inline int shmbox_stat_(int file, const char *path, shmbox_facts_ *facts)
{
#ifdef SYS_statx
	memset(facts, 0, sizeof *facts);
	return syscall(SYS_statx, path == SHMBOX_NULL_ ? file : -100 /* AT_FDCWD */, path == SHMBOX_NULL_ ? "" : path,
		       path == SHMBOX_NULL_ ? 0x1000 /* AT_EMPTY_PATH */ : 0x100 /* AT_SYMLINK_NOFOLLOW */,
		       0xfff /* STATX_BASIC_STATS, STATX_BTIME */, facts) == 0 ? 0 : -1;
#else
	(void)file, (void)path, (void)facts;
	errno = ENOSYS;
	return -1;
#endif
}

static inline int shmbox_is_same_file_(const shmbox_facts_ *a, const shmbox_facts_ *b)
{
	return a->inode == b->inode && a->device[0] == b->device[0] && a->device[1] == b->device[1];
}

/* The call has offsets of 64 bits on every target. The sort of the lock that was found or made; -1 (errno). */
static inline int shmbox_lock_call_(int file, int command, int sort, int64_t byte)
{
#ifdef SYS_fcntl64
	long const call = SYS_fcntl64;
#else
	long const call = SYS_fcntl;
#endif
	struct { short sort, whence; int64_t start, length; int32_t pid; } lock;

	memset(&lock, 0, sizeof lock);
	lock.sort = SHMBOX_TO_(short, sort);
	lock.start = byte;
	lock.length = 1;
	return syscall(call, file, command, &lock) == 0 ? lock.sort : -1;
}

/* Locks a byte: 1, 0 if another description has it, or -1 (errno). */
static inline int shmbox_lock_byte_(int file, int sort, int64_t byte)
{
	if (shmbox_lock_call_(file, 37 /* F_OFD_SETLK */, sort, byte) >= 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

static inline int shmbox_is_intact_(int file, long mark)
{
	return file >= 0 && lseek(file, 0, 1 /* SEEK_CUR */) == mark;
}

/* Marks a new descriptor: behind what files have, within what file systems allow. */
static inline long shmbox_mark_(const shmbox *box, int file)
{
	long const mark = SHMBOX_TO_(long, (shmbox_random_(box) & 0x3fffffff) | 0x40000000);

	lseek(file, mark, 0 /* SEEK_SET */);
	return mark;
}

/* Opens the box's file once more, which makes another description: its descriptor, or -1 (errno). */
static inline int shmbox_open_again_(const shmbox *box)
{
	shmbox_facts_ known, found;
	int file;

	errno = EBADF;
	/* The program has closed it. */
	if (!shmbox_is_intact_(box->file, box->mark))
		return -1;
	file = shmbox_open_for_(shmbox_path_to_(box->file).text, 2 /* O_RDWR */);
	/* Nothing keeps a /proc from being another thing. */
	if (file >= 0 && (shmbox_stat_(box->file, SHMBOX_NULL_, &known) != 0 || shmbox_stat_(file, SHMBOX_NULL_, &found) != 0 ||
			  !shmbox_is_same_file_(&known, &found))) {
		close(file);
		errno = ENOENT;
		return -1;
	}
	return file;
}

/* What the handlers of fork know: of one source file's handles. Places are used again and never freed. */
typedef struct shmbox_forks_ {
	shmbox_kept *first;
	uint32_t forks; /* odd while one is under way */
	int watched;
} shmbox_forks_;

static inline shmbox_forks_ *shmbox_forks_known_(void)
{
	static shmbox_forks_ known;

	return &known;
}

static inline void shmbox_around_fork_(void)
{
	__atomic_fetch_add(&shmbox_forks_known_()->forks, 1, __ATOMIC_SEQ_CST);
}

/* In the child, alone, before fork returns. */
static inline void shmbox_in_child_(void)
{
	shmbox_kept *kept = __atomic_load_n(&shmbox_forks_known_()->first, __ATOMIC_ACQUIRE);

	shmbox_around_fork_();
	for (; kept != SHMBOX_NULL_; kept = kept->next) {
		if (shmbox_is_intact_(kept->file, kept->mark))
			close(kept->file);
		kept->file = SHMBOX_NO_FILE_;
	}
}

/* glibc has this one in each of its libraries' versions, and pthread_atfork not always without -lpthread. */
#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GLIBC__
extern int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void), void *of);
extern void *__dso_handle __attribute__((__visibility__("hidden")));
#else
extern int pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void));
#endif
#ifdef __cplusplus
}
#endif

/* A place for a descriptor that holds a slot; NULL: no memory. */
static inline shmbox_kept *shmbox_find_place_(shmbox_forks_ *known)
{
	shmbox_kept *kept = __atomic_load_n(&known->first, __ATOMIC_ACQUIRE);

	for (; kept != SHMBOX_NULL_; kept = kept->next) {
		int none = SHMBOX_NO_FILE_;

		if (__atomic_compare_exchange_n(&kept->file, &none, SHMBOX_TAKEN_, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return kept;
	}
	kept = SHMBOX_POINTER_(shmbox_kept *, malloc(sizeof *kept));
	if (kept == SHMBOX_NULL_)
		return kept;
	kept->file = SHMBOX_TAKEN_;
	kept->next = __atomic_load_n(&known->first, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&known->first, &kept->next, kept, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return kept;
}

/* Its place is given up before it is closed, since its number may be another's right after that. */
static inline void shmbox_drop_(shmbox_kept *kept)
{
	int const file = kept->file;
	int const intact = shmbox_is_intact_(file, kept->mark);

	__atomic_store_n(&kept->file, SHMBOX_NO_FILE_, __ATOMIC_RELEASE);
	if (intact)
		close(file);
}

/* A description of its own, that no child has; NULL: errno says why. */
static inline shmbox_kept *shmbox_keep_(const shmbox *box)
{
	shmbox_forks_ *const known = shmbox_forks_known_();
	shmbox_kept *kept;
	uint32_t before;

	if (__atomic_exchange_n(&known->watched, 1, __ATOMIC_RELAXED) == 0)
#ifdef __GLIBC__
		__register_atfork(shmbox_around_fork_, shmbox_around_fork_, shmbox_in_child_, __dso_handle);
#else
		pthread_atfork(shmbox_around_fork_, shmbox_around_fork_, shmbox_in_child_);
#endif
	for (;;) {
		int file;

		before = __atomic_load_n(&known->forks, __ATOMIC_SEQ_CST);
		kept = shmbox_find_place_(known);
		if (kept == SHMBOX_NULL_)
			return kept;
		file = shmbox_open_again_(box);
		if (file >= 0)
			kept->mark = shmbox_mark_(box, file);
		__atomic_store_n(&kept->file, file < 0 ? SHMBOX_NO_FILE_ : file, __ATOMIC_RELEASE);
		if (file < 0)
			return SHMBOX_NULL_;
		/* A child that was forked in between may have a copy. */
		if (before % 2 == 0 && __atomic_load_n(&known->forks, __ATOMIC_SEQ_CST) == before)
			return kept;
		shmbox_drop_(kept);
	}
}

/* Holds a byte of the file by a description of its own: 0, or -1 (errno; EAGAIN: another has it). */
static inline int shmbox_hold_(const shmbox *box, int64_t byte, shmbox_kept **held)
{
	shmbox_kept *const kept = shmbox_keep_(box);
	int got, error;

	if (kept == SHMBOX_NULL_)
		return -1;
	got = shmbox_lock_byte_(kept->file, SHMBOX_ALONE_, byte);
	if (got == 1) {
		*held = kept;
		return 0;
	}
	error = got == 0 ? EAGAIN : errno;
	shmbox_drop_(kept);
	errno = error;
	return -1;
}

/* Whether a byte of the file is held: 1, 0, or -1 if it can't be told. Readers' locks do not count: they may have any. */
static inline int shmbox_is_held_(const shmbox *box, uint32_t slot)
{
	int found;

	if (!shmbox_is_intact_(box->file, box->mark))
		return -1;
	found = shmbox_lock_call_(box->file, 36 /* F_OFD_GETLK */, SHMBOX_TOGETHER_, slot);
	return found < 0 ? -1 : found != SHMBOX_UNLOCK_;
}

static inline uint64_t shmbox_turn_(uint64_t word, int by)
{
	return word << by | word >> (64 - by);
}

/* XXH64 with seed 0. */
static inline uint64_t shmbox_checksum_(const unsigned char *bytes, size_t length)
{
	uint64_t const p1 = UINT64_C(0x9E3779B185EBCA87), p2 = UINT64_C(0xC2B2AE3D27D4EB4F), p3 = UINT64_C(0x165667B19E3779F9);
	uint64_t const p4 = UINT64_C(0x85EBCA77C2B2AE63), p5 = UINT64_C(0x27D4EB2F165667C5);
	uint64_t lanes[4] = { p1 + p2, p2, 0, 0 - p1 }, sum = p5;
	shmbox_form_ rest;
	int i;

	rest.at = bytes;
	rest.end = bytes + length;
	rest.wrong = 0;
	while (rest.end - rest.at >= 32)
		for (i = 0; i < 4; i++)
			lanes[i] = shmbox_turn_(lanes[i] + shmbox_number_(&rest, 8) * p2, 31) * p1;
	if (length >= 32) {
		sum = shmbox_turn_(lanes[0], 1) + shmbox_turn_(lanes[1], 7) + shmbox_turn_(lanes[2], 12) + shmbox_turn_(lanes[3], 18);
		for (i = 0; i < 4; i++)
			sum = (sum ^ shmbox_turn_(lanes[i] * p2, 31) * p1) * p1 + p4;
	}
	sum += length;
	while (rest.end - rest.at >= 8)
		sum = shmbox_turn_(sum ^ shmbox_turn_(shmbox_number_(&rest, 8) * p2, 31) * p1, 27) * p1 + p4;
	if (rest.end - rest.at >= 4)
		sum = shmbox_turn_(sum ^ shmbox_number_(&rest, 4) * p1, 23) * p2 + p3;
	while (rest.end > rest.at)
		sum = shmbox_turn_(sum ^ shmbox_number_(&rest, 1) * p5, 11) * p1;
	sum = (sum ^ sum >> 33) * p2;
	sum = (sum ^ sum >> 29) * p3;
	return sum ^ sum >> 32;
}

/* The halves of the kernel's boot id, exclusive-ored; 0 without /proc. */
static inline uint64_t shmbox_boot_(void)
{
	const char *const digits = "0123456789abcdef";
	char text[64];
	uint64_t halves[2] = { 0, 0 };
	int const file = shmbox_open_file_("/proc/sys/kernel/random/boot_id");
	ssize_t length, at;
	int count = 0;

	if (file < 0)
		return 0;
	length = read(file, text, sizeof text);
	close(file);
	for (at = 0; at < length && count < 32; at++) {
		const char *const digit = text[at] == 0 ? SHMBOX_NULL_ : strchr(digits, text[at]);

		if (digit != SHMBOX_NULL_) {
			halves[count / 16] = halves[count / 16] << 4 | SHMBOX_TO_(uint64_t, digit - digits);
			count++;
		}
	}
	return count == 32 ? halves[0] ^ halves[1] : 0;
}

/* The word of the live value of this file, in this start of the machine; 0 without /proc. */
static inline uint64_t shmbox_life_word_(const shmbox_facts_ *facts, int in_memory)
{
	uint32_t const *const device = facts->device;
	uint64_t words[4], life;

	words[0] = in_memory ? 0 : shmbox_boot_();
	if (words[0] == 0 && !in_memory)
		return 0;
	/* As st_dev has it. */
	words[1] = (device[1] & 0xff) | (device[0] & 0xfff) << 8 | SHMBOX_TO_(uint64_t, device[1] & 0xffffff00) << 12 |
		   SHMBOX_TO_(uint64_t, device[0] & 0xfffff000) << 32;
	words[2] = facts->inode;
	words[3] = (facts->mask & 0x800 /* STATX_BTIME */) == 0 || facts->born.seconds < 0
			   ? 0
			   : SHMBOX_TO_(uint64_t, facts->born.seconds) * 1000000000 + facts->born.nanoseconds;
	life = shmbox_checksum_(SHMBOX_BITS_(const unsigned char *, words), sizeof words);
	return life == 0 ? 1 : life;
}

/* ---- Semaphores ---- */

/* Behind the slots a table has one that counts deaths; behind that lie the two tags. */
static inline uint32_t shmbox_first_tag_(const shmbox *box)
{
	return box->slots + (box->rows > 0);
}

/* What the tags hold: `which` is 0 for the one that the kernel's id tells, 1 for the other. */
static inline int shmbox_tag_(const shmbox *box, int which)
{
	uint64_t const number = which == 0 ? SHMBOX_TO_(uint32_t, box->id) : box->unique;

	return SHMBOX_TO_(int, number % 32767 + 1);
}

/* What a failed call on the semaphores means. */
static inline int shmbox_set_failed_(shmbox *box)
{
	return shmbox_is_gone_() ? SHMBOX_ESETLOST : shmbox_failed_(box);
}

/* The semaphore of a slot, or what is one of a file; -1 if it can't be read. */
static inline int shmbox_value_(const shmbox *box, uint32_t slot)
{
	if (box->is_file)
		return shmbox_is_held_(box, slot);
	return box->set < 0 ? -1 : shmbox_semctl_(box->set, slot, GETVAL, SHMBOX_NULL_);
}

/* The pid, as this process sees it, of the one that changed the semaphore of a slot last; 0 if it can't be told. */
static inline uint32_t shmbox_last_user_(const shmbox *box, uint32_t slot)
{
	int const pid = box->set < 0 ? -1 : shmbox_semctl_(box->set, slot, GETPID, SHMBOX_NULL_);

	return pid < 0 ? 0 : SHMBOX_TO_(uint32_t, pid);
}

/* Whether that one is the process of a record, and lives. */
static inline int shmbox_last_user_lives_(const shmbox *box, uint32_t slot, uint64_t record)
{
	uint32_t const pid = shmbox_last_user_(box, slot);

	return shmbox_started_with_(record, pid) == 1 && !shmbox_has_ended_(pid) && !shmbox_exits_(pid);
}

/* "Is 0" and "add so many", the two halves of what one call of semop does or leaves. */
static inline void shmbox_if_zero_add_(struct sembuf *halves, uint32_t index, int by, int undo)
{
	halves[0].sem_num = halves[1].sem_num = SHMBOX_TO_(unsigned short, index);
	halves[0].sem_op = 0;
	halves[0].sem_flg = IPC_NOWAIT;
	halves[1].sem_op = SHMBOX_TO_(short, by);
	halves[1].sem_flg = SHMBOX_TO_(short, IPC_NOWAIT | undo);
}

/* Holds a slot, of a file by `kept`: 0, or -1 (errno; EAGAIN: it is held). */
static inline int shmbox_raise_(const shmbox *box, uint32_t slot, shmbox_kept **kept)
{
	struct sembuf raise[2];

	*kept = SHMBOX_NULL_;
	if (box->is_file)
		return shmbox_hold_(box, slot, kept);
	shmbox_if_zero_add_(raise, slot, 1, SEM_UNDO);
	return semop(box->set, raise, 2);
}

/* Both at once: no process sees a set with one of them. */
static inline int shmbox_add_tags_(const shmbox *box, int set)
{
	struct sembuf add[4];

	shmbox_if_zero_add_(add, shmbox_first_tag_(box), shmbox_tag_(box, 0), 0);
	shmbox_if_zero_add_(add + 2, shmbox_first_tag_(box) + 1, shmbox_tag_(box, 1), 0);
	return semop(set, add, 4);
}

static inline void shmbox_lower_(const shmbox *box, uint32_t slot, shmbox_kept *kept)
{
	struct sembuf lower;

	if (kept != SHMBOX_NULL_)
		shmbox_drop_(kept);
	if (box->is_file)
		return;
	lower.sem_num = SHMBOX_TO_(unsigned short, slot);
	lower.sem_op = -1;
	lower.sem_flg = IPC_NOWAIT | SEM_UNDO;
	semop(box->set, &lower, 1);
}

/* Whether a set with as many semaphores bears this segment's tags: 1, 0 or -1 (errno). `none`: whether it bears none. */
static inline int shmbox_is_tagged_(const shmbox *box, int set, int *none)
{
	uint32_t const tags = shmbox_first_tag_(box);
	int first = shmbox_semctl_(set, tags, GETVAL, SHMBOX_NULL_);
	int const second = first < 0 ? -1 : shmbox_semctl_(set, tags + 1, GETVAL, SHMBOX_NULL_);

	/* They may have been added between the two looks. */
	if (first == 0 && second > 0)
		first = shmbox_semctl_(set, tags, GETVAL, SHMBOX_NULL_);
	*none = first == 0 && second == 0;
	if (first < 0 || second < 0)
		return -1;
	return first == shmbox_tag_(box, 0) && second == shmbox_tag_(box, 1);
}

/* Whether a set that was found to be this segment's is it still, and in this namespace: 1, 0 or a code. */
static inline int shmbox_is_still_(shmbox *box, int set)
{
	int none;
	int const tagged = shmbox_is_tagged_(box, set, &none);

	return tagged >= 0 ? tagged : shmbox_is_gone_() ? 0 : shmbox_failed_(box);
}

/* Whether a set is this segment's, of which the kernel says `segment`: 0 or a code. */
static inline int shmbox_check_set_(shmbox *box, int set, const struct shmid_ds *segment)
{
	struct semid_ds facts;
	key_t key;
	int tagged, none;

	if (set < 0)
		return set == -1 ? SHMBOX_ESETLOST : SHMBOX_EDAMAGED;
	memset(&facts, 0, sizeof facts);
	if (shmbox_semctl_(set, 0, IPC_STAT, &facts) != 0)
		return shmbox_set_failed_(box);
#ifdef __GLIBC__
	key = facts.sem_perm.__key;
#else
	key = facts.sem_perm.__ipc_perm_key;
#endif
	if (key != IPC_PRIVATE || facts.sem_nsems != shmbox_first_tag_(box) + 2 ||
	    (facts.sem_perm.uid != segment->shm_perm.uid && facts.sem_perm.uid != segment->shm_perm.cuid))
		return SHMBOX_EDAMAGED;
	tagged = shmbox_is_tagged_(box, set, &none);
	if (tagged < 0)
		return shmbox_set_failed_(box);
	/* Of one that no process has used, the maker died before the tags, or is about to add them. */
	if (none && facts.sem_otime == 0)
		return SHMBOX_ESETLOST;
	return tagged ? 0 : SHMBOX_EDAMAGED;
}

/* The id of the set that the segment names; its word is one that others can write. */
static inline int shmbox_named_set_(const shmbox *box)
{
	return SHMBOX_TO_(int, __atomic_load_n(shmbox_u32_at_(box, SHMBOX_SET_), __ATOMIC_ACQUIRE) - 1);
}

/* Makes sure that box->set is this segment's, in this namespace, and now. Two system calls, or some if the segment names
 * another one than before. */
static inline int shmbox_find_set_(shmbox *box)
{
	int const named = shmbox_named_set_(box), known = box->set;
	struct shmid_ds segment;
	int code;

	/* Locks follow the file. */
	if (box->is_file)
		return 0;
	if (named == known && known >= 0) {
		int const still = shmbox_is_still_(box, known);

		if (still != 0)
			return still < 0 ? still : 0;
	}
	/* A segment that is attached has its id for as long, in its own namespace. */
	if (shmctl(box->id, IPC_STAT, &segment) != 0)
		return shmbox_is_gone_() ? SHMBOX_ELEFT : shmbox_failed_(box);
	code = shmbox_check_set_(box, named, &segment);
	if (code == 0)
		box->set = named;
	/* A peer may have overwritten the word. */
	else if (known >= 0 && named != known && (code == SHMBOX_EDAMAGED || code == SHMBOX_ESETLOST) &&
		 shmbox_is_still_(box, known) == 1)
		code = 0;
	return code;
}

/* ---- Verdicts ---- */

static inline uint32_t shmbox_slot_(uint32_t word)
{
	return (word & 0x3ff) - 1;
}

/* Whether a word of the lock is this handle's claim, whether or not a process sleeps on it. */
static inline int shmbox_is_own_(const shmbox *box, uint32_t word)
{
	return box->claim != 0 && (word & ~SHMBOX_WAITERS_) == box->claim;
}

/* Whether a set was put in the place of one that was lost: then a semaphore of 0 says nothing of a claimant that may have
 * claimed under an earlier one. */
static inline int shmbox_is_replaced_(const shmbox *box)
{
	return shmbox_get32_(box, SHMBOX_REPLACED_) != 0;
}

/* Whether the claim that a lock's word names belongs to a living process: 1, 0, or a code. To act on 0, look with
 * shmbox_recheck_ whether this segment's semaphores said so, and judge again; then exchange the very word that was judged.
 * GETVAL takes the same lock in the kernel as the undo, so a process that reads a 0 sees what the dead one stored. */
static inline int shmbox_is_alive_(const shmbox *box, uint32_t word, int look)
{
	uint32_t const slot = shmbox_slot_(word);
	int const same_image = (word >> 23 & 0xff) == shmbox_image_(0);
	uint64_t record;
	uint32_t pid;
	int value, comparable;

	if (slot >= box->slots)
		return 0;
	record = shmbox_get_record_(box, slot);
	/* A word with this handle's slot that is not its claim: a peer made it up. */
	if (box->claim != 0 && slot == shmbox_slot_(box->claim) && record == box->record)
		return shmbox_is_own_(box, word);
	comparable = shmbox_is_comparable_(box, record);
	value = shmbox_value_(box, slot);
	if (value <= 0) {
		if (record == 0)
			return 0;
		if (comparable)
			return !shmbox_claimant_is_gone_(box, record);
		if (value == 0 && shmbox_last_user_lives_(box, slot, record))
			return 1;
		if (value == 0 && !shmbox_is_replaced_(box))
			return 0;
		/* What can't be told counts as alive until the time limit. */
		return look == SHMBOX_LAST_ ? SHMBOX_EUNJUDGED : 1;
	}
	/* This process before its exec: no program knows of that claim any more. */
	if (shmbox_is_mine_(box, record) ? !same_image || record != box->record
					 : !same_image && !comparable && shmbox_last_user_(box, slot) == SHMBOX_TO_(uint32_t, box->pid))
		return 0;
	if (look == SHMBOX_SHORT_ || !comparable)
		return 1;
	pid = shmbox_record_pid_(record);
	if (shmbox_last_user_(box, slot) != pid)
		return look != SHMBOX_LAST_ || !shmbox_claimant_is_gone_(box, record);
	return !(shmbox_started_with_(record, pid) == 1 && shmbox_exits_(pid) && shmbox_sees_stores_());
}

/* ---- Leaving, and losing ---- */

/* Notes a fork: the child has the memory and none of the kernel's promises to its parent. */
static inline void shmbox_notice_fork_(shmbox *box)
{
	if (box->alive != SHMBOX_NULL_ ? __atomic_load_n(box->alive, __ATOMIC_RELAXED) != 0 : box->pid == getpid())
		return;
	if (box->alive != SHMBOX_NULL_)
		__atomic_store_n(box->alive, 1, __ATOMIC_RELAXED);
	box->pid = getpid();
	box->claim = 0;
	box->kept = box->disk = SHMBOX_NULL_;
	box->awaited = 0;
	if (box->held == SHMBOX_HELD_)
		box->held = SHMBOX_HELD_BY_PARENT_;
}

/* A page that tells a child from its parent (madvise(2), MADV_WIPEONFORK). Before Linux 4.14 the pid has to do. */
static inline void shmbox_watch_forks_(shmbox *box)
{
#ifdef MAP_ANONYMOUS
	void *page = mmap(SHMBOX_NULL_, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	/* What takes any advice follows none: emulators do, and wipe nothing. */
	if (shmbox_advise_(page, sizeof(uint32_t), 18 /* MADV_WIPEONFORK */) != 0 || shmbox_advise_(page, sizeof(uint32_t), -1) == 0) {
		munmap(page, sizeof(uint32_t));
		return;
	}
	box->alive = SHMBOX_POINTER_(uint32_t *, page);
	*box->alive = 1;
#else
	(void)box;
#endif
}

/* Whether the segment's id leads to this segment, in the namespace of this thread: 1, 0, or -1 if it may not look. In a new
 * namespace ids begin at 0, so the same one may be another's. */
static inline int shmbox_leads_here_(const shmbox *box)
{
	void *const other = box->is_file ? SHMBOX_NULL_ : shmat(box->id, SHMBOX_NULL_, SHM_RDONLY);
	struct shmid_ds facts;
	int here = 0;

	if (box->is_file)
		return 1;
	if (SHMBOX_BITS_(intptr_t, other) == -1)
		return shmbox_is_gone_() ? 0 : -1;
	if (shmctl(box->id, IPC_STAT, &facts) == 0 &&
	    facts.shm_segsz == SHMBOX_TO_(size_t, box->control - box->base) + SHMBOX_CONTROL_) {
		shmbox there = *box;

		there.control = SHMBOX_POINTER_(unsigned char *, other) + (box->control - box->base);
		here = shmbox_get64_(&there, SHMBOX_UNIQUE_) == shmbox_get64_(box, SHMBOX_UNIQUE_);
	}
	shmdt(other);
	return here;
}

/* Tells all that another program has removed the segment (`ipcrm -m`), which leaves no trace in memory. */
static inline int shmbox_bury_(const shmbox *box)
{
	uint32_t const state = shmbox_get32_(box, SHMBOX_STATE_);

	shmbox_put32_(box, SHMBOX_STATE_, (state & ~UINT32_C(0xff)) | SHMBOX_REMOVED_);
	shmbox_wake_waiters_(box);
	shmbox_wake_(box->control + SHMBOX_LOCK_, INT_MAX);
	return SHMBOX_EREMOVED;
}

/* Whether the kernel keeps the segment only for those that are attached: 1, 0, or SHMBOX_ELEFT if it speaks of another one,
 * which has the id in the namespace of this thread. */
static inline int shmbox_is_orphan_(const shmbox *box)
{
	struct shmid_ds facts;
	shmbox_facts_ of_file;

	if (box->is_file)
		return shmbox_is_intact_(box->file, box->mark) && shmbox_stat_(box->file, SHMBOX_NULL_, &of_file) == 0 &&
			of_file.links == 0;
	if (shmctl(box->id, IPC_STAT, &facts) != 0 || (facts.shm_perm.mode & 01000 /* SHM_DEST */) == 0)
		return 0;
	switch (shmbox_leads_here_(box)) {
	case 1: return 1;
	case 0: return SHMBOX_ELEFT;
	default: return 0;
	}
}

/* Whether the record of this handle's slot is this process's; one that a peer overwrote with 0 is made so. */
static inline int shmbox_keeps_slot_(const shmbox *box)
{
	uint32_t const slot = shmbox_slot_(box->claim);

	return shmbox_get_record_(box, slot) == box->record || shmbox_exchange_record_(box, slot, 0, box->record);
}

/* Raises the semaphore of this handle's slot again: 0 or a code. */
static inline int shmbox_raise_again_(shmbox *box)
{
	shmbox_kept *const before = box->kept;

	/* Where the program has closed the descriptors, the record speaks for it. */
	if (box->is_file && !shmbox_is_intact_(box->file, box->mark))
		return 0;
	if (shmbox_raise_(box, shmbox_slot_(box->claim), &box->kept) == 0) {
		if (before != SHMBOX_NULL_)
			shmbox_drop_(before);
		return 0;
	}
	box->kept = before;
	/* Above 0 by now; or lost at once, or out of this process's rights, where the record goes on to speak for it. */
	if (box->is_file || errno == EAGAIN || errno == EACCES || shmbox_is_gone_())
		return 0;
	return shmbox_failed_(box);
}

/* Whether segment, semaphores and process still belong together: 0, SHMBOX_ELEFT or SHMBOX_EREMOVED; SHMBOX_ESYSTEM if its
 * semaphore can't be raised again. What this process may not ask the kernel any more is as it was. */
static inline int shmbox_recheck_(shmbox *box)
{
	int code, orphan;

	shmbox_notice_fork_(box);
	if (box->left)
		return SHMBOX_ELEFT;
	code = shmbox_find_set_(box);
	if (code != 0 || (box->claim != 0 && shmbox_value_(box, shmbox_slot_(box->claim)) <= 0)) {
		if (code == SHMBOX_ELEFT || shmbox_leads_here_(box) == 0 ||
		    /* Another has the slot: this process was taken for dead. */
		    (box->claim != 0 && !shmbox_keeps_slot_(box))) {
			box->left = 1;
			return SHMBOX_ELEFT;
		}
		/* Set by a peer, or of a new set in the place of one that was lost: raised again. */
		code = code == 0 ? shmbox_raise_again_(box) : 0;
	}
	orphan = shmbox_is_orphan_(box);
	if (orphan == SHMBOX_ELEFT)
		box->left = 1;
	if (orphan < 0)
		return orphan;
	return orphan ? shmbox_bury_(box) : code;
}

/* ---- Claims ---- */

/* Takes over a lock that names this slot, whose claimant died holding it. */
static inline void shmbox_inherit_(shmbox *box, uint32_t slot)
{
	uint32_t seen = shmbox_get32_(box, SHMBOX_LOCK_);
	int again;

	/* Twice: a contender may add its mark in between, once. */
	for (again = 0; again < 2 && shmbox_slot_(seen) == slot && !shmbox_is_own_(box, seen); again++) {
		if (shmbox_exchange32_(box, SHMBOX_LOCK_, &seen, box->claim | SHMBOX_WAITERS_, __ATOMIC_ACQUIRE)) {
			shmbox_repair_(box);
			shmbox_release_(box);
			break;
		}
	}
}

/* Whether the last claimant of a slot has released it or is gone. Whether there is a new one, its semaphore says. */
static inline int shmbox_is_free_(const shmbox *box, uint32_t slot, uint64_t record)
{
	if (record == 0)
		return 1;
	/* Another handle of this process may have it. */
	if (record == box->record || shmbox_value_(box, slot) > 0)
		return 0;
	if (shmbox_is_comparable_(box, record))
		return shmbox_claimant_is_gone_(box, record);
	return !shmbox_is_replaced_(box) && !shmbox_last_user_lives_(box, slot, record);
}

/* Raises the semaphore of a free slot, and records this process there. The slot, or a code. */
static inline int shmbox_take_slot_(shmbox *box, shmbox_kept **kept)
{
	uint32_t step, end = box->slots;

	for (step = 0; step < end && step < box->slots * SHMBOX_TRIES_; step++) {
		uint32_t const slot = (SHMBOX_TO_(uint32_t, box->pid) + step) % box->slots;
		uint64_t const seen = shmbox_get_record_(box, slot);

		if (!shmbox_is_free_(box, slot, seen))
			continue;
		if (shmbox_raise_(box, slot, kept) != 0) {
			struct semid_ds facts;
			int code;

			if (errno == EAGAIN)
				continue;
			if (box->is_file && errno == ENOENT)
				return SHMBOX_ENOPROC;
			if (box->is_file || errno == EACCES || errno == ENOMEM || errno == ENOSPC)
				return shmbox_failed_(box);
			code = shmbox_set_failed_(box);
			/* If the set is there, it is the undo that is refused. */
			return shmbox_semctl_(box->set, 0, IPC_STAT, &facts) == 0 ? SHMBOX_ENOUNDO : code;
		}
		SHMBOX_STOP("claim: semaphore raised");
		if (shmbox_exchange_record_(box, slot, seen, box->record)) {
			SHMBOX_STOP("claim: recorded");
			return SHMBOX_TO_(int, slot);
		}
		shmbox_lower_(box, slot, *kept);
		/* Another claimant was faster: one that was looked at before may have been given back meanwhile. */
		end = step + 1 + box->slots;
	}
	return SHMBOX_ESLOTS;
}

/* Gives a slot back: the semaphore only if it is known to be this segment's. */
static inline void shmbox_give_back_(shmbox *box, uint32_t slot, uint64_t record, shmbox_kept *kept)
{
	int const released = shmbox_exchange_record_(box, slot, record, 0);

	SHMBOX_STOP("claim: record released");
	if (released && !box->left && shmbox_find_set_(box) == 0)
		shmbox_lower_(box, slot, kept);
	else if (kept != SHMBOX_NULL_)
		shmbox_drop_(kept);
	SHMBOX_STOP("claim: given back");
}

static inline void shmbox_slot_event_(shmbox *box, uint32_t slot, int event)
{
	if (box->on_slot != SHMBOX_NULL_)
		box->on_slot(box, slot, event);
}

/* Takes a slot for this handle, unless it has one. */
static inline int shmbox_claim_(shmbox *box)
{
	uint32_t slot, tries, none = 0;
	shmbox_kept *kept;

	shmbox_notice_fork_(box);
	if (box->left)
		return SHMBOX_ELEFT;
	if (box->claim != 0)
		return 0;
	if (box->alive == SHMBOX_NULL_)
		shmbox_watch_forks_(box);
	box->record = shmbox_make_record_(box);
	for (tries = 0; tries < SHMBOX_TRIES_; tries++) {
		int code = shmbox_find_set_(box), taken;
		uint32_t number;

		if (code != 0)
			return code;
		taken = shmbox_take_slot_(box, &kept);
		if (taken < 0)
			return taken;
		slot = SHMBOX_TO_(uint32_t, taken);
		number = __atomic_fetch_add(shmbox_u32_at_(box, SHMBOX_CLAIMS_), 1, __ATOMIC_RELAXED);
		if (!box->is_file && shmbox_named_set_(box) != box->set) {
			shmbox_give_back_(box, slot, box->record, kept);
			continue;
		}
		number = (slot + 1) | (number & 0x1fff) << 10 | shmbox_image_(0) << 23;
		/* A handler of a signal may have been faster, by the same handle. */
		if (!__atomic_compare_exchange_n(&box->claim, &none, number, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			shmbox_give_back_(box, slot, box->record, kept);
			return 0;
		}
		box->kept = kept;
		SHMBOX_STOP("claim: numbered");
		/* No other process can tell any more that the last claimant died holding the lock. */
		shmbox_inherit_(box, slot);
		shmbox_slot_event_(box, slot, SHMBOX_CLAIMED_);
		/* What this process claimed before it called exec. */
		for (slot = 0; slot < box->slots; slot++) {
			uint64_t const record = shmbox_get_record_(box, slot);

			if (shmbox_is_mine_(box, record) && record != box->record) {
				shmbox_inherit_(box, slot);
				shmbox_slot_event_(box, slot, SHMBOX_SUCCEEDED_);
				shmbox_give_back_(box, slot, record, SHMBOX_NULL_);
			}
		}
		return 0;
	}
	return SHMBOX_EDAMAGED;
}

/* Makes a set for the segment of which the kernel says `segment`: its id, or a code. It has no tags yet: the less lies
 * between its making and its installation, the fewer deaths leave it behind. */
static inline int shmbox_make_set_(shmbox *box, const struct shmid_ds *segment)
{
	int const mode = SHMBOX_TO_(int, segment->shm_perm.mode & 0666);
	int const set = semget(IPC_PRIVATE, SHMBOX_TO_(int, shmbox_first_tag_(box) + 2), mode | IPC_CREAT);
	struct semid_ds facts;

	if (set < 0)
		return shmbox_failed_(box);
	SHMBOX_STOP("set: made");
	if (segment->shm_perm.uid == geteuid() && segment->shm_perm.gid == getegid())
		return set;
	memset(&facts, 0, sizeof facts);
	facts.sem_perm.uid = segment->shm_perm.uid;
	facts.sem_perm.gid = segment->shm_perm.gid;
	facts.sem_perm.mode = segment->shm_perm.mode & 0666;
	if (shmbox_semctl_(set, 0, IPC_SET, &facts) != 0) {
		int const code = shmbox_failed_(box);

		shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
		return code;
	}
	return set;
}

/* Puts a new set in the place of one that was lost, if each claimant under that is known here or gone. Those that live find
 * it, and raise their slots there. */
static inline int shmbox_replace_set_(shmbox *box)
{
	uint32_t seen = __atomic_load_n(shmbox_u32_at_(box, SHMBOX_SET_), __ATOMIC_ACQUIRE);
	struct shmid_ds segment;
	uint32_t slot;
	int set, orphan, tagged;

	if (shmctl(box->id, IPC_STAT, &segment) != 0)
		return shmbox_is_gone_() ? SHMBOX_ELEFT : shmbox_failed_(box);
	orphan = shmbox_is_orphan_(box);
	if (orphan != 0)
		return orphan < 0 ? orphan : shmbox_bury_(box);
	/* A set of another user's would be trusted by no other process. */
	if (geteuid() != 0 && geteuid() != segment.shm_perm.uid && geteuid() != segment.shm_perm.cuid)
		return SHMBOX_ESETLOST;
	for (slot = 0; slot < box->slots; slot++) {
		uint64_t const record = shmbox_get_record_(box, slot);

		if (record != 0 && !shmbox_is_comparable_(box, record))
			return SHMBOX_EUNJUDGED;
	}
	set = shmbox_make_set_(box, &segment);
	if (set < 0)
		return set;
	/* Before: a process that sees the new set sees that it is not the first one. */
	__atomic_fetch_add(shmbox_u32_at_(box, SHMBOX_REPLACED_), 1, __ATOMIC_ACQ_REL);
	SHMBOX_STOP("set: counted");
	/* If another process was faster, its set stays. */
	if (!shmbox_exchange32_(box, SHMBOX_SET_, &seen, SHMBOX_TO_(uint32_t, set) + 1, __ATOMIC_ACQ_REL)) {
		shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
		return 0;
	}
	SHMBOX_STOP("set: installed");
	/* What was found without tags may have got them since: then its creator leaves it. */
	if (shmbox_check_set_(box, SHMBOX_TO_(int, seen - 1), &segment) == 0)
		shmbox_semctl_(SHMBOX_TO_(int, seen - 1), 0, IPC_RMID, SHMBOX_NULL_);
	tagged = shmbox_add_tags_(box, set) == 0 ? 0 : shmbox_set_failed_(box);
	SHMBOX_STOP("set: tagged");
	/* The segment's remover looked before this set was there; or a process that found it without tags replaced it. */
	if (shmbox_is_removed_(box) || shmbox_named_set_(box) != set) {
		shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
		return shmbox_is_removed_(box) ? SHMBOX_EREMOVED : 0;
	}
	return tagged;
}

/* Claims a slot at the opening. */
static inline int shmbox_join_(shmbox *box)
{
	int code = shmbox_claim_(box), tries;

	for (tries = 0; code == SHMBOX_ESETLOST && !shmbox_is_removed_(box) && tries < SHMBOX_TRIES_; tries++) {
		/* Another process may have installed one to which it is about to add the tags. */
		shmbox_rest_a_millisecond_();
		code = shmbox_claim_(box);
		if (code != SHMBOX_ESETLOST)
			break;
		code = shmbox_replace_set_(box);
		if (code != 0)
			break;
		code = shmbox_claim_(box);
	}
	/* Whatever went wrong on the way, that the segment has been removed is the reason. */
	return code != 0 && shmbox_is_removed_(box) ? SHMBOX_EREMOVED : code;
}

/* ---- The lock ---- */

/* Waits for the lock, and takes it over from an owner that is dead. */
static inline int shmbox_contend_(shmbox *box)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(box);
	int spins, code, look = SHMBOX_SHORT_;

	for (spins = 0; spins < SHMBOX_SPINS_; spins++) {
		uint32_t free = 0;

		if (shmbox_get32_(box, SHMBOX_LOCK_) == 0 &&
		    shmbox_exchange32_(box, SHMBOX_LOCK_, &free, box->claim, __ATOMIC_ACQUIRE))
			return 0;
	}
	for (;;) {
		uint32_t const seen = shmbox_get32_(box, SHMBOX_LOCK_);
		int const owned = (seen & 0x3ff) != 0;
		int64_t left;

		/* This is the handler of a signal that came in the middle of a commit by this handle. */
		if (shmbox_is_own_(box, seen))
			return SHMBOX_EREENTRANT;
		code = owned ? shmbox_is_alive_(box, seen, look) : 0;
		if (owned && code == 0) {
			code = shmbox_recheck_(box);
			if (code == 0)
				code = shmbox_is_alive_(box, seen, look);
		}
		if (code < 0)
			return code;
		if (code == 0) {
			uint32_t judged = seen;

			/* With the mark: others may sleep, and must be woken in their turn. */
			if (shmbox_exchange32_(box, SHMBOX_LOCK_, &judged, box->claim | SHMBOX_WAITERS_, __ATOMIC_ACQUIRE)) {
				SHMBOX_STOP("lock: taken over");
				if (owned)
					shmbox_repair_(box);
				return 0;
			}
		} else if ((seen & SHMBOX_WAITERS_) == 0) {
			uint32_t judged = seen;

			shmbox_exchange32_(box, SHMBOX_LOCK_, &judged, seen | SHMBOX_WAITERS_, __ATOMIC_RELAXED);
			SHMBOX_STOP("lock: waiter marked");
		}
		if (shmbox_is_removed_(box))
			return SHMBOX_EREMOVED;
		left = end - shmbox_now_();
		if (left <= 0 && look == SHMBOX_LAST_)
			return SHMBOX_EBUSY;
		if (code == 1 && left > 0)
			shmbox_sleep_(box->control + SHMBOX_LOCK_, seen | SHMBOX_WAITERS_, left < SHMBOX_MS_ ? left : SHMBOX_MS_);
		if (code == 1)
			code = shmbox_recheck_(box);
		if (code < 0)
			return code;
		/* The last look is made when the limit has been reached, whatever it is. */
		look = shmbox_now_() >= end ? SHMBOX_LAST_ : SHMBOX_LONG_;
	}
}

/* Whatever the segment's state is. */
static inline int shmbox_take_lock_(shmbox *box)
{
	uint32_t free = 0;
	int code = shmbox_claim_(box);

	if (code == 0 && box->held == SHMBOX_HELD_)
		return SHMBOX_EREENTRANT;
	if (code == 0 && !shmbox_exchange32_(box, SHMBOX_LOCK_, &free, box->claim, __ATOMIC_ACQUIRE))
		code = shmbox_contend_(box);
	/* Whatever went wrong on the way, that the segment has been removed is the reason. */
	if (code != 0)
		return shmbox_is_removed_(box) ? SHMBOX_EREMOVED : code;
	SHMBOX_STOP("lock: taken");
	return 0;
}

static inline int shmbox_lock_(shmbox *box, const shmbox_type *type)
{
	int code;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	if (!box->writable)
		return SHMBOX_EREADONLY;
	code = shmbox_take_lock_(box);
	if (code != 0)
		return code;
	/* Only the lock's owner changes the schema, so from here on it stays. */
	code = shmbox_check_(box);
	if (code != 0) {
		shmbox_release_(box);
		return code;
	}
	box->held = SHMBOX_HELD_;
	box->awaited = 0;
	return 0;
}

/* Whether this process holds the lock by this handle, of a segment that is what it was. */
static inline int shmbox_check_held_(shmbox *box, const shmbox_type *type)
{
	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	shmbox_notice_fork_(box);
	if (box->held == SHMBOX_HELD_BY_PARENT_)
		return SHMBOX_EFORKED;
	if (box->held != SHMBOX_HELD_)
		return SHMBOX_EUNLOCKED;
	if (box->left)
		return SHMBOX_ELEFT;
	return shmbox_check_(box);
}

/* Wakes those who wait for the version that was committed; 0: none was. Between commit and this look stands a full barrier. */
static inline void shmbox_notify_(shmbox *box, uint64_t version)
{
	if (version == 0)
		return;
	if (shmbox_get64_(box, SHMBOX_AWAITED_) >= version || (box->flags & SHMBOX_ALWAYS_NOTIFY_) != 0)
		shmbox_wake_waiters_(box);
	/* What that finds, the next call says. */
	if (version % 1024 == 0)
		shmbox_recheck_(box);
}

/* The version whose waiters are still to be woken. */
static inline uint64_t shmbox_take_awaited_(shmbox *box)
{
	uint64_t const version = box->awaited;

	box->awaited = 0;
	return version;
}

static inline int shmbox_unlock_(shmbox *box, const shmbox_type *type)
{
	int code = shmbox_check_held_(box, type);
	uint64_t version;

	if (code == SHMBOX_EFORKED)
		box->held = 0;
	if (code == SHMBOX_EARGUMENT || box->held != SHMBOX_HELD_)
		return code;
	/* Also if the segment was removed meanwhile: no process shall wait for this handle. */
	box->held = 0;
	/* Before it is let go: from then on the handler of a signal may commit by this handle. */
	version = shmbox_take_awaited_(box);
	shmbox_release_(box);
	SHMBOX_STOP("unlock: let go");
	/* On x86 the locked exchange that freed the lock is a full barrier already. */
#if defined(__x86_64__) || defined(__i386__)
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
	shmbox_notify_(box, version);
	return code;
}

/* ---- Reading ---- */

/* For generated functions: the length of a vector, and whether four bytes are a Unicode scalar value. */
static inline uint32_t shmbox_length_(const unsigned char *bytes)
{
	uint32_t length;

	memcpy(&length, bytes, sizeof length);
	return length;
}

static inline int shmbox_is_char_(const unsigned char *bytes, int first)
{
	uint32_t const value = shmbox_length_(bytes);

	(void)first;
	return value < 0xd800 || (value > 0xdfff && value <= 0x10ffff);
}

static inline int shmbox_is_bool_(const unsigned char *bytes, int first)
{
	(void)first;
	return *bytes <= 1;
}

#define SHMBOX_NON_ZERO_(size) \
	static inline int shmbox_is_non_zero_##size##_(const unsigned char *bytes, int first) \
	{ \
		static const unsigned char zero[size] = { 0 }; \
\
		(void)first; \
		return memcmp(bytes, zero, size) != 0; \
	}
SHMBOX_NON_ZERO_(1)
SHMBOX_NON_ZERO_(2)
SHMBOX_NON_ZERO_(4)
SHMBOX_NON_ZERO_(8)
SHMBOX_NON_ZERO_(16)

/* Elements of one type side by side in a struct: a field, or all of it. */
typedef struct shmbox_part_ {
	size_t offset, size, count; /* `size` bytes each; 0: there is no such part */
	int (*is_value)(const unsigned char *bytes, int first);
	void (*store)(unsigned char *to, const unsigned char *from);
} shmbox_part_;

static inline shmbox_part_ shmbox_part_at_(int exists, size_t offset, size_t size, size_t count,
					   int (*is_value)(const unsigned char *, int),
					   void (*store)(unsigned char *, const unsigned char *))
{
	shmbox_part_ part;

	part.offset = offset;
	part.size = exists ? size : 0;
	part.count = count;
	part.is_value = is_value;
	part.store = store;
	return part;
}

static inline shmbox_part_ shmbox_whole_(const shmbox_type *type)
{
	return shmbox_part_at_(1, 0, type->size, 1, type->is_value, type->store);
}

static inline int shmbox_judge_(shmbox_part_ part, const void *value, int first)
{
	const unsigned char *const bytes = SHMBOX_POINTER_(const unsigned char *, value);
	size_t i;

	for (i = 0; part.is_value != SHMBOX_NULL_ && i < part.count; i++)
		if (!part.is_value(bytes + i * part.size, first))
			return SHMBOX_EINVALID;
	return 0;
}

/* The version of which a value is, if that is before this struct's; else 0. */
static inline uint32_t shmbox_earlier_(const shmbox *box, const shmbox_copies_ *copies, const shmbox_type *type)
{
	uint32_t const earlier = box->earlier;

	return copies->has == 0 || copies->has >= (earlier == 0 ? type->version : earlier) ? earlier : copies->has;
}

/* Makes what was read of an earlier version a value: fields that it lacks get their defaults. Of a row in a table that has them
 * the template has those defaults, if this program does not know them. */
static inline void shmbox_fill_in_(const shmbox *box, const shmbox_type *type, uint32_t earlier, size_t from, size_t length,
				   unsigned char *value)
{
	const shmbox_added *added;

	for (added = type->added; added != SHMBOX_NULL_ && added->since != 0; added++) {
		size_t const first = added->offset > from ? added->offset : from;
		size_t end = added->offset + added->size;

		if (end > from + length)
			end = from + length;
		if (added->since <= earlier || first >= end)
			continue;
		if (!type->defaults)
			shmbox_load_bytes_(value + (first - from), shmbox_copies_of_(box).payload + first, end - first);
		else if (added->bytes == SHMBOX_NULL_)
			memset(value + (first - from), 0, end - first);
		else
			memcpy(value + (first - from), added->bytes + (first - added->offset), end - first);
	}
}

/* How many of these bytes of the segment are a value's; those behind them are zeros. */
static inline size_t shmbox_readable_(const shmbox *box, size_t from, size_t length, void *value)
{
	if (box->earlier == 0 || box->stored >= from + length)
		return length;
	memset(value, 0, length);
	return box->stored > from ? box->stored - from : 0;
}

static inline int shmbox_read_(shmbox *box, const shmbox_copies_ *copies, const shmbox_type *type, shmbox_part_ part, void *value,
			       uint64_t *version)
{
	size_t const wanted = part.size * part.count;
	int64_t end = 0;

	for (;;) {
		int tries;

		for (tries = 0; tries < SHMBOX_TRIES_; tries++) {
			int const code = shmbox_check_(box);
			uint32_t const earlier = shmbox_earlier_(box, copies, type);
			uint64_t seq, now;
			size_t length;

			if (code != 0)
				return code;
			length = shmbox_readable_(box, part.offset, wanted, value);
			seq = __atomic_load_n(copies->seq, __ATOMIC_RELAXED);
			/* Pairs with the fences of a commit: a reader that sees a sequence sees the copy that it promises. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			shmbox_load_bytes_(SHMBOX_POINTER_(unsigned char *, value),
					   (seq % 2 == 0 ? copies->payload : shmbox_mirror_(copies, seq / 2)) + part.offset, length);
			/* If a byte of a later commit got into the copy, the load below sees that commit's sequence. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			now = __atomic_load_n(copies->seq, __ATOMIC_RELAXED);
			/* Of a later schema there may be values where defaults would come. */
			if (box->earlier != 0 && shmbox_get32_(box, SHMBOX_STATE_) != box->state)
				continue;
			if (now - seq < (seq % 2 == 0 ? 1u : 3u)) {
				if (earlier != 0)
					shmbox_fill_in_(box, type, earlier, part.offset, wanted, SHMBOX_POINTER_(unsigned char *, value));
				if (version != SHMBOX_NULL_)
					*version = seq / 2;
				return shmbox_judge_(part, value, 0);
			}
		}
		if (end == 0)
			end = shmbox_now_() + shmbox_limit_(box);
		else if (shmbox_now_() >= end)
			return SHMBOX_EOVERTAKEN;
	}
}

static inline int shmbox_get_(shmbox *box, const shmbox_type *type, shmbox_part_ part, void *value, uint64_t *version)
{
	shmbox_copies_ copies;

	if (!shmbox_is_open_(box, type) || part.size == 0)
		return SHMBOX_EARGUMENT;
	copies = shmbox_copies_of_(box);
	return shmbox_read_(box, &copies, type, part, value, version);
}

/* Under the lock. */
static inline int shmbox_load_(shmbox *box, const shmbox_type *type, shmbox_part_ part, void *value)
{
	int const code = shmbox_check_held_(box, type);

	if (code != 0)
		return code;
	shmbox_load_bytes_(SHMBOX_POINTER_(unsigned char *, value), box->base + part.offset, part.size * part.count);
	return shmbox_judge_(part, value, 0);
}

/* ---- Writing ---- */

static inline void shmbox_store_part_(unsigned char *to, shmbox_part_ part, const unsigned char *from)
{
	size_t i;

	if (part.store == SHMBOX_NULL_)
		shmbox_store_bytes_(to, from, part.size * part.count);
	for (i = 0; part.store != SHMBOX_NULL_ && i < part.count; i++)
		part.store(to + i * part.size, from + i * part.size);
}

/* The range word for a part; that of a whole value, or of what it can't name, is 0. */
static inline uint64_t shmbox_range_of_(const shmbox_type *type, shmbox_part_ part)
{
	uint64_t const offset = part.offset, length = SHMBOX_TO_(uint64_t, part.size) * part.count;

	return length == type->size || (offset | length) > UINT32_MAX ? 0 : length << 32 | offset;
}

/* Brings a mirror up to the payload in what a range word names: everything, if that is 0 or more than there is. */
static inline void shmbox_follow_(const shmbox *box, unsigned char *mirror, const unsigned char *payload, uint64_t range)
{
	uint64_t const offset = range & UINT32_MAX, end = offset + (range >> 32);
	int const all = range == 0 || end > box->stored;
	/* From a whole word on. */
	size_t const from = all ? 0 : SHMBOX_TO_(size_t, offset / 8 * 8);

	shmbox_copy_within_(mirror + from, payload + from, (all ? box->stored : SHMBOX_TO_(size_t, end)) - from);
}

/* Commits a part of a value that no other writes now, at the cost of its bytes and of those of the commit before: its
 * version. Padding keeps what it holds: it may be a newer program's field. */
static inline uint64_t shmbox_commit_part_(const shmbox *box, const shmbox_copies_ *copies, const shmbox_type *type,
					   shmbox_part_ part, const void *value)
{
	uint64_t const range = shmbox_range_of_(type, part);
	/* Writers without the protocol change what no commit knows of. */
	uint64_t const last = (box->flags & SHMBOX_RAW_WRITERS_) != 0 ? 0 : __atomic_load_n(copies->range, __ATOMIC_RELAXED);
	uint64_t const even = __atomic_load_n(copies->seq, __ATOMIC_RELAXED) & ~UINT64_C(1);
	unsigned char *mirror;

	SHMBOX_STOP("commit: begun");
	__atomic_store_n(copies->seq, even + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("commit: odd");
	shmbox_store_part_(copies->payload + part.offset, part, SHMBOX_POINTER_(const unsigned char *, value));
	SHMBOX_STOP("commit: payload written");
	__atomic_store_n(copies->seq, even + 2, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("commit: even");
	/* It is two versions old: it lacks what the commit before has changed, too. */
	mirror = shmbox_mirror_(copies, even / 2 + 1);
	shmbox_follow_(box, mirror, copies->payload, range == 0 ? 0 : last);
	if (range != 0 && last != 0)
		shmbox_follow_(box, mirror, copies->payload, range);
	SHMBOX_STOP("commit: mirror written");
	if (__atomic_load_n(copies->range, __ATOMIC_RELAXED) != range)
		__atomic_store_n(copies->range, range, __ATOMIC_RELAXED);
	return even / 2 + 1;
}

/* Commits a part of the value under the lock. */
static inline int shmbox_commit_held_(shmbox *box, const shmbox_type *type, shmbox_part_ part, const void *value,
				      uint64_t *version)
{
	shmbox_copies_ copies;
	int code = shmbox_check_held_(box, type);

	if (code == 0)
		code = shmbox_judge_(part, value, 0);
	if (code != 0)
		return code;
	copies = shmbox_copies_of_(box);
	box->awaited = shmbox_commit_part_(box, &copies, type, part, value);
	if (version != SHMBOX_NULL_)
		*version = box->awaited;
	return 0;
}

static inline int shmbox_commit_(shmbox *box, const shmbox_type *type, const void *value, uint64_t *version)
{
	int const code = shmbox_commit_held_(box, type, shmbox_whole_(type), value, version);

	if (code == 0) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		shmbox_notify_(box, shmbox_take_awaited_(box));
	}
	return code;
}

static inline int shmbox_set_(shmbox *box, const shmbox_type *type, shmbox_part_ part, const void *value, uint64_t *version)
{
	int code = part.size == 0 ? SHMBOX_EARGUMENT : shmbox_lock_(box, type);

	if (code == 0) {
		code = shmbox_commit_held_(box, type, part, value, version);
		shmbox_unlock_(box, type);
	}
	return code;
}

/* Adds integers of so many bytes, at most 16; the sum wraps. */
static inline void shmbox_sum_(unsigned char *sum, const unsigned char *summand, size_t size)
{
	unsigned carry = 0;
	size_t i;

	for (i = 0; i < size; i++) {
		size_t const at = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : size - 1 - i;

		carry += SHMBOX_TO_(unsigned, sum[at]) + summand[at];
		sum[at] = SHMBOX_TO_(unsigned char, carry & 0xff);
		carry >>= 8;
	}
}

/* Adds to an integer. `before`: what it was, unless that is NULL. */
static inline int shmbox_increase_(shmbox *box, const shmbox_type *type, shmbox_part_ part, const void *by, void *before)
{
	unsigned char sum[16];
	int code = part.size == 0 ? SHMBOX_EARGUMENT : shmbox_lock_(box, type);

	if (code != 0)
		return code;
	code = shmbox_load_(box, type, part, sum);
	if (code == 0) {
		if (before != SHMBOX_NULL_)
			memcpy(before, sum, part.size);
		shmbox_sum_(sum, SHMBOX_POINTER_(const unsigned char *, by), part.size);
		code = shmbox_commit_held_(box, type, part, sum, SHMBOX_NULL_);
	}
	shmbox_unlock_(box, type);
	return code;
}

/* Puts a text into an array of characters, and zeros behind it; 0: it is too long. */
static inline int shmbox_put_text_(char *to, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		to[i] = *text == 0 ? 0 : *text++;
	return *text == 0;
}

/*
 * The functions of one field, of a value or of a row (`owner`: its handle). `...`: the handle, and an index for each array that the
 * field is in; an index beyond one is SHMBOX_EARGUMENT.
 */
#define SHMBOX_LOAD_(function, type, loaded, part, ...) \
	static inline int function(__VA_ARGS__, loaded) \
	{ \
		return shmbox_get_(box, type(), part, value, SHMBOX_NULL_); \
	}
#define SHMBOX_STORE_(function, set, owner, type, stored, from, part, ...) \
	static inline int function(__VA_ARGS__, stored, uint64_t *version) \
	{ \
		return set(owner, type(), part, from, version); \
	}
#define SHMBOX_TEXT_(function, set, owner, type, size, part, ...) \
	static inline int function(__VA_ARGS__, const char *text, uint64_t *version) \
	{ \
		char value[size]; \
\
		if (!shmbox_put_text_(value, text, size)) \
			return SHMBOX_EINVALID; \
		return set(owner, type(), part, value, version); \
	}
#define SHMBOX_ADD_(function, add, owner, type, integer, part, ...) \
	static inline int function(__VA_ARGS__, integer by, integer *before) \
	{ \
		return add(owner, type(), part, &by, before); \
	}

/* ---- The disk: what of a file survives the machine ---- */

/* The steps, and what a power loss after each leaves, are those of "Snapshots" and "Life" in FORMAT.md. */

/* The header of a snapshot, in words. */
enum { SHMBOX_OF_ = 1, SHMBOX_AS_OF_, SHMBOX_SCHEMA_BYTES_, SHMBOX_VALUE_BYTES_, SHMBOX_SUM_ = 7, SHMBOX_SNAPSHOT_WORDS_ };
enum { SHMBOX_SNAPSHOT_HEADER_ = SHMBOX_SNAPSHOT_WORDS_ * 8 };

/* Where the first of the two begins, on a block of its own, and how many bytes each has. */
static inline uint64_t shmbox_snapshots_at_(uint64_t capacity, uint64_t room)
{
	return (capacity * 3 + room * 2 + 4095) / 4096 * 4096;
}

static inline uint64_t shmbox_snapshot_size_(uint64_t capacity, uint64_t room)
{
	return (SHMBOX_SNAPSHOT_HEADER_ + room + capacity + 4095) / 4096 * 4096;
}

/* What they take, with what is before them. */
static inline uint64_t shmbox_snapshots_size_(uint64_t capacity, uint64_t room)
{
	return shmbox_snapshots_at_(capacity, room) - (capacity * 3 + room * 2) + shmbox_snapshot_size_(capacity, room) * 2;
}

/* The one that the word `durable` names (1 or 2), or any other number's. */
static inline uint64_t shmbox_snapshot_at_(const shmbox *box, uint32_t which)
{
	return shmbox_snapshots_at_(box->capacity, box->room) +
		(which == 2 ? shmbox_snapshot_size_(box->capacity, box->room) : 0);
}

/* The committed value with its schema as it lies on the disk: 0 or a code. There is room for a whole one. */
static inline int shmbox_encode_(shmbox *box, unsigned char *bytes, size_t *length)
{
	uint64_t header[SHMBOX_SNAPSHOT_WORDS_] = { 0 };
	int tries;

	for (tries = 0; tries < SHMBOX_TRIES_; tries++) {
		uint32_t const state = box->state;
		shmbox_part_ const stored = shmbox_part_at_(1, 0, box->stored, 1, SHMBOX_NULL_, SHMBOX_NULL_);
		unsigned char *const schema = bytes + SHMBOX_SNAPSHOT_HEADER_;
		int const code = shmbox_get_(box, box->type, stored, schema + box->room, &header[SHMBOX_AS_OF_]);

		if (code != 0)
			return code;
		/* Else it was upgraded meanwhile. */
		if (box->state != state || !shmbox_read_room_(box, state, schema, box->room))
			continue;
		memcpy(header, "SHMSNAP\n", sizeof *header);
		header[SHMBOX_OF_] = box->unique;
		header[SHMBOX_SCHEMA_BYTES_] = box->room;
		header[SHMBOX_VALUE_BYTES_] = stored.size;
		*length = SHMBOX_SNAPSHOT_HEADER_ + box->room + stored.size;
		memcpy(bytes, header, sizeof header);
		header[SHMBOX_SUM_] = shmbox_checksum_(bytes, *length);
		memcpy(bytes, header, sizeof header);
		return 0;
	}
	return SHMBOX_EOVERTAKEN;
}

/* Writes and waits for the disk: 0 or -1 (errno). */
static inline int shmbox_write_durably_(int file, const unsigned char *bytes, size_t length, uint64_t at)
{
	int synced = 1;

	while (length > 0) {
		struct { const void *bytes; size_t length; } const piece = { bytes, length };
		/* The kernel puts the halves together where it needs both. */
		unsigned long const low = SHMBOX_TO_(unsigned long, at), high = SHMBOX_TO_(unsigned long, at >> 32);
		long written = -1;

#ifdef SYS_pwritev2
		written = syscall(SYS_pwritev2, file, &piece, 1, low, high, 2 /* RWF_DSYNC */);
		if (written < 0 && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
			return -1;
#endif
		if (written < 0) {
			synced = 0;
			written = syscall(SYS_pwritev, file, &piece, 1, low, high);
		}
		if (written == 0)
			errno = EIO;
		if (written <= 0)
			return -1;
		bytes += written;
		length -= SHMBOX_TO_(size_t, written);
		at += SHMBOX_TO_(uint64_t, written);
	}
	return synced || syscall(SYS_fdatasync, file) == 0 ? 0 : -1;
}

/* Brings the newest committed value to the disk, unless it is there: 0 or a code. */
static inline int shmbox_persist_(shmbox *box, const shmbox_type *type)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(box);
	unsigned char *bytes;
	shmbox_kept *turn;
	uint32_t durable;
	size_t length = 0;
	int got, code;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	if (!box->writable)
		return SHMBOX_EREADONLY;
	if ((box->flags & SHMBOX_SNAPSHOTS_) == 0)
		return 0;
	shmbox_notice_fork_(box);
	if (box->disk != SHMBOX_NULL_ && !shmbox_is_intact_(box->disk->file, box->disk->mark)) {
		/* The program has closed it. */
		shmbox_drop_(box->disk);
		box->disk = SHMBOX_NULL_;
	}
	if (box->disk == SHMBOX_NULL_)
		box->disk = shmbox_keep_(box);
	turn = box->disk;
	if (turn == SHMBOX_NULL_)
		return shmbox_failed_(box);
	while ((got = shmbox_lock_byte_(turn->file, SHMBOX_ALONE_, SHMBOX_DISK_BYTE_)) != 1) {
		if (got < 0)
			return shmbox_failed_(box);
		if (shmbox_now_() >= end)
			return SHMBOX_EBUSY;
		shmbox_rest_a_millisecond_();
	}
	bytes = SHMBOX_POINTER_(unsigned char *, malloc(SHMBOX_SNAPSHOT_HEADER_ + box->room + box->capacity));
	code = bytes == SHMBOX_NULL_ ? shmbox_failed_(box) : shmbox_encode_(box, bytes, &length);
	durable = shmbox_get32_(box, SHMBOX_DURABLE_);
	/* It begins with the checksum of all of it. */
	if (code == 0 && (durable == 0 || memcmp(box->base + shmbox_snapshot_at_(box, durable), bytes, SHMBOX_SNAPSHOT_HEADER_) != 0)) {
		durable = durable == 1 ? 2 : 1;
		SHMBOX_STOP("persist: begun");
		if (shmbox_write_durably_(turn->file, bytes, length, shmbox_snapshot_at_(box, durable)) != 0)
			code = shmbox_failed_(box);
		else
			shmbox_put32_(box, SHMBOX_DURABLE_, durable);
		SHMBOX_STOP("persist: written");
	}
	free(bytes);
	shmbox_lock_call_(turn->file, 37 /* F_OFD_SETLK */, SHMBOX_UNLOCK_, SHMBOX_DISK_BYTE_);
	return code;
}

/* Makes `*newest` a copy, to be freed, of a snapshot of this life that is whole and above a version, and frees what it was: 1, 0 if
 * it is none, or a code. */
static inline int shmbox_decode_(shmbox *box, uint32_t which, uint64_t above, unsigned char **newest)
{
	const unsigned char *const from = box->base + shmbox_snapshot_at_(box, which);
	uint64_t header[SHMBOX_SNAPSHOT_WORDS_], sum;
	unsigned char *bytes;
	size_t length;
	int is_whole;

	shmbox_load_bytes_(SHMBOX_BITS_(unsigned char *, header), from, sizeof header);
	if (memcmp(header, "SHMSNAP\n", sizeof *header) != 0 || header[SHMBOX_OF_] != box->unique || header[SHMBOX_AS_OF_] <= above ||
	    header[SHMBOX_SCHEMA_BYTES_] > box->room || header[SHMBOX_VALUE_BYTES_] > box->capacity || (header[5] | header[6]) != 0)
		return 0;
	length = SHMBOX_TO_(size_t, SHMBOX_SNAPSHOT_HEADER_ + header[SHMBOX_SCHEMA_BYTES_] + header[SHMBOX_VALUE_BYTES_]);
	bytes = SHMBOX_POINTER_(unsigned char *, malloc(length));
	/* Whether there is memory for a copy says nothing of the snapshot: an older one would take its place. */
	if (bytes == SHMBOX_NULL_)
		return shmbox_failed_(box);
	shmbox_load_bytes_(bytes, from, length);
	sum = header[SHMBOX_SUM_];
	header[SHMBOX_SUM_] = 0;
	/* Of the words that were looked at. */
	memcpy(bytes, header, sizeof header);
	is_whole = shmbox_checksum_(bytes, length) == sum;
	free(is_whole ? *newest : bytes);
	if (is_whole)
		*newest = bytes;
	return is_whole;
}

/* Of claims of another life nothing is left. */
static inline void shmbox_forget_claims_(shmbox *box)
{
	uint32_t slot;

	for (slot = 0; slot < box->slots; slot++)
		__atomic_store_n(shmbox_record_at_(box, slot), 0, __ATOMIC_RELAXED);
	shmbox_put32_(box, SHMBOX_LOCK_, 0);
	shmbox_put64_(box, SHMBOX_AWAITED_, 0);
	shmbox_put64_(box, SHMBOX_RANGE_, 0);
	shmbox_slot_event_(box, 0, SHMBOX_FORGOTTEN_);
}

/* Puts the newest whole snapshot in the place of the live value, which no process uses; a table has no owners then: 0 or a code. */
static inline int shmbox_restore_(shmbox *box)
{
	uint32_t const state = ((shmbox_get32_(box, SHMBOX_STATE_) >> 8) + 1) << 8 | SHMBOX_READY_;
	uint64_t header[SHMBOX_SNAPSHOT_WORDS_] = { 0 };
	unsigned char *newest = SHMBOX_NULL_;
	const unsigned char *schema, *value;
	uint32_t which;
	size_t copy;

	if (box->rows > 0) {
		shmbox_forget_claims_(box);
		return 0;
	}
	for (which = 1; which <= 2 && (box->flags & SHMBOX_SNAPSHOTS_) != 0; which++) {
		int const found = shmbox_decode_(box, which, header[SHMBOX_AS_OF_], &newest);

		if (found < 0) {
			free(newest);
			return found;
		}
		if (found == 0)
			continue;
		memcpy(header, newest, sizeof header);
		shmbox_put32_(box, SHMBOX_DURABLE_, which);
	}
	if (newest == SHMBOX_NULL_)
		return SHMBOX_ENOTRESTORED;
	schema = newest + SHMBOX_SNAPSHOT_HEADER_;
	value = schema + header[SHMBOX_SCHEMA_BYTES_];
	shmbox_forget_claims_(box);
	shmbox_put32_(box, SHMBOX_STATE_, state);
	shmbox_store_bytes_(box->base + box->capacity * 3 + box->room * (state >> 8 & 1), schema,
			    SHMBOX_TO_(size_t, header[SHMBOX_SCHEMA_BYTES_]));
	for (copy = 0; copy < 3; copy++)
		shmbox_store_bytes_(box->base + box->capacity * copy, value, SHMBOX_TO_(size_t, header[SHMBOX_VALUE_BYTES_]));
	shmbox_put64_(box, SHMBOX_SEQ_, header[SHMBOX_AS_OF_] * 2);
	free(newest);
	SHMBOX_STOP("file: restored");
	return 0;
}

/* Whether no other process may write to the file: of two that close it at once the later one finds so. */
static inline int shmbox_is_unclaimed_(const shmbox *box)
{
	uint32_t slot;

	for (slot = 0; slot < box->slots; slot++)
		if (!shmbox_claimant_is_gone_(box, shmbox_get_record_(box, slot)) && shmbox_value_(box, slot) != 0)
			return 0;
	return 1;
}

/* ---- Attaching and detaching ---- */

static inline int shmbox_is_trusted_(uid_t user, const shmbox_options *options)
{
	return options->trust == SHMBOX_TRUST_ANYBODY || user == 0 || user == geteuid() ||
		(options->trust == SHMBOX_TRUST_USER && user == options->user);
}

/* Checks the words that say how the segment is divided, each read once. */
static inline int shmbox_check_header_(shmbox *box, uint64_t size)
{
	uint32_t const format = shmbox_get32_(box, SHMBOX_FORMAT_);
	uint32_t const flags = shmbox_get32_(box, SHMBOX_FLAGS_);
	uint64_t const capacity = shmbox_get64_(box, SHMBOX_CAPACITY_);
	uint64_t const room = shmbox_get64_(box, SHMBOX_ROOM_);
	uint32_t const slots = shmbox_get32_(box, SHMBOX_SLOTS_), rows = shmbox_get32_(box, SHMBOX_ROWS_);
	int const table = (flags & SHMBOX_TO_(uint32_t, SHMBOX_TABLE_)) != 0;
	uint32_t const known = SHMBOX_RAW_WRITERS_ | SHMBOX_ALWAYS_NOTIFY_ |
			       (table ? SHMBOX_TABLE_ | SHMBOX_FREE_ON_DEATH_ | SHMBOX_COUNTERS_ : box->is_file ? SHMBOX_SNAPSHOTS_ : 0);
	uint64_t const copies = (flags & SHMBOX_COUNTERS_) != 0 ? 4 : 3;
	uint64_t snapshots = 0;

	if (format != 1)
		return SHMBOX_EFORMAT;
	if (table != (box->on_slot != SHMBOX_NULL_))
		return table ? SHMBOX_ETABLE : SHMBOX_ENOTABLE;
	if ((flags & ~known) != 0 || table != (rows > 0) || rows > SHMBOX_MOST_ROWS_)
		return SHMBOX_EDAMAGED;
	/* Two, on blocks of their own. */
	if ((flags & SHMBOX_SNAPSHOTS_) != 0 && capacity <= size && room <= size)
		snapshots = shmbox_snapshots_size_(capacity, room);
	if (capacity == 0 || room == 0 || capacity % 64 != 0 || room % 64 != 0 || capacity > size / (rows + 1) || room > size ||
	    slots == 0 || slots > SHMBOX_MOST_SLOTS_ ||
	    capacity * (rows + 1) * copies + room * 2 + SHMBOX_TO_(uint64_t, rows) * SHMBOX_ROW_WORDS_ + snapshots +
		    shmbox_records_size_(slots) + SHMBOX_CONTROL_ != size)
		return SHMBOX_EDAMAGED;
	box->slots = slots;
	box->rows = rows;
	box->unique = shmbox_get64_(box, SHMBOX_UNIQUE_);
	box->flags = flags;
	box->capacity = SHMBOX_TO_(size_t, capacity);
	box->room = SHMBOX_TO_(size_t, room);
	return 0;
}

static inline void shmbox_detach_(shmbox *box)
{
	if (box->base != SHMBOX_NULL_ && box->is_file)
		munmap(box->base, SHMBOX_TO_(size_t, box->control - box->base) + SHMBOX_CONTROL_);
	else if (box->base != SHMBOX_NULL_)
		shmdt(box->base);
	box->base = SHMBOX_NULL_;
	if (box->is_file && shmbox_is_intact_(box->file, box->mark))
		close(box->file);
	box->file = SHMBOX_NO_FILE_;
	box->mark = 0;
	if (box->disk != SHMBOX_NULL_)
		shmbox_drop_(box->disk);
	box->disk = SHMBOX_NULL_;
	if (box->alive != SHMBOX_NULL_)
		munmap(box->alive, sizeof(uint32_t));
	box->alive = SHMBOX_NULL_;
}

/* What an attempt to attach came to, beside success and the codes: it is being made, or has gone: look again; and it is one
 * that no process may have begun to make ready. */
enum { SHMBOX_AGAIN_ = 1, SHMBOX_UNBORN_ = 2 };

/* Asks what box->id is, and whether its owner is trusted. */
static inline int shmbox_ask_(shmbox *box, const shmbox_options *options, struct shmid_ds *facts)
{
	if (shmctl(box->id, IPC_STAT, facts) != 0)
		return shmbox_is_gone_() ? SHMBOX_AGAIN_ : shmbox_failed_(box);
	if (!shmbox_is_trusted_(facts->shm_perm.uid, options) || !shmbox_is_trusted_(facts->shm_perm.cuid, options))
		return SHMBOX_EUNTRUSTED;
	return 0;
}

/* Touches huge pages in the kernel, where it is an error and no signal that there are none. Those of other sizes are
 * found when they are needed. */
static inline int shmbox_back_(shmbox *box, size_t size, int read_only)
{
	/* The smallest ones that Linux has there. */
#if defined __x86_64__ || defined __i386__
	uintptr_t const huge = 2 << 20;
#else
	uintptr_t const huge = 64 << 10;
#endif

	/* Only huge pages lie at such an address (as others may) and may not be let grow cold. */
	if (SHMBOX_BITS_(uintptr_t, box->base) % huge != 0 || shmbox_advise_(box->base, 1, 20 /* MADV_COLD */) == 0 || errno != EINVAL)
		return 0;
	/* EINVAL: a kernel before 5.14, which does not know it. */
	if (shmbox_advise_(box->base, size, read_only ? 22 /* MADV_POPULATE_READ */ : 23 /* MADV_POPULATE_WRITE */) == 0 ||
	    errno == EINVAL)
		return 0;
	return shmbox_failed_(box);
}

/* Maps the segment of box->id, as far as the place of its control block is known. Mapped first and asked then, since only
 * an attachment pins what an id means. */
static inline int shmbox_map_(shmbox *box, const shmbox_options *options, int read_only, struct shmid_ds *facts)
{
	void *const base = shmat(box->id, SHMBOX_NULL_, read_only ? SHM_RDONLY : 0);
	int code;

	if (SHMBOX_BITS_(intptr_t, base) == -1) {
		int const error = errno;

		/* Whose it is says more than what may not be done with it. */
		code = shmbox_ask_(box, options, facts);
		if (code == SHMBOX_AGAIN_ || code == SHMBOX_EUNTRUSTED)
			return code;
		errno = error;
		return shmbox_is_gone_() ? SHMBOX_AGAIN_ : shmbox_failed_(box);
	}
	box->base = SHMBOX_POINTER_(unsigned char *, base);
	code = shmbox_ask_(box, options, facts);
	if (code == 0 && (facts->shm_segsz < SHMBOX_CONTROL_ || facts->shm_segsz % 64 != 0))
		code = SHMBOX_EFOREIGN;
	if (code == 0)
		code = shmbox_back_(box, facts->shm_segsz, read_only);
	if (code != 0) {
		shmdt(box->base);
		box->base = SHMBOX_NULL_;
		return code;
	}
	box->control = box->base + facts->shm_segsz - SHMBOX_CONTROL_;
	return 0;
}

static inline uint64_t shmbox_magic_(void)
{
	uint64_t magic;

	memcpy(&magic, "SHMBOX\x1a\n", sizeof magic);
	return magic;
}

/* Checks what makes a segment ready, of which the kernel says that it has so many bytes. */
static inline int shmbox_verify_(shmbox *box, uint64_t size)
{
	int code = shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_));

	if (code == 0)
		code = shmbox_check_header_(box, size);
	return code == 0 ? shmbox_check_schema_(box) : code;
}

/* Attaches what box->id leads to, and checks it. */
static inline int shmbox_attach_(shmbox *box, const shmbox_options *options, struct shmid_ds *facts)
{
	uint32_t state;
	int const code = shmbox_map_(box, options, options->read_only, facts);

	if (code != 0)
		return code;
	state = shmbox_get32_(box, SHMBOX_STATE_);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (state == SHMBOX_NEWBORN_ && (facts->shm_perm.mode & 0111) == 01)
		/* Execute permission for others alone marks a segment that is being made. */
		return SHMBOX_UNBORN_;
	if (shmbox_get64_(box, SHMBOX_MAGIC_) != shmbox_magic_())
		return SHMBOX_EFOREIGN;
	return state == SHMBOX_ADOPTED_ ? SHMBOX_AGAIN_ : shmbox_verify_(box, facts->shm_segsz);
}

/* Lets go of all that the handle holds; the last one that may write to a file makes its value durable, and says whether it did.
 * A handle that is not open is left alone. */
static inline int shmbox_close_(shmbox *box)
{
	struct shmid_ds facts;
	int doomed, code = 0;

	if (box->base == SHMBOX_NULL_)
		return 0;
	shmbox_notice_fork_(box);
	if (box->held == SHMBOX_HELD_)
		shmbox_unlock_(box, box->type);
	if (box->claim != 0) {
		shmbox_slot_event_(box, shmbox_slot_(box->claim), SHMBOX_RETURNED_);
		shmbox_give_back_(box, shmbox_slot_(box->claim), box->record, box->kept);
		if ((box->flags & SHMBOX_SNAPSHOTS_) != 0 && shmbox_is_unclaimed_(box) && !shmbox_is_removed_(box))
			code = shmbox_persist_(box, box->type);
	}
	box->claim = 0;
	box->kept = SHMBOX_NULL_;
	/* Removed with `ipcrm`: the last one attached removes the semaphores. */
	doomed = !box->left && shmbox_is_orphan_(box) == 1;
	/* Where no commit has noticed, those who stay attached are told by this. */
	if (doomed && box->writable && shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_)) == 0)
		shmbox_bury_(box);
	doomed = doomed && !box->is_file && shmbox_find_set_(box) == 0;
	shmbox_detach_(box);
	if (doomed && shmctl(box->id, IPC_STAT, &facts) != 0 && shmbox_is_gone_())
		shmbox_semctl_(box->set, 0, IPC_RMID, SHMBOX_NULL_);
	return code;
}

/* ---- Birth ---- */

/* The steps, and what a death after each leaves, are those of "Birth and removal" in FORMAT.md: the next creator goes on. */

typedef struct shmbox_birth_ {
	const void *value;
	size_t size; /* of the segment */
	int mode, exclusive;
	uint64_t made; /* the number of the file that this call has made; 0: none */
} shmbox_birth_;

/* Divides a new segment as all programs do that know the struct: how many bytes it has, or 0 for too many. */
static inline size_t shmbox_divide_(shmbox *box)
{
	uint64_t const form = SHMBOX_ROOM_HEADER_ + box->type->schema_length;
	uint64_t const room = ((form > 320 ? form * 2 : 640) + 63) / 64 * 64;
	uint64_t const fixed = 2 * room + (SHMBOX_NEW_SLOTS_ + 7) / 8 * 64 + SHMBOX_CONTROL_;
	uint64_t const value = (SHMBOX_TO_(uint64_t, box->type->size) + 63) / 64 * 64;
	uint64_t const pages = (3 * value + fixed + 64 + 4095) / 4096;
	uint64_t const capacity = (pages * 4096 - 64 - fixed) / 3 / 64 * 64;
	uint64_t const size = 3 * capacity + fixed;

	box->capacity = SHMBOX_TO_(size_t, capacity);
	box->room = SHMBOX_TO_(size_t, room);
	box->slots = SHMBOX_NEW_SLOTS_;
	box->rows = 0;
	return size > SIZE_MAX / 2 ? 0 : SHMBOX_TO_(size_t, size);
}

/* Ends the removal of a segment that bears a tombstone. A set that can't be told to be its own is left. */
static inline void shmbox_end_removal_(shmbox *box, const struct shmid_ds *facts)
{
	uint32_t const slots = shmbox_get32_(box, SHMBOX_SLOTS_);
	int const set = shmbox_named_set_(box);

	box->slots = slots > SHMBOX_MOST_SLOTS_ ? 0 : slots;
	box->rows = shmbox_get32_(box, SHMBOX_ROWS_);
	box->unique = shmbox_get64_(box, SHMBOX_UNIQUE_);
	if (shmbox_check_set_(box, set, facts) == 0)
		shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
	/* Only its owner may, and may be at it. */
	if (shmctl(box->id, IPC_RMID, SHMBOX_NULL_) != 0 && errno == EPERM)
		box->error = EPERM;
}

/* Removes the segment that this call has made and can't make ready, unless another process is about to. */
static inline void shmbox_give_up_(shmbox *box)
{
	uint32_t newborn = SHMBOX_NEWBORN_;
	struct shmid_ds facts;

	if (shmctl(box->id, IPC_STAT, &facts) != 0 || facts.shm_cpid != getpid() || (facts.shm_perm.mode & 0111) != 01)
		return;
	if (box->base == SHMBOX_NULL_) {
		if (facts.shm_nattch == 0)
			shmctl(box->id, IPC_RMID, SHMBOX_NULL_);
		return;
	}
	if (shmbox_get32_(box, SHMBOX_LOCK_) != 0)
		return;
	shmbox_put64_(box, SHMBOX_MAGIC_, shmbox_magic_());
	if (shmbox_exchange32_(box, SHMBOX_STATE_, &newborn, SHMBOX_REMOVED_, __ATOMIC_RELEASE))
		shmbox_end_removal_(box, &facts);
}

/* Everything that a ready segment has, but for the word that says so. Under the lock. */
static inline void shmbox_write_first_(shmbox *box, const void *value)
{
	static const unsigned char zeros[64] = { 0 };
	const shmbox_type *const type = box->type;
	shmbox_copies_ const copies = shmbox_copies_of_(box);
	unsigned char *const room = box->base + copies.step * 3;
	uint64_t header[4] = { type->fingerprint, type->size, type->schema_length, 0 };
	uint32_t const version[2] = { type->version, type->align };
	size_t at;

	/* A creator may have died here before: its bytes go. */
	for (at = 0; at < box->capacity; at += sizeof zeros)
		shmbox_store_bytes_(box->base + at, zeros, sizeof zeros);
	SHMBOX_STOP("birth: payload cleared");
	shmbox_store_part_(box->base, shmbox_whole_(type), SHMBOX_POINTER_(const unsigned char *, value));
	shmbox_copy_within_(shmbox_mirror_(&copies, 0), box->base, type->size);
	shmbox_copy_within_(shmbox_mirror_(&copies, 1), box->base, type->size);
	SHMBOX_STOP("birth: copies written");
	shmbox_put64_(box, SHMBOX_SEQ_, 2);
	memcpy(&header[3], version, sizeof version);
	shmbox_store_bytes_(room, SHMBOX_BITS_(const unsigned char *, header), sizeof header);
	shmbox_store_bytes_(room + SHMBOX_ROOM_HEADER_, type->schema, type->schema_length);
	SHMBOX_STOP("birth: schema written");
	shmbox_put64_(box, SHMBOX_MAGIC_, shmbox_magic_());
	SHMBOX_STOP("birth: magic written");
	shmbox_put32_(box, SHMBOX_FORMAT_, 1);
	shmbox_put32_(box, SHMBOX_FLAGS_, 0);
	shmbox_put64_(box, SHMBOX_CAPACITY_, box->capacity);
	shmbox_put64_(box, SHMBOX_ROOM_, box->room);
	SHMBOX_STOP("birth: header written");
}

/* Gives a newborn its number of slots, its own number and its semaphores, unless it has them. */
static inline int shmbox_identify_(shmbox *box, const struct shmid_ds *facts)
{
	uint64_t unique = 0;
	uint32_t slots = 0, none = 0;
	int set;

	shmbox_divide_(box);
	__atomic_compare_exchange_n(shmbox_u64_at_(box, SHMBOX_UNIQUE_), &unique, shmbox_random_(box), 0, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	box->unique = shmbox_get64_(box, SHMBOX_UNIQUE_);
	/* One that makes another number of slots is waited for; a newborn of this call's own is given up by the caller. */
	if (!shmbox_exchange32_(box, SHMBOX_SLOTS_, &slots, box->slots, __ATOMIC_RELAXED) && slots != box->slots)
		return SHMBOX_AGAIN_;
	SHMBOX_STOP("birth: identified");
	if (shmbox_named_set_(box) == -1) {
		set = shmbox_make_set_(box, facts);
		if (set < 0)
			return set;
		if (!shmbox_exchange32_(box, SHMBOX_SET_, &none, SHMBOX_TO_(uint32_t, set) + 1, __ATOMIC_ACQ_REL))
			shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
	}
	SHMBOX_STOP("birth: semaphores installed");
	return shmbox_add_tags_(box, shmbox_named_set_(box)) == 0 || errno == EAGAIN ? 0 : shmbox_set_failed_(box);
}

/* Makes a newborn ready, unless another process is faster. */
static inline int shmbox_complete_(shmbox *box, struct shmid_ds *facts, const shmbox_birth_ *birth)
{
	uint32_t newborn = SHMBOX_NEWBORN_;
	int code = shmbox_identify_(box, facts);

	if (code == 0)
		code = shmbox_join_(box);
	if (code == 0)
		code = shmbox_take_lock_(box);
	if (code != 0)
		return code;
	SHMBOX_STOP("birth: locked");
	if (shmbox_get32_(box, SHMBOX_STATE_) == SHMBOX_NEWBORN_) {
		shmbox_write_first_(box, birth->value);
		/* Its creator may have given it up meanwhile. */
		box->created = shmbox_exchange32_(box, SHMBOX_STATE_, &newborn, SHMBOX_READY_, __ATOMIC_RELEASE);
		SHMBOX_STOP("birth: ready");
		/* Only the owner may clear the mark, which means nothing any more. */
		facts->shm_perm.mode &= 0666;
		shmctl(box->id, IPC_SET, facts);
		SHMBOX_STOP("birth: mark cleared");
	}
	shmbox_release_(box);
	SHMBOX_STOP("birth: let go");
	return shmbox_verify_(box, facts->shm_segsz);
}

/* ---- Opening by key ---- */

/* Looks once at what the key leads to: makes it, makes it ready or ends its removal, if there is a `birth`. */
static inline int shmbox_attempt_(shmbox *box, key_t key, const shmbox_options *options, const shmbox_birth_ *birth)
{
	struct shmid_ds facts;
	int code, error, made = 0;

	box->created = box->error = 0;
	/* It asks for no size: more than there is would be a bare EINVAL. */
	box->id = shmget(key, 0, 0);
	if (box->id < 0 && errno == ENOENT && birth != SHMBOX_NULL_) {
		box->id = shmget(key, birth->size, IPC_CREAT | IPC_EXCL | (birth->mode & 0666) | 01);
		made = box->id >= 0;
		if (!made && errno == EEXIST)
			return SHMBOX_AGAIN_;
		SHMBOX_STOP("birth: segment made");
	}
	if (box->id < 0)
		return errno == ENOENT ? SHMBOX_ENOTFOUND : shmbox_failed_(box);
	code = shmbox_attach_(box, options, &facts);
	if (code == SHMBOX_UNBORN_ && birth != SHMBOX_NULL_ && (made || !birth->exclusive) && facts.shm_segsz == birth->size)
		code = shmbox_complete_(box, &facts, birth);
	else if (code == 0 && box->writable && (birth == SHMBOX_NULL_ || !birth->exclusive))
		code = shmbox_join_(box);
	if (birth != SHMBOX_NULL_ && birth->exclusive && !box->created && (code == 0 || (code == SHMBOX_UNBORN_ && !made)))
		code = SHMBOX_EEXISTS;
	if (code == SHMBOX_EREMOVED && birth != SHMBOX_NULL_) {
		shmbox_end_removal_(box, &facts);
		code = SHMBOX_AGAIN_;
	}
	if (code == 0)
		return 0;
	error = box->error;
	if (made)
		shmbox_give_up_(box);
	shmbox_close_(box);
	box->error = error;
	return code == SHMBOX_UNBORN_ ? SHMBOX_AGAIN_ : code;
}

/* Whether the mode and the value may be a newborn's: 0 or a code. Divides the segment. */
static inline int shmbox_conceive_(shmbox *box, shmbox_birth_ *birth)
{
	if ((birth->mode & 0600) != 0600)
		return SHMBOX_EARGUMENT;
	birth->size = shmbox_divide_(box);
	return birth->size == 0 ? SHMBOX_EINVALID : shmbox_judge_(shmbox_whole_(box->type), birth->value, 1);
}

/* ---- Opening files ---- */

/* Looks where the open file lies. `in_memory`: a restart leaves nothing of it; or -1 on a file system that may move it when the
 * first writer comes. */
static inline int shmbox_ask_system_(shmbox *box, int *in_memory)
{
	static const uint32_t known[] = { 0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, SHMBOX_OVERLAY_,
					  0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */ };
	size_t const count = sizeof known / sizeof known[0];
	struct statfs system;
	size_t i;

	if (fstatfs(box->file, &system) != 0)
		return shmbox_failed_(box);
	for (i = 0; i < count && SHMBOX_TO_(uint32_t, system.f_type) != known[i]; i++)
		;
	if (i == count)
		return SHMBOX_EFILESYSTEM;
	*in_memory = known[i] == SHMBOX_OVERLAY_ ? -1 : i >= count - 2;
	return 0;
}

/* Looks at what was opened: what it is, where, whose, and whether the path leads to it. */
static inline int shmbox_ask_file_(shmbox *box, const char *path, const shmbox_options *options, shmbox_facts_ *facts,
				   int *in_memory)
{
	shmbox_facts_ there;
	int code;

	if (shmbox_stat_(box->file, SHMBOX_NULL_, facts) != 0)
		return shmbox_failed_(box);
	if ((facts->mode & 0170000) != 0100000 /* S_IFREG */)
		return SHMBOX_ENOFILE;
	code = shmbox_ask_system_(box, in_memory);
	if (code != 0)
		return code;
	if (shmbox_stat_(-1, path, &there) != 0)
		return errno == ENOENT ? SHMBOX_AGAIN_ : shmbox_failed_(box);
	if ((there.mode & 0170000) == 0120000 /* S_IFLNK */)
		return SHMBOX_ENOFILE;
	if (!shmbox_is_same_file_(facts, &there))
		return SHMBOX_AGAIN_;
	if (!shmbox_is_trusted_(facts->user, options))
		return SHMBOX_EUNTRUSTED;
	if ((facts->mode & 022 & ~options->mode) != 0)
		return SHMBOX_EEXPOSED;
	return facts->size < SHMBOX_CONTROL_ || facts->size % 64 != 0 || facts->size > SIZE_MAX / 2 ? SHMBOX_EFOREIGN : 0;
}

static inline int shmbox_no_file_(shmbox *box, const char *path)
{
	shmbox_facts_ link;

	switch (errno) {
	/* A link that leads nowhere is one. */
	case ENOENT: return shmbox_stat_(-1, path, &link) == 0 ? SHMBOX_ENOFILE : SHMBOX_ENOTFOUND;
	case EISDIR:
	case ENXIO:
	case ENODEV: return SHMBOX_ENOFILE;
	default: return shmbox_failed_(box);
	}
}

/* Puts the newest durable value in the place of a live one of another life, alone: 0, SHMBOX_AGAIN_ while others have the file, or
 * a code. By a description of its own: two that had the byte together would wait for each other. */
static inline int shmbox_begin_life_(shmbox *box, uint64_t life)
{
	shmbox_kept *alone;
	int code = 0;

	if (shmbox_hold_(box, SHMBOX_LIFE_BYTE_, &alone) != 0)
		return errno == EAGAIN ? SHMBOX_AGAIN_ : shmbox_failed_(box);
	if (__atomic_load_n(shmbox_u64_at_(box, SHMBOX_LIFE_), __ATOMIC_ACQUIRE) != life) {
		/* A copy may be in memory alone, and what is durable by its word is not written again. */
		code = syscall(SYS_fdatasync, box->file) == 0 ? shmbox_restore_(box) : shmbox_failed_(box);
		if (code == 0)
			__atomic_store_n(shmbox_u64_at_(box, SHMBOX_LIFE_), life, __ATOMIC_RELEASE);
	}
	shmbox_drop_(alone);
	return code;
}

/* Makes sure that the live value is one that living processes left, and says that this one is among them. */
static inline int shmbox_enter_(shmbox *box, uint64_t life)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(box);

	if (life == 0)
		return SHMBOX_ENOPROC;
	for (;;) {
		int const got = box->writable ? shmbox_lock_byte_(box->file, SHMBOX_TOGETHER_, SHMBOX_LIFE_BYTE_) : 1;
		int code = SHMBOX_AGAIN_;

		if (got < 0)
			return shmbox_failed_(box);
		if (got == 1) {
			uint64_t const word = __atomic_load_n(shmbox_u64_at_(box, SHMBOX_LIFE_), __ATOMIC_ACQUIRE);

			if (word == life)
				return 0;
			if (!box->writable)
				return SHMBOX_ENOTRESTORED;
			shmbox_lock_call_(box->file, 37 /* F_OFD_SETLK */, SHMBOX_UNLOCK_, SHMBOX_LIFE_BYTE_);
			code = shmbox_begin_life_(box, life);
		}
		if (code < 0)
			return code;
		if (code == 0)
			continue;
		/* Another process restores it, or uses it under another word: from another sandbox. */
		if (shmbox_now_() >= end)
			return SHMBOX_EBUSY;
		shmbox_rest_a_millisecond_();
	}
}

/* Maps the file that was opened, by a description of its own that is closed again: a mapping keeps its description alive. Without
 * a path, one that has none. */
static inline int shmbox_map_file_(shmbox *box, const char *path, int access, const shmbox_facts_ *facts)
{
	int const file = path == SHMBOX_NULL_ ? shmbox_open_again_(box) : shmbox_open_for_(path, access);
	shmbox_facts_ mapped;
	void *base;
	int code = 0;

	if (file < 0)
		return errno == ENOENT ? SHMBOX_AGAIN_ : shmbox_failed_(box);
	if (shmbox_stat_(file, SHMBOX_NULL_, &mapped) != 0)
		code = shmbox_failed_(box);
	else if (!shmbox_is_same_file_(facts, &mapped) || mapped.size != facts->size)
		code = SHMBOX_AGAIN_;
	base = code != 0 ? SHMBOX_NULL_ : mmap(SHMBOX_NULL_, SHMBOX_TO_(size_t, facts->size),
					       PROT_READ | (box->writable ? PROT_WRITE : 0), MAP_SHARED, file, 0);
	if (code == 0 && base == MAP_FAILED)
		code = shmbox_failed_(box);
	close(file);
	if (code != 0)
		return code;
	box->base = SHMBOX_POINTER_(unsigned char *, base);
	box->control = box->base + facts->size - SHMBOX_CONTROL_;
	return 0;
}

/* Looks once at what the path leads to. */
static inline int shmbox_attempt_file_(shmbox *box, const char *path, const shmbox_options *options)
{
	int const access = box->writable ? 2 /* O_RDWR */ : 0 /* O_RDONLY */;
	shmbox_facts_ facts;
	int in_memory = 0, code;

	box->file = shmbox_open_for_(path, access);
	if (box->file < 0)
		return shmbox_no_file_(box, path);
	box->mark = shmbox_mark_(box, box->file);
	code = shmbox_ask_file_(box, path, options, &facts, &in_memory);
	if (code == 0 && in_memory < 0 && !box->writable) {
		/* Opened for writing, it gets its last place; what is opened after that sees what others store. */
		int const moved = shmbox_open_for_(path, 2 /* O_RDWR */);

		if (moved < 0)
			return SHMBOX_EFILESYSTEM;
		close(moved);
		close(box->file);
		box->file = shmbox_open_for_(path, access);
		if (box->file < 0)
			return shmbox_no_file_(box, path);
		box->mark = shmbox_mark_(box, box->file);
		code = shmbox_ask_file_(box, path, options, &facts, &in_memory);
	}
	if (code == 0)
		code = shmbox_map_file_(box, path, access, &facts);
	if (code == 0 && shmbox_get64_(box, SHMBOX_MAGIC_) != shmbox_magic_())
		code = SHMBOX_EFOREIGN;
	if (code == 0)
		code = shmbox_check_header_(box, facts.size);
	if (code == 0)
		code = shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_));
	if (code == 0)
		code = shmbox_enter_(box, shmbox_life_word_(&facts, in_memory == 1));
	if (code == 0)
		code = shmbox_check_schema_(box);
	if (code != 0 || !box->writable)
		return code;
	if ((box->flags & SHMBOX_SNAPSHOTS_) != 0 && (box->disk = shmbox_keep_(box)) == SHMBOX_NULL_)
		return shmbox_failed_(box);
	return shmbox_join_(box);
}

/* Owner's and others' rights, and a byte for each byte: what is set aside only, on a disk, reads as zeros after a power loss. */
static inline int shmbox_furnish_(shmbox *box, const shmbox_birth_ *birth)
{
	static const unsigned char zeros[4096] = { 0 };
	uint64_t limits[2] = { 0, 0 };
	size_t left = birth->size;
	int code = 0;

	/* The kernel ends a process that goes beyond (SIGXFSZ). */
	if (syscall(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, SHMBOX_NULL_, limits) == 0 && left > limits[0]) {
		errno = EFBIG;
		return shmbox_failed_(box);
	}
	if (syscall(SYS_fchmod, box->file, birth->mode & 0666) != 0)
		return shmbox_failed_(box);
	while (left > 0 && code == 0) {
		ssize_t const written = write(box->file, zeros, left < sizeof zeros ? left : sizeof zeros);

		if (written <= 0)
			code = shmbox_failed_(box);
		else
			left -= SHMBOX_TO_(size_t, written);
	}
	/* Also where the disk is full: the descriptor is told by it, and closed. */
	box->mark = shmbox_mark_(box, box->file);
	return code;
}

/* Waits until the name of a new file is on the disk. */
static inline int shmbox_sync_name_(shmbox *box, const char *folder)
{
	int const file = shmbox_open_file_(folder);
	/* A directory may be one that can be written to and not read, or (EINVAL) none that can be synced. */
	int const synced = syscall(file < 0 ? SYS_syncfs : SYS_fsync, file < 0 ? box->file : file) == 0 || errno == EINVAL;
	int const code = synced ? 0 : shmbox_failed_(box);

	if (file >= 0)
		close(file);
	return code;
}

/* Fills a file without a name, and gives it one: 0 or a code. */
static inline int shmbox_fill_(shmbox *box, const char *path, const char *folder, const shmbox_birth_ *birth)
{
	shmbox_path_ const link = shmbox_path_to_(box->file);
	shmbox_facts_ facts;
	int in_memory = 0, code = shmbox_ask_system_(box, &in_memory);
	uint64_t life = 0;

	if (code == 0)
		code = shmbox_furnish_(box, birth);
	if (code == 0 && shmbox_stat_(box->file, SHMBOX_NULL_, &facts) != 0)
		code = shmbox_failed_(box);
	if (code == 0) {
		life = shmbox_life_word_(&facts, in_memory == 1);
		code = life == 0 ? SHMBOX_ENOPROC : shmbox_map_file_(box, SHMBOX_NULL_, 2 /* O_RDWR */, &facts);
	}
	if (code != 0)
		return code;
	box->unique = shmbox_random_(box);
	box->flags = SHMBOX_SNAPSHOTS_;
	box->state = SHMBOX_READY_;
	box->stored = box->type->size;
	shmbox_put64_(box, SHMBOX_UNIQUE_, box->unique);
	shmbox_put32_(box, SHMBOX_SLOTS_, box->slots);
	shmbox_put64_(box, SHMBOX_LIFE_, life);
	shmbox_write_first_(box, birth->value);
	shmbox_put32_(box, SHMBOX_FLAGS_, box->flags);
	shmbox_put32_(box, SHMBOX_STATE_, box->state);
	code = shmbox_persist_(box, box->type);
	if (code == 0 && in_memory != 1 && syscall(SYS_fsync, box->file) != 0)
		code = shmbox_failed_(box);
	if (code != 0)
		return code;
	SHMBOX_STOP("file birth: filled");
	if (syscall(SYS_linkat, -100 /* AT_FDCWD */, link.text, -100, path, 0x400 /* AT_SYMLINK_FOLLOW */) != 0)
		return errno == EEXIST ? SHMBOX_EEXISTS : shmbox_failed_(box);
	SHMBOX_STOP("file birth: named");
	return in_memory == 1 ? 0 : shmbox_sync_name_(box, folder);
}

/* Makes the file of a path, whole or not at all: it has no name before it is whole. 0 or a code; the handle is as it was, but for
 * `unique`, which is the file's. */
static inline int shmbox_bear_(shmbox *box, const char *path, shmbox_birth_ *birth)
{
#if defined(__arm__) || defined(__aarch64__) || defined(__powerpc__)
	int const unnamed = 020000000 | 040000; /* O_TMPFILE */
#else
	int const unnamed = 020000000 | 0200000;
#endif
	const char *const slash = strrchr(path, '/');
	size_t const length = slash == SHMBOX_NULL_ ? 0 : SHMBOX_TO_(size_t, slash - path) + 1;
	char *const folder = SHMBOX_POINTER_(char *, malloc(length + 2));
	int code = SHMBOX_ENOFILE;

	if (folder == SHMBOX_NULL_)
		return shmbox_failed_(box);
	memcpy(folder, path, length);
	memcpy(folder + length, ".", 2);
	box->unique = 0;
	birth->size = shmbox_divide_(box) + SHMBOX_TO_(size_t, shmbox_snapshots_size_(box->capacity, box->room));
	if (path[length] != 0) {
		box->file = shmbox_open_for_(folder, unnamed | 2 /* O_RDWR */);
		if (box->file >= 0)
			code = shmbox_fill_(box, path, folder, birth);
		else
			code = errno == EOPNOTSUPP || errno == EISDIR ? SHMBOX_EFILESYSTEM : shmbox_failed_(box);
	}
	shmbox_detach_(box);
	free(folder);
	return code;
}

/* Takes the name of a file with a tombstone away, which was put back under it: whether it did. */
static inline int shmbox_bury_file_(shmbox *box, const char *path)
{
	shmbox_facts_ facts, there;
	shmbox_kept *turn;
	int buried = 0;

	box->file = shmbox_open_for_(path, 2 /* O_RDWR */);
	if (box->file < 0)
		return 0;
	box->mark = shmbox_mark_(box, box->file);
	if (shmbox_stat_(box->file, SHMBOX_NULL_, &facts) == 0 && (facts.mode & 0170000) == 0100000 /* S_IFREG */ &&
	    facts.size >= SHMBOX_CONTROL_ && facts.size % 64 == 0 && facts.size <= SIZE_MAX / 2 &&
	    shmbox_map_file_(box, path, 2 /* O_RDWR */, &facts) == 0 && shmbox_get64_(box, SHMBOX_MAGIC_) == shmbox_magic_() &&
	    shmbox_is_removed_(box) && shmbox_hold_(box, SHMBOX_NAME_BYTE_, &turn) == 0) {
		/* One at a time: it may lead to a newborn one by now. */
		if (shmbox_stat_(-1, path, &there) == 0 && shmbox_is_same_file_(&facts, &there))
			buried = unlink(path) == 0;
		shmbox_drop_(turn);
	}
	shmbox_detach_(box);
	return buried;
}

/* Looks once at what the path leads to: makes it, or ends its removal, if there is a `birth`. */
static inline int shmbox_attempt_path_(shmbox *box, const char *path, const shmbox_options *options, shmbox_birth_ *birth)
{
	int const exclusive = birth != SHMBOX_NULL_ && birth->exclusive;
	uint64_t const made = birth == SHMBOX_NULL_ ? 0 : birth->made;
	int code = exclusive && made == 0 ? SHMBOX_ENOTFOUND : shmbox_attempt_file_(box, path, options), error = box->error;

	box->created = code == 0 && made != 0 && box->unique == made;
	if (code == 0 && exclusive && !box->created)
		code = SHMBOX_EEXISTS;
	if (code == 0)
		return 0;
	shmbox_close_(box);
	/* Where nothing was mapped yet. */
	shmbox_detach_(box);
	box->error = error;
	if (birth == SHMBOX_NULL_)
		return code;
	if (code == SHMBOX_ENOTFOUND) {
		code = shmbox_bear_(box, path, birth);
		if (code == 0)
			birth->made = box->unique;
		if (code == 0 || (code == SHMBOX_EEXISTS && !exclusive))
			code = SHMBOX_AGAIN_;
	}
	/* Removed by another process that is at it, or put back under its name. */
	if ((code == SHMBOX_EREMOVED || code == SHMBOX_EEXISTS) && (shmbox_bury_file_(box, path) || code == SHMBOX_EREMOVED))
		code = SHMBOX_AGAIN_;
	return code;
}

/* ---- Opening ---- */

/* Opens the segment of a key or, with a path, the file of that, which is made if there is a `birth`; of POSIX shared memory, that is
 * /dev/shm and its name. */
static inline int shmbox_find_(shmbox *box, const shmbox_type *type, key_t key, const char *path, const shmbox_options *options,
			       shmbox_birth_ *birth, void (*on_slot)(shmbox *, uint32_t, int))
{
	static const shmbox_options usual = { 0, 0, SHMBOX_TRUST_SELF, 0, 0 };
	int64_t end;
	int code = 0;

	if (options == SHMBOX_NULL_)
		options = &usual;
	memset(box, 0, sizeof *box);
	box->type = type;
	box->on_slot = on_slot;
	box->set = -1;
	box->pid = getpid();
	box->writable = !options->read_only;
	box->limit_ms = options->limit_ms;
	box->is_file = path != SHMBOX_NULL_;
	box->id = box->file = SHMBOX_NO_FILE_;
	end = shmbox_now_() + shmbox_limit_(box);
	if (path == SHMBOX_NULL_ && key == IPC_PRIVATE)
		return SHMBOX_EARGUMENT;
	if (birth != SHMBOX_NULL_)
		code = shmbox_conceive_(box, birth);
	if (code != 0)
		return code;
	for (;;) {
		/* A compiler may know that there is no path. */
		code = path != SHMBOX_NULL_ ? shmbox_attempt_path_(box, path, options, birth)
					    : shmbox_attempt_(box, key, options, birth);
		if (code != SHMBOX_AGAIN_)
			return code;
		if (shmbox_now_() < end)
			shmbox_rest_a_millisecond_();
		else if (path != SHMBOX_NULL_)
			/* Removed, or put in another's place, again and again. */
			return SHMBOX_EREMOVED;
		else
			return box->error == EPERM ? SHMBOX_ESYSTEM : SHMBOX_EUNFINISHED;
	}
}

static inline int shmbox_open_(shmbox *box, const shmbox_type *type, key_t key, const char *path, const shmbox_options *options)
{
	return shmbox_find_(box, type, key, path, options, SHMBOX_NULL_, SHMBOX_NULL_);
}

static inline int shmbox_create_(shmbox *box, const shmbox_type *type, key_t key, const char *path, int mode, const void *value,
				 int exclusive)
{
	shmbox_options const options = { 0, 0, SHMBOX_TRUST_SELF, 0, mode };
	shmbox_birth_ birth = { value, 0, mode, exclusive, 0 };

	return shmbox_find_(box, type, key, path, &options, &birth, SHMBOX_NULL_);
}

/* ---- Waiting ---- */

static inline int shmbox_version_(shmbox *box, const shmbox_type *type, uint64_t *version)
{
	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	*version = shmbox_get64_(box, SHMBOX_SEQ_) / 2;
	return shmbox_check_(box);
}

/* Announces a wait for `version`; whether those who commit will heed it. */
static inline int shmbox_will_be_woken_(const shmbox *box, uint64_t version)
{
	uint64_t seen;

	if ((box->flags & SHMBOX_ALWAYS_NOTIFY_) != 0)
		return 1;
	if (!box->writable)
		return 0;
	seen = shmbox_get64_(box, SHMBOX_AWAITED_);
	while (seen < version && !__atomic_compare_exchange_n(shmbox_u64_at_(box, SHMBOX_AWAITED_), &seen, version, 0,
							      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	/* Either a writer sees this announcement, or the caller's next look sees its commit. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	SHMBOX_STOP("wait: announced");
	return shmbox_barrier_everywhere_();
}

static inline int shmbox_wait_(shmbox *box, const shmbox_type *type, uint64_t version, int timeout_ms)
{
	int64_t now, looked, end;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	now = looked = shmbox_now_();
	end = now + timeout_ms * SHMBOX_MS_;
	for (;; now = shmbox_now_()) {
		uint64_t const seq = shmbox_get64_(box, SHMBOX_SEQ_);
		int64_t nap;
		int code;

		if (seq / 2 > version)
			return 0;
		code = shmbox_check_(box);
		if (code != 0)
			return code;
		if (timeout_ms >= 0 && now >= end)
			return SHMBOX_ETIMEDOUT;
		if (now - looked >= 250 * SHMBOX_MS_) {
			/* Another program may have removed it, which leaves no trace in memory. */
			if (box->writable ? shmbox_recheck_(box) == SHMBOX_EREMOVED : shmbox_is_orphan_(box) == 1)
				return SHMBOX_EREMOVED;
			looked = now;
		}
		nap = (shmbox_will_be_woken_(box, seq / 2 + 1) ? 250 : 2) * SHMBOX_MS_;
		if (timeout_ms >= 0 && end - now < nap)
			nap = end - now;
		if (shmbox_get64_(box, SHMBOX_SEQ_) == seq)
			shmbox_sleep_(shmbox_seq_low_(box), SHMBOX_TO_(uint32_t, seq), nap);
	}
}

/* ---- For C++ ---- */

#ifdef __cplusplus
extern "C++" {
/* A handle that closes itself, and can be moved. Its functions return what those of C return; all others take `handle()`. */
template <typename Value, typename Of> class shmbox_owner {
public:
	shmbox_owner() noexcept : box_() {}
	shmbox_owner(shmbox_owner &&other) noexcept : box_(other.box_) { other.box_ = shmbox(); }
	~shmbox_owner() { shmbox_close_(&box_); }

	shmbox_owner &operator=(shmbox_owner other) noexcept
	{
		shmbox const mine = box_;

		box_ = other.box_;
		other.box_ = mine;
		return *this;
	}

	[[nodiscard]] int open(key_t key, const shmbox_options *options = nullptr) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_open_(&box_, Of::type(), key, nullptr, options);
	}

	[[nodiscard]] int open_file(const char *path, const shmbox_options *options = nullptr) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_open_(&box_, Of::type(), 0, path, options);
	}

	[[nodiscard]] int create(key_t key, int mode, const Value &value) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_create_(&box_, Of::type(), key, nullptr, mode, &value, 1);
	}

	[[nodiscard]] int open_or_create(key_t key, int mode, const Value &value) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_create_(&box_, Of::type(), key, nullptr, mode, &value, 0);
	}

	[[nodiscard]] int create_file(const char *path, int mode, const Value &value) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_create_(&box_, Of::type(), 0, path, mode, &value, 1);
	}

	[[nodiscard]] int open_or_create_file(const char *path, int mode, const Value &value) noexcept
	{
		shmbox_close_(&box_);
		return shmbox_create_(&box_, Of::type(), 0, path, mode, &value, 0);
	}

	[[nodiscard]] int persist() noexcept { return shmbox_persist_(&box_, Of::type()); }

	[[nodiscard]] int get(Value &value, uint64_t *version = nullptr) noexcept
	{
		return shmbox_get_(&box_, Of::type(), shmbox_whole_(Of::type()), &value, version);
	}

	[[nodiscard]] int set(const Value &value, uint64_t *version = nullptr) noexcept
	{
		return shmbox_set_(&box_, Of::type(), shmbox_whole_(Of::type()), &value, version);
	}

	/* Calls `change` with a reference to the value, under the lock, and commits it. An exception commits nothing. */
	template <typename Change> [[nodiscard]] int update(Change &&change, uint64_t *version = nullptr)
	{
		struct unlocker {
			shmbox *box;
			~unlocker() { shmbox_unlock_(box, Of::type()); }
		};
		Value value;
		int code = shmbox_lock_(&box_, Of::type());

		if (code != 0)
			return code;
		unlocker const last = { &box_ };
		code = shmbox_load_(last.box, Of::type(), shmbox_whole_(Of::type()), &value);
		if (code == 0) {
			change(value);
			code = shmbox_commit_held_(last.box, Of::type(), shmbox_whole_(Of::type()), &value, version);
		}
		return code;
	}

	shmbox *handle() noexcept { return &box_; }

private:
	shmbox box_;
};
}
#endif

#endif /* SHMBOX_H_1 */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this header was generated for processors of the other byte order"
#endif

#ifndef SHMBOX_TYPE_st_pid
#define SHMBOX_TYPE_st_pid 0x1ca2ab2354051c3a
struct st_pid {
	int32_t pid;
	char names[51];
};
SHMBOX_STRUCT_(struct st_pid, 56, 4);
SHMBOX_MEMBER_(struct st_pid, pid, 0, 4);
SHMBOX_MEMBER_(struct st_pid, names, 4, 51);
static inline void st_pid_store_(unsigned char *to, const unsigned char *from)
{
	shmbox_store_bytes_(to + 0, from + 0, 55);
}
#elif SHMBOX_TYPE_st_pid != 0x1ca2ab2354051c3a
#error "two headers define different layouts of struct st_pid: generate both from one version of it"
#endif

#define ST_PID_FINGERPRINT UINT64_C(0x11edb9bc7d83edc9)
#define ST_PID_SCHEMA_VERSION 1
/* Bytes of a segment: shmget(key, ST_PID_SEGMENT_SIZE, IPC_CREAT | 0600) makes one for a Rust program to adopt. */
#define ST_PID_SEGMENT_SIZE UINT64_C(3968)

static inline const shmbox_type *st_pid_type_(void)
{
	static const unsigned char schema[] = {
		0x01, 0x01, 0x22, 0x05, 0x53, 0x74, 0x50, 0x69, 0x64, 0x01, 0x00, 0x00, 0x00, 0x38, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x70, 0x69, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0x05, 0x6e, 0x61, 0x6d, 0x65, 0x73, 0x04, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x33, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
		0x00, 0x00, 0x00
	};
	static const shmbox_type type = {
		ST_PID_FINGERPRINT, sizeof(struct st_pid), 1, 4, SHMBOX_NULL_, st_pid_store_, schema, sizeof schema, SHMBOX_NULL_, 0
	};

	return &type;
}

/* Attaches the segment of `key`, and checks that it holds a struct st_pid. */
static inline int st_pid_open(shmbox *box, key_t key)
{
	return shmbox_open_(box, st_pid_type_(), key, SHMBOX_NULL_, SHMBOX_NULL_);
}

/* The same for reading alone: needs no right to write, and takes earlier versions of the struct. */
static inline int st_pid_open_read_only(shmbox *box, key_t key)
{
	shmbox_options const options = { 1, 0, SHMBOX_TRUST_SELF, 0, 0 };

	return shmbox_open_(box, st_pid_type_(), key, SHMBOX_NULL_, &options);
}

/* The same with options of the caller's. */
static inline int st_pid_open_with(shmbox *box, key_t key, const shmbox_options *options)
{
	return shmbox_open_(box, st_pid_type_(), key, SHMBOX_NULL_, options);
}

/* Opens the value in a file, or in POSIX shared memory: `/name` is the file /dev/shm/name. `options` may be NULL. After a restart of
 * the machine, the first one that opens it for writing brings the newest durable value back. */
static inline int st_pid_open_file(shmbox *box, const char *path, const shmbox_options *options)
{
	return shmbox_open_(box, st_pid_type_(), 0, path, options);
}

/* Makes the segment of `key`, with a first value and a mode such as 0640; SHMBOX_EEXISTS if there is one. */
static inline int st_pid_create(shmbox *box, key_t key, int mode, const struct st_pid *value)
{
	return shmbox_create_(box, st_pid_type_(), key, SHMBOX_NULL_, mode, value, 1);
}

/* Opens the segment of `key`, or makes it: box->created tells which. A birth that another process did not live to end is
 * ended. */
static inline int st_pid_open_or_create(shmbox *box, key_t key, int mode, const struct st_pid *value)
{
	return shmbox_create_(box, st_pid_type_(), key, SHMBOX_NULL_, mode, value, 0);
}

/* Makes the file of a path, with a first value and a mode such as 0640: whole, or not at all. SHMBOX_EEXISTS if there is one. */
static inline int st_pid_create_file(shmbox *box, const char *path, int mode, const struct st_pid *value)
{
	return shmbox_create_(box, st_pid_type_(), 0, path, mode, value, 1);
}

/* Opens the file of a path, or makes it: box->created tells which. Others may write it as far as `mode` lets them. */
static inline int st_pid_open_or_create_file(shmbox *box, const char *path, int mode, const struct st_pid *value)
{
	return shmbox_create_(box, st_pid_type_(), 0, path, mode, value, 0);
}

/* Brings the newest committed value of a file to its disk, and waits for it: what 0 was said of survives a power loss. */
static inline int st_pid_persist(shmbox *box)
{
	return shmbox_persist_(box, st_pid_type_());
}

/* Detaches, and lets go of lock and slot. The last one of a file that may write makes its value durable; what comes of that, it
 * returns. */
static inline int st_pid_close(shmbox *box)
{
	return shmbox_close_(box);
}

/* A consistent copy of the value, and its version unless `version` is NULL. No system call; never waits for a writer. */
static inline int st_pid_get(shmbox *box, struct st_pid *value, uint64_t *version)
{
	return shmbox_get_(box, st_pid_type_(), shmbox_whole_(st_pid_type_()), value, version);
}

/* Commits a value: all of it or, if this process dies, nothing. */
static inline int st_pid_set(shmbox *box, const struct st_pid *value, uint64_t *version)
{
	return shmbox_set_(box, st_pid_type_(), shmbox_whole_(st_pid_type_()), value, version);
}

/* Takes the lock: until `st_pid_unlock`, or the death of this process, no other process commits. */
static inline int st_pid_lock(shmbox *box)
{
	return shmbox_lock_(box, st_pid_type_());
}

/* The value under the lock. */
static inline int st_pid_load(shmbox *box, struct st_pid *value)
{
	return shmbox_load_(box, st_pid_type_(), shmbox_whole_(st_pid_type_()), value);
}

/* Commits under the lock, as often as one likes. */
static inline int st_pid_commit(shmbox *box, const struct st_pid *value, uint64_t *version)
{
	return shmbox_commit_(box, st_pid_type_(), value, version);
}

/* Lets the lock go. */
static inline int st_pid_unlock(shmbox *box)
{
	return shmbox_unlock_(box, st_pid_type_());
}

/* The version that stands: each commit raises it. */
static inline int st_pid_version(shmbox *box, uint64_t *version)
{
	return shmbox_version_(box, st_pid_type_(), version);
}

/* Sleeps until a version above `version` stands; SHMBOX_ETIMEDOUT after `timeout_ms`, if that is not negative. */
static inline int st_pid_wait(shmbox *box, uint64_t version, int timeout_ms)
{
	return shmbox_wait_(box, st_pid_type_(), version, timeout_ms);
}

#ifdef __cplusplus
extern "C++" {
struct st_pid_of_ {
	static const shmbox_type *type() noexcept { return st_pid_type_(); }
};
/* With open, create, open_or_create, these three of files, get, set, update(function), persist and handle(). */
using st_pid_box = shmbox_owner<struct st_pid, st_pid_of_>;
}
#endif

/*
 * For each field, also of structs inside and (`_at`) of elements of arrays: st_pid_load_FIELD copies it, without a system
 * call. st_pid_store_FIELD commits it alone, at the cost of its bytes: a text is stored from a string. st_pid_add_FIELD adds to
 * an integer, which wraps, and tells what it was unless `before` is NULL.
 */
SHMBOX_LOAD_(st_pid_load_pid, st_pid_type_, int32_t *value, shmbox_part_at_(1, 0, 4, 1, SHMBOX_NULL_, SHMBOX_NULL_), shmbox *box)
SHMBOX_STORE_(st_pid_store_pid, shmbox_set_, box, st_pid_type_, int32_t value, &value, shmbox_part_at_(1, 0, 4, 1, SHMBOX_NULL_, SHMBOX_NULL_), shmbox *box)
SHMBOX_ADD_(st_pid_add_pid, shmbox_increase_, box, st_pid_type_, int32_t, shmbox_part_at_(1, 0, 4, 1, SHMBOX_NULL_, SHMBOX_NULL_), shmbox *box)
SHMBOX_LOAD_(st_pid_load_names, st_pid_type_, char (*value)[51], shmbox_part_at_(1, 4, 51, 1, SHMBOX_NULL_, SHMBOX_NULL_), shmbox *box)
SHMBOX_TEXT_(st_pid_store_names, shmbox_set_, box, st_pid_type_, 51, shmbox_part_at_(1, 4, 51, 1, SHMBOX_NULL_, SHMBOX_NULL_), shmbox *box)

#endif /* SHMBOX_HEADER_ST_PID_11EDB9BC7D83EDC9 */
