enum {
	SHMBOX_CONTROL_ = 320, SHMBOX_MAGIC_ = 0, SHMBOX_FORMAT_ = 8, SHMBOX_FLAGS_ = 12, SHMBOX_CAPACITY_ = 16,
	SHMBOX_ROOM_ = 24, SHMBOX_UNIQUE_ = 32, SHMBOX_SLOTS_ = 40, SHMBOX_SET_ = 64, SHMBOX_CLAIMS_ = 68,
	SHMBOX_REPLACED_ = 72, SHMBOX_SEQ_ = 128, SHMBOX_STATE_ = 136,
	SHMBOX_RANGE_ = 144, SHMBOX_LOCK_ = 192, SHMBOX_AWAITED_ = 256
};
enum { SHMBOX_RAW_WRITERS_ = 1, SHMBOX_ALWAYS_NOTIFY_ = 2 };
enum { SHMBOX_NEWBORN_ = 0, SHMBOX_READY_ = 1, SHMBOX_REMOVED_ = 2, SHMBOX_ADOPTED_ = 4 };
enum { SHMBOX_MOST_SLOTS_ = 1022, SHMBOX_HELD_ = 1, SHMBOX_HELD_BY_PARENT_ = 2 };
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

static inline int shmbox_exchange32_(const shmbox *box, size_t offset, uint32_t *expected, uint32_t wanted, int order)
{
	return __atomic_compare_exchange_n(shmbox_u32_at_(box, offset), expected, wanted, 0, order, __ATOMIC_RELAXED);
}

/* Copies. Others may write to a segment at any time, so each access is atomic; what a copy is worth, the sequence says. */

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

static inline unsigned char *shmbox_mirror_(const shmbox *box, uint64_t version)
{
	return box->base + box->capacity * SHMBOX_TO_(size_t, 1 + version % 2);
}

/* System calls. */

static inline int shmbox_failed_(shmbox *box)
{
	box->error = errno;
	return SHMBOX_ESYSTEM;
}

/* Nanoseconds of the monotonic clock. */
static inline int64_t shmbox_now_(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return SHMBOX_TO_(int64_t, now.tv_sec) * 1000 * SHMBOX_MS_ + SHMBOX_TO_(int64_t, now.tv_nsec);
}

static inline int64_t shmbox_limit_(const shmbox *box)
{
	return (box->limit_ms > 0 ? box->limit_ms : 5000) * SHMBOX_MS_;
}

static inline void shmbox_rest_a_millisecond_(void)
{
	struct timespec nap;

	nap.tv_sec = 0;
	nap.tv_nsec = 1000000;
	nanosleep(&nap, SHMBOX_NULL_);
}

/* Sleeps until woken, for `nap` nanoseconds at most, or not at all if the word is another one. */
static inline void shmbox_sleep_(const void *word, uint32_t expected, int64_t nap)
{
	/* The kernel's struct, which has another size than libc's where time_t was widened. */
#ifdef SYS_futex
	struct { long seconds, nanoseconds; } time;
	long const call = SYS_futex;

	time.seconds = SHMBOX_TO_(long, nap / (1000 * SHMBOX_MS_));
	time.nanoseconds = SHMBOX_TO_(long, nap % (1000 * SHMBOX_MS_));
#else
	struct { int64_t seconds, nanoseconds; } time;
	long const call = SYS_futex_time64;

	time.seconds = nap / (1000 * SHMBOX_MS_);
	time.nanoseconds = nap % (1000 * SHMBOX_MS_);
#endif
	syscall(call, word, 0 /* FUTEX_WAIT */, expected, &time, SHMBOX_NULL_, 0);
}

static inline void shmbox_wake_(const void *word, int count)
{
#ifdef SYS_futex
	long const call = SYS_futex;
#else
	long const call = SYS_futex_time64;
#endif
	syscall(call, word, 1 /* FUTEX_WAKE */, count, SHMBOX_NULL_, SHMBOX_NULL_, 0);
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

