/*
 * The part that all headers made by shm-core have in common: the protocol of FORMAT.md, format 1, for C11 and C++17 on
 * Linux, with the __atomic builtins of gcc and clang. Nothing to link. The functions without a trailing underscore
 * return 0 or a negative SHMBOX_E... code.
 *
 * With -std=c11 include this before any header of the system, or define _DEFAULT_SOURCE: strict C hides syscall().
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
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#if defined(__GLIBC__) && !defined(__USE_MISC)
#error "include this header before the headers of the system, or define _DEFAULT_SOURCE"
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
#define SHMBOX_SIZE_OF_(name, member) sizeof(name::member)
#define SHMBOX_NULL_ nullptr
#else
#define SHMBOX_TO_(type, value) ((type)(value))
#define SHMBOX_POINTER_(type, value) ((type)(value))
#define SHMBOX_BITS_(type, value) ((type)(value))
#define SHMBOX_SIZE_OF_(name, member) sizeof(((struct name *)0)->member)
#define SHMBOX_NULL_ NULL
#endif

SHMBOX_STATIC_ASSERT(sizeof(bool) == 1, "bool in shared memory is one byte");

/*
 * 2 is always; 1 may be a library, with a lock of each process's own. clang says 1 also for i386 from the Pentium on, of
 * integers that are not aligned to 8; those here are.
 */
#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2 && !(defined(__i386__) && defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8))
#error "this target has no lock-free 64-bit atomics, which processes need to share memory"
#endif

/* What a function returns if it is not 0. */
enum {
	SHMBOX_ESYSTEM = -1,        /* a system call failed; the handle's `error` is its errno */
	SHMBOX_ENOTFOUND = -2,      /* the key leads to no segment */
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
	SHMBOX_EFORKED = -17,       /* the lock was taken by the parent, before the fork */
	SHMBOX_EREADONLY = -18,     /* attached for reading only */
	SHMBOX_EINVALID = -19,      /* a bool, a char, an enum or the length of a vector is none */
	SHMBOX_ETIMEDOUT = -20,     /* the time is over and no newer version came */
	SHMBOX_EARGUMENT = -21,     /* key 0, or a handle that is not open for this struct */
	SHMBOX_ELEFT = -22,         /* this process has left the segment's IPC namespace, or lost its slot: it can only read */
	SHMBOX_ESETLOST = -23,      /* the semaphore set that tells who is alive has been removed */
	SHMBOX_EUNJUDGED = -24,     /* whether a process lives that may hold the lock can't be told from here */
	SHMBOX_ENOUNDO = -25        /* the kernel undoes no semaphores when a process dies */
};

static inline const char *shmbox_strerror(int code)
{
	switch (code) {
	case 0: return "success";
	case SHMBOX_ESYSTEM: return "a system call failed: the handle's `error` is its errno";
	case SHMBOX_ENOTFOUND: return "the key leads to no segment: start the program that creates it, or look in `ipcs -m`, in its container if it runs in one";
	case SHMBOX_EFOREIGN: return "another program laid the segment out: it has no control block";
	case SHMBOX_EUNTRUSTED: return "the segment's owner or creator is neither this user nor root: say whom to trust in shmbox_options";
	case SHMBOX_EDAMAGED: return "the segment or its semaphore set contradicts itself: find who wrote there, then remove it with shm_core::remove in Rust and create it anew";
	case SHMBOX_EFORMAT: return "the segment has a format that this header does not know: generate the header anew";
	case SHMBOX_EMISMATCH: return "the segment holds another layout than this header's struct: generate the header anew";
	case SHMBOX_ENEEDSUPGRADE: return "the segment holds an earlier version of this struct: open it for reading only (fields that it lacks read as their defaults, if the text that was generated from the Rust type knows them), or let a Rust program that has this version upgrade it with `SharedBox::<T>::options().upgrade(true).open(key)`";
	case SHMBOX_EREMOVED: return "the segment has been removed: open it again";
	case SHMBOX_EUNFINISHED: return "somebody began to create the segment and did not end it: start that program again";
	case SHMBOX_EBUSY: return "a living process keeps the lock";
	case SHMBOX_EOVERTAKEN: return "writers replaced the value faster than it could be copied";
	case SHMBOX_ESLOTS: return "all slots for writing processes are in use: close handles that write no more";
	case SHMBOX_EREENTRANT: return "this handle holds the lock already";
	case SHMBOX_EUNLOCKED: return "this handle does not hold the lock";
	case SHMBOX_EFORKED: return "the lock belongs to the process that forked this one";
	case SHMBOX_EREADONLY: return "the segment was opened for reading only";
	case SHMBOX_EINVALID: return "a bool, a char, an enum or the length of a vector is none, or one of a newer version, which a commit would destroy";
	case SHMBOX_ETIMEDOUT: return "the time is over and no newer version came";
	case SHMBOX_EARGUMENT: return "key 0, or a handle that is not open for this struct";
	case SHMBOX_ELEFT: return "this process has left the segment's IPC namespace (setns, unshare), or a peer took its slot: it can read, and write after it has opened the segment again there";
	case SHMBOX_ESETLOST: return "the segment's semaphores have been removed (`ipcrm -s`, or systemd's RemoveIPC at a logout): open it again as its owner or root";
	case SHMBOX_EUNJUDGED: return "whether a process that may hold the lock is alive can't be told from here: it is in another pid or time namespace, or /proc is missing";
	case SHMBOX_ENOUNDO: return "the kernel refuses to undo semaphores when a process dies, which writers need: this sandbox lacks SEM_UNDO; what opens it for reading only works";
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
	const unsigned char *bytes; /* NULL: zeros */
} shmbox_added;

/* What a generated header tells of its struct. */
typedef struct shmbox_type {
	uint64_t fingerprint;
	size_t size;
	int (*is_valid)(const unsigned char *bytes);                   /* NULL: every bit pattern is a value */
	void (*store)(unsigned char *to, const unsigned char *from); /* all but padding; NULL: there is none */
	const unsigned char *schema; /* the stored form */
	size_t schema_length;
	const shmbox_added *added; /* NULL: no defaults are known, and earlier versions are not read */
} shmbox_type;

/* Whose segments are trusted: whoever owns one can change, starve and remove it at any time. */
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
} shmbox_options;

/*
 * A handle: one process's attachment to one segment. For one thread at a time; other threads open handles of their own.
 * Each handle that may write takes one of the segment's slots (248, unless more were asked for) when it is opened. Its
 * members are nobody's but these functions', save `error` and `limit_ms`.
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
	uint64_t unique;        /* tells the segment's creation from others of its id */
	uint64_t record;        /* what tells who claimed a slot; see `claim` */
	uint32_t state;         /* the state word for which the schema was checked */
	uint32_t earlier;       /* the schema version of the segment, if that is before this struct's; else 0 */
	uint64_t awaited;       /* a version whose waiters are not woken yet; 0: none */
	uint32_t *alive;        /* on a page that the kernel wipes in a child; NULL: none was to be had */
	pid_t pid;
	key_t key;
	int id, set;            /* ids of the segment and of its semaphore set; set is -1 before it was checked */
	uint32_t claim;         /* what the lock holds while this handle owns it; 0: no slot yet */
	int writable, held;
	int left;               /* the process has left the segment's IPC namespace: it does not write by this handle */
} shmbox;

