/* Sequence, state and schema. */

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
	const unsigned char *room = box->base + box->capacity * 3 + box->room * (state >> 8 & 1);

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
	if (box->writable || type->added == SHMBOX_NULL_)
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

/* Attaching. */

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
	uint32_t const slots = shmbox_get32_(box, SHMBOX_SLOTS_);

	if (format != 1)
		return SHMBOX_EFORMAT;
	if ((flags & ~SHMBOX_TO_(uint32_t, SHMBOX_RAW_WRITERS_ | SHMBOX_ALWAYS_NOTIFY_)) != 0)
		return SHMBOX_EDAMAGED;
	if (capacity == 0 || room == 0 || capacity % 64 != 0 || room % 64 != 0 || capacity > size || room > size ||
	    slots == 0 || slots > SHMBOX_MOST_SLOTS_ ||
	    capacity * 3 + room * 2 + (slots + 7) / 8 * 64 + SHMBOX_CONTROL_ != size)
		return SHMBOX_EDAMAGED;
	box->slots = slots;
	box->unique = shmbox_get64_(box, SHMBOX_UNIQUE_);
	box->flags = flags;
	box->capacity = SHMBOX_TO_(size_t, capacity);
	box->room = SHMBOX_TO_(size_t, room);
	return 0;
}

static inline void shmbox_detach_(shmbox *box)
{
	if (box->base != SHMBOX_NULL_)
		shmdt(box->base);
	box->base = SHMBOX_NULL_;
	if (box->alive != SHMBOX_NULL_)
		munmap(box->alive, sizeof(uint32_t));
	box->alive = SHMBOX_NULL_;
}

static inline int shmbox_join_(shmbox *box);

/* What an attempt to attach came to, beside success and the codes: it is being made, or has gone; look again. */
enum { SHMBOX_AGAIN_ = 1 };

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
	if (SHMBOX_BITS_(uintptr_t, box->base) % huge != 0 || madvise(box->base, 1, 20 /* MADV_COLD */) == 0 || errno != EINVAL)
		return 0;
	/* EINVAL: a kernel before 5.14, which does not know it. */
	if (madvise(box->base, size, read_only ? 22 /* MADV_POPULATE_READ */ : 23 /* MADV_POPULATE_WRITE */) == 0 ||
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

static inline int shmbox_has_magic_(const shmbox *box)
{
	uint64_t const magic = shmbox_get64_(box, SHMBOX_MAGIC_);

	return memcmp(&magic, "SHMBOX\x1a\n", 8) == 0;
}

/* Attaches what box->id leads to, and checks it. */
static inline int shmbox_attach_(shmbox *box, const shmbox_options *options)
{
	struct shmid_ds facts;
	uint32_t state;
	int code = shmbox_map_(box, options, options->read_only, &facts);

	if (code != 0)
		return code;
	state = shmbox_get32_(box, SHMBOX_STATE_);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (state == SHMBOX_NEWBORN_ && (facts.shm_perm.mode & 0111) == 01)
		/* Execute permission for others alone marks a segment that is being made. */
		code = SHMBOX_AGAIN_;
	else if (!shmbox_has_magic_(box))
		code = SHMBOX_EFOREIGN;
	else if (state == SHMBOX_ADOPTED_)
		code = SHMBOX_AGAIN_;
	else
		code = shmbox_life_(state);
	if (code == 0)
		code = shmbox_check_header_(box, facts.shm_segsz);
	if (code == 0)
		code = shmbox_check_schema_(box);
	if (code != 0)
		shmbox_detach_(box);
	return code;
}

static inline int shmbox_open_(shmbox *box, const shmbox_type *type, key_t key, const shmbox_options *options)
{
	shmbox_options const usual = { 0, 0, SHMBOX_TRUST_SELF, 0 };
	int64_t end;

	if (options == SHMBOX_NULL_)
		options = &usual;
	memset(box, 0, sizeof *box);
	box->type = type;
	box->key = key;
	box->set = -1;
	box->pid = getpid();
	box->writable = !options->read_only;
	box->limit_ms = options->limit_ms;
	end = shmbox_now_() + shmbox_limit_(box);
	if (key == IPC_PRIVATE)
		return SHMBOX_EARGUMENT;
	for (;;) {
		int code;

		/* It asks for no size: more than there is would be a bare EINVAL. */
		box->id = shmget(key, 0, 0);
		if (box->id < 0)
			return errno == ENOENT ? SHMBOX_ENOTFOUND : shmbox_failed_(box);
		code = shmbox_attach_(box, options);
		if (code == 0 && box->writable) {
			code = shmbox_join_(box);
			if (code != 0)
				shmbox_detach_(box);
		}
		if (code != SHMBOX_AGAIN_)
			return code;
		if (shmbox_now_() >= end)
			return SHMBOX_EUNFINISHED;
		shmbox_rest_a_millisecond_();
	}
}

static inline int shmbox_is_open_(const shmbox *box, const shmbox_type *type)
{
	return box->base != SHMBOX_NULL_ && box->type->fingerprint == type->fingerprint;
}

