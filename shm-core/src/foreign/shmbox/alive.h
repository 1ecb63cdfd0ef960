/*
 * Who is alive: for each slot a semaphore, which the kernel undoes when its claimant dies, and a record of who that is. A
 * claimant is dead only if no witness says that it lives: see "Slots", "Records" and "Verdict" of FORMAT.md.
 */

/* How closely to look at an owner whose semaphore says that it lives: it may be in its exit, and a peer may have set the
 * semaphore of a dead one. */
enum { SHMBOX_SHORT_, SHMBOX_LONG_, SHMBOX_LAST_ };

/* What the kernel says of processes. Each answer that may err errs towards alive. Nothing here allocates. */

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

/* /proc/PID and what follows it; /proc/self for 0. */
static inline shmbox_path_ shmbox_proc_(uint32_t pid, const char *rest)
{
	shmbox_path_ path;

	path.length = 0;
	shmbox_add_(&path, "/proc/");
	if (pid == 0)
		shmbox_add_(&path, "self");
	else
		shmbox_add_number_(&path, pid);
	shmbox_add_(&path, rest);
	return path;
}

/* open(2) without <fcntl.h>, which has macros with names of fields. */
static inline int shmbox_open_file_(const char *path)
{
	return SHMBOX_TO_(int, syscall(SYS_openat, -100 /* AT_FDCWD */, path, 02000000 /* O_CLOEXEC */, 0));
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

/* Records. */

static inline uint32_t shmbox_record_pid_(uint64_t record)
{
	return SHMBOX_TO_(uint32_t, record & 0x3fffff);
}

static inline uint64_t shmbox_record_start_(uint64_t record)
{
	return record >> 22 & 0x3fffff;
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
	ssize_t const length = readlink(path, target, sizeof target - 1);
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
	uint64_t flags = 0, start = 0, space;

	/* Without /proc it is not comparable. */
	if (pids == 0 || !shmbox_read_stat_("/proc/self/stat", &flags, &start))
		return record;
	space = (pids + 61 * shmbox_link_("/proc/thread-self/ns/time")) & 0xfff;
	return record | (start & 0x3fffff) << 22 | (space == 0 ? 1 : space) << 44;
}

static inline shmbox_u64_ *shmbox_record_at_(const shmbox *box, uint32_t slot)
{
	void *const place = box->base + box->capacity * 3 + box->room * 2 + SHMBOX_TO_(size_t, slot) * 8;

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
	return (start & 0x3fffff) == shmbox_record_start_(record);
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

/* The semaphores. */

/* What the semaphores behind the slots hold: `which` is 0 for the one that the kernel's id tells, 1 for the other. */
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

/* The semaphore of a slot; -1 if it can't be read. */
static inline int shmbox_value_(const shmbox *box, uint32_t slot)
{
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

static inline int shmbox_raise_(int set, uint32_t slot)
{
	struct sembuf raise[2];

	shmbox_if_zero_add_(raise, slot, 1, SEM_UNDO);
	return semop(set, raise, 2);
}

/* Both at once: no process sees a set with one of them. */
static inline int shmbox_add_tags_(const shmbox *box, int set)
{
	struct sembuf add[4];

	shmbox_if_zero_add_(add, box->slots, shmbox_tag_(box, 0), 0);
	shmbox_if_zero_add_(add + 2, box->slots + 1, shmbox_tag_(box, 1), 0);
	return semop(set, add, 4);
}

static inline void shmbox_lower_(int set, uint32_t slot)
{
	struct sembuf lower;

	lower.sem_num = SHMBOX_TO_(unsigned short, slot);
	lower.sem_op = -1;
	lower.sem_flg = IPC_NOWAIT | SEM_UNDO;
	semop(set, &lower, 1);
}

/* Whether a set with as many semaphores bears this segment's tags: 1, 0 or -1 (errno). `none`: whether it bears none. */
static inline int shmbox_is_tagged_(const shmbox *box, int set, int *none)
{
	int first = shmbox_semctl_(set, box->slots, GETVAL, SHMBOX_NULL_);
	int const second = first < 0 ? -1 : shmbox_semctl_(set, box->slots + 1, GETVAL, SHMBOX_NULL_);

	/* They may have been added between the two looks. */
	if (first == 0 && second > 0)
		first = shmbox_semctl_(set, box->slots, GETVAL, SHMBOX_NULL_);
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
	if (key != IPC_PRIVATE || facts.sem_nsems != box->slots + 2 ||
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

/* Verdicts. */

static inline uint32_t shmbox_slot_(uint32_t word)
{
	return (word & 0x3ff) - 1;
}

/* Whether a word of the lock is this handle's claim, whoever sleeps on it. */
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
 * GETVAL takes the same lock in the kernel as the undo, so whoever reads a 0 sees what the dead one stored. */
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

/* Leaving, and losing. */

/* Notes a fork: the child has the memory and none of the kernel's promises to its parent. */
static inline void shmbox_notice_fork_(shmbox *box)
{
	if (box->alive != SHMBOX_NULL_ ? __atomic_load_n(box->alive, __ATOMIC_RELAXED) != 0 : box->pid == getpid())
		return;
	if (box->alive != SHMBOX_NULL_)
		__atomic_store_n(box->alive, 1, __ATOMIC_RELAXED);
	box->pid = getpid();
	box->claim = 0;
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
	if (madvise(page, sizeof(uint32_t), 18 /* MADV_WIPEONFORK */) != 0) {
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
	void *const other = shmat(box->id, SHMBOX_NULL_, SHM_RDONLY);
	struct shmid_ds facts;
	int here = 0;

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

	__atomic_store_n(shmbox_u32_at_(box, SHMBOX_STATE_), (state & ~UINT32_C(0xff)) | SHMBOX_REMOVED_, __ATOMIC_RELAXED);
	shmbox_wake_waiters_(box);
	shmbox_wake_(box->control + SHMBOX_LOCK_, INT_MAX);
	return SHMBOX_EREMOVED;
}

/* Whether the kernel keeps the segment only for those that are attached: 1, 0, or SHMBOX_ELEFT if it speaks of another one,
 * which has the id in the namespace of this thread. */
static inline int shmbox_is_orphan_(const shmbox *box)
{
	struct shmid_ds facts;

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
	if (shmbox_raise_(box->set, shmbox_slot_(box->claim)) == 0)
		return 0;
	/* Above 0 by now; or lost at once, or out of this process's rights, where the record goes on to speak for it. */
	if (errno == EAGAIN || errno == EACCES || shmbox_is_gone_())
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

/* Claims. */

static inline void shmbox_repair_(shmbox *box);
static inline void shmbox_release_(shmbox *box);

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
static inline int shmbox_take_slot_(shmbox *box)
{
	uint32_t step;

	for (step = 0; step < box->slots; step++) {
		uint32_t const slot = (SHMBOX_TO_(uint32_t, box->pid) + step) % box->slots;
		uint64_t const seen = shmbox_get_record_(box, slot);

		if (!shmbox_is_free_(box, slot, seen))
			continue;
		if (shmbox_raise_(box->set, slot) != 0) {
			struct semid_ds facts;
			int code;

			if (errno == EAGAIN)
				continue;
			if (errno == EACCES || errno == ENOMEM || errno == ENOSPC)
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
		shmbox_lower_(box->set, slot);
	}
	return SHMBOX_ESLOTS;
}

/* Gives a slot back: the semaphore only if it is known to be this segment's. */
static inline void shmbox_give_back_(shmbox *box, uint32_t slot, uint64_t record)
{
	int const released = shmbox_exchange_record_(box, slot, record, 0);

	SHMBOX_STOP("claim: record released");
	if (released && !box->left && shmbox_find_set_(box) == 0)
		shmbox_lower_(box->set, slot);
	SHMBOX_STOP("claim: given back");
}

/* Takes a slot for this handle, unless it has one. */
static inline int shmbox_claim_(shmbox *box)
{
	uint32_t slot, tries, none = 0;

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
		taken = shmbox_take_slot_(box);
		if (taken < 0)
			return taken;
		slot = SHMBOX_TO_(uint32_t, taken);
		number = __atomic_fetch_add(shmbox_u32_at_(box, SHMBOX_CLAIMS_), 1, __ATOMIC_RELAXED);
		if (shmbox_named_set_(box) != box->set) {
			shmbox_give_back_(box, slot, box->record);
			continue;
		}
		number = (slot + 1) | (number & 0x1fff) << 10 | shmbox_image_(0) << 23;
		/* A handler of a signal may have been faster, by the same handle. */
		if (!__atomic_compare_exchange_n(&box->claim, &none, number, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			shmbox_give_back_(box, slot, box->record);
			return 0;
		}
		SHMBOX_STOP("claim: numbered");
		/* No other process can tell any more that the last claimant died holding the lock. */
		shmbox_inherit_(box, slot);
		/* What this process claimed before it called exec. */
		for (slot = 0; slot < box->slots; slot++) {
			uint64_t const record = shmbox_get_record_(box, slot);

			if (shmbox_is_mine_(box, record) && record != box->record) {
				shmbox_inherit_(box, slot);
				shmbox_give_back_(box, slot, record);
			}
		}
		return 0;
	}
	return SHMBOX_EDAMAGED;
}

/* Puts a new set in the place of one that was lost, if each claimant under that is known here or gone. Those that live find
 * it, and raise their slots there. */
static inline int shmbox_replace_set_(shmbox *box)
{
	uint32_t seen = __atomic_load_n(shmbox_u32_at_(box, SHMBOX_SET_), __ATOMIC_ACQUIRE);
	struct shmid_ds segment;
	struct semid_ds facts;
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
	set = semget(IPC_PRIVATE, SHMBOX_TO_(int, box->slots + 2), SHMBOX_TO_(int, segment.shm_perm.mode & 0666) | IPC_CREAT);
	if (set < 0)
		return shmbox_failed_(box);
	SHMBOX_STOP("set: made");
	if (segment.shm_perm.uid != geteuid() || segment.shm_perm.gid != getegid()) {
		memset(&facts, 0, sizeof facts);
		facts.sem_perm.uid = segment.shm_perm.uid;
		facts.sem_perm.gid = segment.shm_perm.gid;
		facts.sem_perm.mode = segment.shm_perm.mode & 0666;
		if (shmbox_semctl_(set, 0, IPC_SET, &facts) != 0) {
			int const code = shmbox_failed_(box);

			shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
			return code;
		}
	}
	/* Before: a process that sees the new set sees that it is not the first one. */
	__atomic_fetch_add(shmbox_u32_at_(box, SHMBOX_REPLACED_), 1, __ATOMIC_ACQ_REL);
	SHMBOX_STOP("set: counted");
	/* If another process was faster, its set stays. */
	if (!shmbox_exchange32_(box, SHMBOX_SET_, &seen, SHMBOX_TO_(uint32_t, set) + 1, __ATOMIC_ACQ_REL)) {
		shmbox_semctl_(set, 0, IPC_RMID, SHMBOX_NULL_);
		return 0;
	}
	SHMBOX_STOP("set: installed");
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
		int replaced;

		/* Another process may have installed one to which it is about to add the tags. */
		shmbox_rest_a_millisecond_();
		code = shmbox_claim_(box);
		if (code != SHMBOX_ESETLOST)
			break;
		replaced = shmbox_replace_set_(box);
		code = replaced != 0 ? replaced : shmbox_claim_(box);
		if (replaced != 0)
			break;
	}
	/* Whatever went wrong on the way, that the segment has been removed is the reason. */
	return code != 0 && shmbox_is_removed_(box) ? SHMBOX_EREMOVED : code;
}

