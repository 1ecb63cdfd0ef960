/* Reading. */

/* For generated functions: whether four bytes are a Unicode scalar value. */
static inline int shmbox_is_char_(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return value < 0xd800 || (value > 0xdfff && value <= 0x10ffff);
}

/* The length of a vector: how many of its items count. */
static inline uint32_t shmbox_length_(const unsigned char *bytes)
{
	uint32_t length;

	memcpy(&length, bytes, sizeof length);
	return length;
}

static inline int shmbox_judge_(const shmbox_type *type, const void *value)
{
	return type->is_valid == SHMBOX_NULL_ || type->is_valid(SHMBOX_POINTER_(const unsigned char *, value)) ? 0 : SHMBOX_EINVALID;
}

/* Makes what was read of an earlier version a value: fields that it lacks get their defaults. */
static inline void shmbox_fill_in_(const shmbox *box, const shmbox_type *type, unsigned char *value)
{
	const shmbox_added *added;

	for (added = type->added; added->since != 0; added++) {
		if (added->since <= box->earlier)
			continue;
		if (added->bytes == SHMBOX_NULL_)
			memset(value + added->offset, 0, added->size);
		else
			memcpy(value + added->offset, added->bytes, added->size);
	}
}

/* How many bytes of the segment are a value's; those behind them are zeros. */
static inline size_t shmbox_readable_(const shmbox *box, const shmbox_type *type, void *value)
{
	if (box->earlier == 0 || box->stored >= type->size)
		return type->size;
	memset(value, 0, type->size);
	return box->stored;
}

static inline int shmbox_get_(shmbox *box, const shmbox_type *type, void *value, uint64_t *version)
{
	int64_t end = 0;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	for (;;) {
		int tries;

		for (tries = 0; tries < SHMBOX_TRIES_; tries++) {
			int const code = shmbox_check_(box);
			uint64_t seq, now;
			size_t length;

			if (code != 0)
				return code;
			length = shmbox_readable_(box, type, value);
			seq = shmbox_get64_(box, SHMBOX_SEQ_);
			/* Pairs with the fences of a commit: whoever sees a sequence sees the copy that it promises. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			shmbox_load_bytes_(SHMBOX_POINTER_(unsigned char *, value),
					   seq % 2 == 0 ? box->base : shmbox_mirror_(box, seq / 2), length);
			/* If a byte of a later commit got into the copy, the load below sees that commit's sequence. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			now = shmbox_get64_(box, SHMBOX_SEQ_);
			/* Of a later schema there may be values where defaults would come. */
			if (box->earlier != 0 && shmbox_get32_(box, SHMBOX_STATE_) != box->state)
				continue;
			if (now - seq < (seq % 2 == 0 ? 1u : 3u)) {
				if (box->earlier != 0)
					shmbox_fill_in_(box, type, SHMBOX_POINTER_(unsigned char *, value));
				if (version != SHMBOX_NULL_)
					*version = seq / 2;
				return shmbox_judge_(type, value);
			}
		}
		if (end == 0)
			end = shmbox_now_() + shmbox_limit_(box);
		else if (shmbox_now_() >= end)
			return SHMBOX_EOVERTAKEN;
	}
}

/* Under the lock. */
static inline int shmbox_load_(shmbox *box, const shmbox_type *type, void *value)
{
	int const code = shmbox_check_held_(box, type);

	if (code != 0)
		return code;
	shmbox_load_bytes_(SHMBOX_POINTER_(unsigned char *, value), box->base, type->size);
	return shmbox_judge_(type, value);
}

/* Writing. */

/* Commits under the lock. Padding keeps what it holds: it may be a newer program's field. */
static inline int shmbox_commit_held_(shmbox *box, const shmbox_type *type, const void *value, uint64_t *version)
{
	const unsigned char *const bytes = SHMBOX_POINTER_(const unsigned char *, value);
	int code = shmbox_check_held_(box, type);
	uint64_t even;

	if (code == 0)
		code = shmbox_judge_(type, value);
	if (code != 0)
		return code;
	even = shmbox_get64_(box, SHMBOX_SEQ_) & ~UINT64_C(1);
	SHMBOX_STOP("commit: begun");
	__atomic_store_n(shmbox_u64_at_(box, SHMBOX_SEQ_), even + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("commit: odd");
	if (type->store != SHMBOX_NULL_)
		type->store(box->base, bytes);
	else
		shmbox_store_bytes_(box->base, bytes, type->size);
	SHMBOX_STOP("commit: payload written");
	__atomic_store_n(shmbox_u64_at_(box, SHMBOX_SEQ_), even + 2, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("commit: even");
	shmbox_copy_within_(shmbox_mirror_(box, even / 2 + 1), box->base, box->stored);
	SHMBOX_STOP("commit: mirror written");
	if (shmbox_get64_(box, SHMBOX_RANGE_) != 0)
		__atomic_store_n(shmbox_u64_at_(box, SHMBOX_RANGE_), 0, __ATOMIC_RELAXED);
	box->awaited = even / 2 + 1;
	if (version != SHMBOX_NULL_)
		*version = even / 2 + 1;
	return 0;
}

static inline int shmbox_commit_(shmbox *box, const shmbox_type *type, const void *value, uint64_t *version)
{
	int const code = shmbox_commit_held_(box, type, value, version);

	if (code == 0) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		shmbox_notify_(box, shmbox_take_awaited_(box));
	}
	return code;
}

static inline int shmbox_set_(shmbox *box, const shmbox_type *type, const void *value, uint64_t *version)
{
	int code = shmbox_lock_(box, type);

	if (code == 0) {
		code = shmbox_commit_held_(box, type, value, version);
		shmbox_unlock_(box, type);
	}
	return code;
}

/* Waiting. */

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

/* Lets go of all that the handle holds. A handle that is not open is left alone. */
static inline int shmbox_close_(shmbox *box)
{
	struct shmid_ds facts;
	int doomed;

	if (box->base == SHMBOX_NULL_)
		return 0;
	shmbox_notice_fork_(box);
	if (box->held == SHMBOX_HELD_)
		shmbox_unlock_(box, box->type);
	if (box->claim != 0)
		shmbox_give_back_(box, shmbox_slot_(box->claim), box->record);
	box->claim = 0;
	/* Removed with `ipcrm`: the last one attached removes the semaphores. */
	doomed = !box->left && shmbox_is_orphan_(box) == 1;
	/* Where no commit has noticed, those who stay attached are told by this. */
	if (doomed && box->writable && shmbox_life_(shmbox_get32_(box, SHMBOX_STATE_)) == 0)
		shmbox_bury_(box);
	doomed = doomed && shmbox_find_set_(box) == 0;
	shmbox_detach_(box);
	if (doomed && shmctl(box->id, IPC_STAT, &facts) != 0 && shmbox_is_gone_())
		shmbox_semctl_(box->set, 0, IPC_RMID, SHMBOX_NULL_);
	return 0;
}

#endif /* SHMBOX_H_1 */
