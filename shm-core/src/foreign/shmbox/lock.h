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
	/* Also if the segment was removed meanwhile: nobody shall wait for this handle. */
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

