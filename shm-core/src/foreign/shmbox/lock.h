/* Slots: who is alive, the kernel says. */

/* Notes a fork: the child has the memory and none of the kernel's promises to its parent. */
static inline void shmbox_notice_fork_(shmbox *box)
{
	if (box->alive != NULL ? __atomic_load_n(box->alive, __ATOMIC_RELAXED) != 0 : box->pid == getpid())
		return;
	if (box->alive != NULL)
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
	void *page = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

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

/* Eight bits that a process keeps until exec. */
static inline uint32_t shmbox_image_(void)
{
	const unsigned char *random = SHMBOX_BITS_(const unsigned char *, getauxval(25 /* AT_RANDOM */));

	return random == NULL ? 0 : *random;
}

static inline int shmbox_is_removed_(const shmbox *box)
{
	return shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_)) == SHMBOX_EREMOVED;
}

/* What a failed call on the semaphores means. */
static inline int shmbox_set_failed_(shmbox *box)
{
	return shmbox_is_gone_() ? SHMBOX_EDAMAGED : shmbox_failed_(box);
}

/* Finds the semaphore set, and checks that it is this segment's: its id comes from a word that others can write. */
static inline int shmbox_find_set_(shmbox *box)
{
	int const set = SHMBOX_TO_(int, __atomic_load_n(shmbox_u32_at_(box, SHMBOX_SET_), __ATOMIC_ACQUIRE) - 1);
	struct shmid_ds segment;
	struct semid_ds facts;
	key_t key;
	int tag;

	if (box->set >= 0)
		return 0;
	if (set < 0)
		return SHMBOX_EDAMAGED;
	if (shmctl(box->id, IPC_STAT, &segment) != 0)
		return shmbox_is_gone_() ? SHMBOX_EREMOVED : shmbox_failed_(box);
	memset(&facts, 0, sizeof facts);
	if (shmbox_semctl_(set, 0, IPC_STAT, &facts) != 0)
		return shmbox_set_failed_(box);
#ifdef __GLIBC__
	key = facts.sem_perm.__key;
#else
	key = facts.sem_perm.__ipc_perm_key;
#endif
	if (key != IPC_PRIVATE || facts.sem_nsems != SHMBOX_SLOTS_ + 1 ||
	    (facts.sem_perm.uid != segment.shm_perm.uid && facts.sem_perm.uid != segment.shm_perm.cuid))
		return SHMBOX_EDAMAGED;
	tag = shmbox_semctl_(set, SHMBOX_SLOTS_, GETVAL, NULL);
	if (tag < 0)
		return shmbox_set_failed_(box);
	if (tag != box->id % 32767 + 1)
		return SHMBOX_EDAMAGED;
	box->set = set;
	return 0;
}

/* Whether the claim that a lock's word names belongs to a living process: 1, 0, or a code. 0 is for good. */
static inline int shmbox_is_alive_(shmbox *box, uint32_t word)
{
	uint32_t const slot = (word & 0x3ff) - 1;
	int value;

	if (slot >= SHMBOX_SLOTS_)
		return 0;
	value = shmbox_semctl_(box->set, SHMBOX_TO_(int, slot), GETVAL, NULL);
	if (value < 0)
		return shmbox_set_failed_(box);
	if (value == 0)
		return 0;
	/* Claimed by this very process before its exec: nobody knows of it any more. */
	if ((word >> 23 & 0xff) != shmbox_image_() &&
	    shmbox_semctl_(box->set, SHMBOX_TO_(int, slot), GETPID, NULL) == getpid())
		return 0;
	return 1;
}

/* The lock, and what an owner that died left. */

/* Makes the copies whole. May itself be cut short, and done again. */
static inline void shmbox_repair_(shmbox *box)
{
	uint32_t const state = shmbox_get32_(box, SHMBOX_STATE_);
	uint64_t const seq = shmbox_get64_(box, SHMBOX_SEQ_);
	uint64_t header[4];
	size_t stored = box->capacity;
	uint64_t version;

	if (shmbox_life_(state) != 0)
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* Of the schema in force, which this process need not know yet; the whole capacity if that says more. */
	if (shmbox_read_room_(box, state, header, sizeof header) && header[1] < stored)
		stored = SHMBOX_TO_(size_t, header[1]);
	/* A reader that sees one of the stores below must also see the dead writer's sequence. */
	__atomic_thread_fence(__ATOMIC_ACQ_REL);
	SHMBOX_STOP("repair: begun");
	version = seq / 2 + seq % 2;
	if (seq % 2 != 0) {
		shmbox_copy_within_(box->base, shmbox_mirror_(box, seq / 2), stored);
		SHMBOX_STOP("repair: payload restored");
		__atomic_store_n(shmbox_u64_at_(box, SHMBOX_SEQ_), seq + 1, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_RELEASE);
	}
	shmbox_copy_within_(shmbox_mirror_(box, version), box->base, stored);
	SHMBOX_STOP("repair: done");
	__atomic_store_n(shmbox_u64_at_(box, SHMBOX_RANGE_), 0, __ATOMIC_RELAXED);
	shmbox_wake_waiters_(box);
}

static inline void shmbox_release_(shmbox *box)
{
	uint32_t expected = box->claim;

	SHMBOX_STOP("unlock: begun");
	if (shmbox_exchange32_(box, SHMBOX_LOCK_, &expected, 0, __ATOMIC_SEQ_CST))
		return;
	SHMBOX_STOP("unlock: sleepers");
	/* Any other word is not this claim's: somebody tampered with the semaphores and took the lock from the living. */
	expected = box->claim | SHMBOX_WAITERS_;
	if (shmbox_exchange32_(box, SHMBOX_LOCK_, &expected, 0, __ATOMIC_SEQ_CST))
		shmbox_wake_(box->control + SHMBOX_LOCK_, 1);
}

/* Takes a slot for this handle, unless it has one. */
static inline int shmbox_claim_(shmbox *box)
{
	uint32_t step, slot = 0, seen, number;
	int code, again;

	shmbox_notice_fork_(box);
	if (box->claim != 0)
		return 0;
	code = shmbox_find_set_(box);
	if (code != 0)
		return code;
	if (box->alive == NULL)
		shmbox_watch_forks_(box);
	for (step = 0; step < SHMBOX_SLOTS_; step++) {
		struct sembuf take[2];

		slot = (SHMBOX_TO_(uint32_t, box->pid) + step) % SHMBOX_SLOTS_;
		take[0].sem_num = take[1].sem_num = SHMBOX_TO_(unsigned short, slot);
		take[0].sem_op = 0;
		take[0].sem_flg = IPC_NOWAIT;
		take[1].sem_op = 1;
		take[1].sem_flg = IPC_NOWAIT | SEM_UNDO;
		if (semop(box->set, take, 2) == 0)
			break;
		if (errno != EAGAIN)
			return shmbox_set_failed_(box);
	}
	if (step == SHMBOX_SLOTS_)
		return SHMBOX_ESLOTS;
	SHMBOX_STOP("claim: semaphore raised");
	number = __atomic_fetch_add(shmbox_u32_at_(box, SHMBOX_CLAIMS_), 1, __ATOMIC_RELAXED);
	box->claim = (slot + 1) | (number & 0x1fff) << 10 | shmbox_image_() << 23;
	SHMBOX_STOP("claim: numbered");
	/* If the lock names this slot, its last claimant died holding it, and nobody else can tell any more. Twice: a
	 * contender may add its mark in between, once. */
	seen = shmbox_get32_(box, SHMBOX_LOCK_);
	for (again = 0; again < 2 && (seen & 0x3ff) == slot + 1; again++) {
		if (shmbox_exchange32_(box, SHMBOX_LOCK_, &seen, box->claim | SHMBOX_WAITERS_, __ATOMIC_ACQUIRE)) {
			shmbox_repair_(box);
			shmbox_release_(box);
			break;
		}
	}
	return 0;
}

/* Waits for the lock, and takes it over from an owner that is dead. */
static inline int shmbox_contend_(shmbox *box)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(box);
	int spins, code;

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

		code = owned ? shmbox_is_alive_(box, seen) : 0;
		if (code < 0)
			return code;
		if (code == 0) {
			uint32_t judged = seen;

			/* With the mark: others may sleep, and must be woken in their turn. */
			if (shmbox_exchange32_(box, SHMBOX_LOCK_, &judged, box->claim | SHMBOX_WAITERS_, __ATOMIC_ACQUIRE)) {
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
		if (left <= 0)
			return SHMBOX_EBUSY;
		if (code == 1)
			shmbox_sleep_(box->control + SHMBOX_LOCK_, seen | SHMBOX_WAITERS_, left < SHMBOX_MS_ ? left : SHMBOX_MS_);
	}
}

static inline int shmbox_lock_(shmbox *box, const shmbox_type *type)
{
	uint32_t free = 0;
	int code;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	if (!box->writable)
		return SHMBOX_EREADONLY;
	code = shmbox_claim_(box);
	if (code == 0 && box->held == SHMBOX_HELD_)
		return SHMBOX_EREENTRANT;
	if (code == 0 && !shmbox_exchange32_(box, SHMBOX_LOCK_, &free, box->claim, __ATOMIC_ACQUIRE))
		code = shmbox_contend_(box);
	/* Whatever went wrong on the way, that the segment has been removed is the reason. */
	if (code != 0)
		return shmbox_is_removed_(box) ? SHMBOX_EREMOVED : code;
	SHMBOX_STOP("lock: taken");
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
	return shmbox_check_(box);
}

/* Wakes those who wait for what was committed. Between the commit and this look stands a full barrier. */
static inline void shmbox_notify_(shmbox *box)
{
	uint64_t const version = box->awaited;

	if (version == 0)
		return;
	box->awaited = 0;
	if (shmbox_get64_(box, SHMBOX_AWAITED_) >= version || (box->flags & SHMBOX_ALWAYS_NOTIFY_) != 0)
		shmbox_wake_waiters_(box);
}

static inline int shmbox_unlock_(shmbox *box, const shmbox_type *type)
{
	int code = shmbox_check_held_(box, type);

	if (code == SHMBOX_EFORKED)
		box->held = 0;
	if (code == SHMBOX_EARGUMENT || box->held != SHMBOX_HELD_)
		return code;
	/* Also if the segment was removed meanwhile: nobody shall wait for this handle. */
	box->held = 0;
	shmbox_release_(box);
	SHMBOX_STOP("unlock: let go");
	/* On x86 the locked exchange that freed the lock is a full barrier already. */
#if defined(__x86_64__) || defined(__i386__)
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
	shmbox_notify_(box);
	return code;
}

