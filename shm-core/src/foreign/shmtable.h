/*
 * What headers for tables have besides: rows that belong to processes, and go with them. See "Tables" in FORMAT.md. The
 * generator cuts this text as it cuts shmbox.h, and puts it behind that.
 */
#include "shmbox.h"
/* cut here */
#ifndef SHMBOX_TABLE_H_1
#define SHMBOX_TABLE_H_1

/* A handle for a table, as `shmbox` is one for a value: for one thread at a time, with a slot of its own unless it only
 * reads. It must stay where it is while it has seats. */
typedef struct shmbox_table {
	shmbox box;
} shmbox_table;

/* A row of this process's own, which it alone writes. `index` and `id` name the claim to all processes. */
typedef struct shmbox_seat {
	shmbox_table *table; /* NULL: none */
	uint32_t index;
	uint32_t claim;
	uint64_t id;
	uint64_t own;
} shmbox_seat;

/* A row as it was found; all zeros: none yet. */
typedef struct shmbox_row {
	uint32_t index;
	uint32_t owner;   /* the pid as this process sees it; 0: of one in another pid namespace */
	uint64_t id;      /* which claim of the table it is */
	uint64_t version; /* number of the row's last commit, which goes on from owner to owner */
	int dead;         /* whether a process has found its owner dead; the value is the last one */
	uint32_t next;
	uint64_t own;
} shmbox_row;

/* ---- The words of a row ---- */

enum { SHMBOX_FREE_, SHMBOX_CHANGING_, SHMBOX_LIVE_, SHMBOX_DEAD_, SHMBOX_REAPING_ };
enum { SHMBOX_OWN_, SHMBOX_ROW_SEQ_, SHMBOX_ROW_RANGE_, SHMBOX_ID_, SHMBOX_OWNER_, SHMBOX_ROW_SCHEMA_ };

static inline shmbox_u64_ *shmbox_row_word_(const shmbox *box, uint32_t index, size_t word)
{
	void *const words = box->base + shmbox_rooms_at_(box) + box->room * 2 + SHMBOX_TO_(size_t, index) * SHMBOX_ROW_WORDS_;

	return SHMBOX_POINTER_(shmbox_u64_ *, words) + word;
}

static inline uint64_t shmbox_get_word_(const shmbox *box, uint32_t index, size_t word)
{
	return __atomic_load_n(shmbox_row_word_(box, index, word), __ATOMIC_RELAXED);
}

static inline shmbox_copies_ shmbox_copies_of_row_(const shmbox *box, uint32_t index)
{
	shmbox_copies_ copies;

	copies.step = shmbox_step_(box);
	copies.payload = box->base + box->capacity * SHMBOX_TO_(size_t, index);
	copies.seq = shmbox_row_word_(box, index, SHMBOX_ROW_SEQ_);
	copies.range = shmbox_row_word_(box, index, SHMBOX_ROW_RANGE_);
	copies.has = 0;
	return copies;
}

/* The mask that says which words of a row count; NULL: none. Lies as far behind the template as a row's bases behind the row. */
static inline const unsigned char *shmbox_mask_(const shmbox *box)
{
	size_t const step = shmbox_step_(box);

	return (box->flags & SHMBOX_COUNTERS_) == 0 ? SHMBOX_NULL_ : box->base + step * 4 - box->capacity;
}

static inline int shmbox_is_counter_(const shmbox *box, size_t offset)
{
	const void *const word = (box->flags & SHMBOX_COUNTERS_) == 0 ? SHMBOX_NULL_ : shmbox_mask_(box) + offset;

	return word != SHMBOX_NULL_ && __atomic_load_n(SHMBOX_POINTER_(const shmbox_u64_ *, word), __ATOMIC_RELAXED) != 0;
}

/* A counter's cell, or its base. */
static inline shmbox_u64_ *shmbox_counter_(const shmbox *box, uint32_t index, size_t offset, int base)
{
	shmbox_copies_ const copies = shmbox_copies_of_row_(box, index);
	void *const word = copies.payload + (base ? copies.step * 3 : 0) + offset;

	return SHMBOX_POINTER_(shmbox_u64_ *, word);
}

/* What the owner of a row has counted. */
static inline uint64_t shmbox_counted_(const shmbox *box, uint32_t index, size_t offset)
{
	return __atomic_load_n(shmbox_counter_(box, index, offset, 0), __ATOMIC_RELAXED) -
		__atomic_load_n(shmbox_counter_(box, index, offset, 1), __ATOMIC_RELAXED);
}

/* Puts what the owner has counted in the counters' places of a value. */
static inline void shmbox_fill_counts_(const shmbox *box, uint32_t index, size_t size, void *value)
{
	unsigned char *const bytes = SHMBOX_POINTER_(unsigned char *, value);
	size_t at;

	for (at = 0; (box->flags & SHMBOX_COUNTERS_) != 0 && at + 8 <= size && at < box->capacity; at += 8) {
		if (shmbox_is_counter_(box, at)) {
			uint64_t const count = shmbox_counted_(box, index, at);

			memcpy(bytes + at, &count, sizeof count);
		}
	}
}

/* A number that means no life is a peer's: as good as changing. */
static inline int shmbox_life_of_(uint64_t own)
{
	int const life = SHMBOX_TO_(int, own >> 32 & 7);

	return life > SHMBOX_REAPING_ ? SHMBOX_CHANGING_ : life;
}

static inline uint32_t shmbox_claim_of_(uint64_t own)
{
	return SHMBOX_TO_(uint32_t, own & ~SHMBOX_WAITERS_ & UINT32_MAX);
}

/* The row of a generation in the hands of a claim. */
static inline uint64_t shmbox_owned_(uint64_t own, uint32_t claim, int life, uint64_t generations)
{
	return claim | SHMBOX_TO_(uint64_t, life) << 32 | ((own >> 35) + generations) << 35;
}

static inline int shmbox_is_shown_(uint64_t own)
{
	return shmbox_life_of_(own) >= SHMBOX_LIVE_;
}

static inline uint64_t shmbox_look_at_row_(const shmbox *box, uint32_t index)
{
	uint64_t const own = shmbox_get_word_(box, index, SHMBOX_OWN_);

	/* Pairs with the release exchanges: what that claim stored before it said so is seen from here on. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return own;
}

/* Whether it is the same claim's after what was copied since the look. */
static inline int shmbox_is_still_its_(const shmbox *box, uint32_t index, uint64_t seen)
{
	uint64_t own;

	/* A byte of a later owner in the copy makes the load see that one's exchange, which lies before a commit's fence. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	own = shmbox_get_word_(box, index, SHMBOX_OWN_);
	return shmbox_is_shown_(own) && own >> 35 == seen >> 35;
}

static inline int shmbox_exchange_own_(const shmbox *box, uint32_t index, uint64_t seen, uint64_t wanted)
{
	return __atomic_compare_exchange_n(shmbox_row_word_(box, index, SHMBOX_OWN_), &seen, wanted, 0, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

/* ---- Rows change hands ---- */

/* Adds to the semaphore that counts deaths, in two steps if `undone` is not 0: the kernel undoes that one at the end. */
static inline void shmbox_count_(const shmbox *box, int first, int first_undone, int second, int second_undone)
{
	struct sembuf steps[2];

	steps[0].sem_num = steps[1].sem_num = SHMBOX_TO_(unsigned short, box->slots);
	steps[0].sem_op = SHMBOX_TO_(short, first);
	steps[0].sem_flg = SHMBOX_TO_(short, IPC_NOWAIT | first_undone);
	steps[1].sem_op = SHMBOX_TO_(short, second);
	steps[1].sem_flg = SHMBOX_TO_(short, IPC_NOWAIT | second_undone);
	/* Where it can't, those who wait for deaths find them when they look. */
	if (!box->is_file)
		semop(box->set, steps, second == 0 ? 1 : 2);
}

/* Counts what has become of a row, and wakes those who wait for that. */
static inline void shmbox_raise_membership_(shmbox *box)
{
	uint64_t const version = __atomic_fetch_add(shmbox_u64_at_(box, SHMBOX_SEQ_), 2, __ATOMIC_ACQ_REL) / 2 + 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	SHMBOX_STOP("row: membership raised");
	if (shmbox_get64_(box, SHMBOX_AWAITED_) < version && (box->flags & SHMBOX_ALWAYS_NOTIFY_) == 0)
		return;
	shmbox_wake_waiters_(box);
	if (shmbox_find_set_(box) == 0)
		shmbox_count_(box, 1, 0, 0, 0);
}

/* Commits the template's bytes to a row of this claim's own, and over them a value, unless that is NULL. Counters stay. */
static inline void shmbox_fill_row_(const shmbox *box, uint32_t index, shmbox_part_ whole, const void *value)
{
	shmbox_copies_ const copies = shmbox_copies_of_row_(box, index), birth = shmbox_copies_of_(box);
	size_t const length = shmbox_length_in_force_(box, shmbox_get32_(box, SHMBOX_STATE_));
	uint64_t const even = __atomic_load_n(copies.seq, __ATOMIC_RELAXED) & ~UINT64_C(1);

	__atomic_store_n(copies.range, 0, __ATOMIC_RELAXED);
	__atomic_store_n(copies.seq, even + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("row: odd");
	shmbox_copy_around_(copies.payload, birth.payload, length, shmbox_mask_(box));
	if (value != SHMBOX_NULL_)
		shmbox_store_part_(copies.payload, whole, SHMBOX_POINTER_(const unsigned char *, value));
	__atomic_store_n(copies.seq, even + 2, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	SHMBOX_STOP("row: even");
	shmbox_copy_within_(shmbox_mirror_(&copies, even / 2 + 1), copies.payload, length);
}

static inline void shmbox_repair_row_(const shmbox *box, uint32_t index)
{
	shmbox_copies_ const copies = shmbox_copies_of_row_(box, index);

	shmbox_make_whole_(&copies, shmbox_length_in_force_(box, shmbox_get32_(box, SHMBOX_STATE_)), shmbox_mask_(box));
}

/* Puts a hidden row of this claim's own back to the template, and lets it go. */
static inline void shmbox_free_row_(shmbox *box, uint32_t index, uint64_t hidden)
{
	SHMBOX_STOP("row: hidden");
	shmbox_fill_row_(box, index, shmbox_whole_(box->type), SHMBOX_NULL_);
	SHMBOX_STOP("row: cleared");
	if (shmbox_exchange_own_(box, index, hidden, shmbox_owned_(hidden, 0, SHMBOX_FREE_, 0))) {
		SHMBOX_STOP("row: freed");
		shmbox_raise_membership_(box);
	}
}

static inline int shmbox_let_row_go_(shmbox *box, uint32_t index, uint64_t own)
{
	uint64_t const hidden = shmbox_owned_(own, box->claim, SHMBOX_CHANGING_, 0);

	if (!shmbox_exchange_own_(box, index, own, hidden))
		return 0;
	shmbox_free_row_(box, index, hidden);
	return 1;
}

/* Gives up the rows that name a slot's earlier claims, which no process could tell any more to be dead: of the slot of this handle, or
 * of this process before an exec. A handle that is closed lets its rows go. */
static inline void shmbox_on_slot_(shmbox *box, uint32_t slot, int event)
{
	uint32_t index;
	int news = 0;

	if (event == SHMBOX_CLAIMED_)
		shmbox_count_(box, 1, 0, -1, SEM_UNDO);
	for (index = 0; index < box->rows; index++) {
		uint64_t const seen = shmbox_look_at_row_(box, index);
		int const life = shmbox_life_of_(seen), is_own = shmbox_claim_of_(seen) == box->claim;

		if (event == SHMBOX_FORGOTTEN_) {
			__atomic_store_n(shmbox_row_word_(box, index, SHMBOX_OWN_), 0, __ATOMIC_RELAXED);
			__atomic_store_n(shmbox_row_word_(box, index, SHMBOX_ROW_SEQ_), 0, __ATOMIC_RELAXED);
			continue;
		}
		if (shmbox_slot_(shmbox_claim_of_(seen)) != slot || is_own != (event == SHMBOX_RETURNED_))
			continue;
		if (is_own && life == SHMBOX_LIVE_)
			shmbox_let_row_go_(box, index, seen);
		else if (!is_own && shmbox_exchange_own_(box, index, seen, shmbox_owned_(seen, 0, shmbox_is_shown_(seen) ? SHMBOX_DEAD_ : SHMBOX_FREE_, 0)))
			news |= life == SHMBOX_LIVE_;
	}
	if (news)
		shmbox_raise_membership_(box);
	if (event == SHMBOX_RETURNED_ && !box->left && shmbox_find_set_(box) == 0)
		shmbox_count_(box, 1, SEM_UNDO, -1, 0);
}

/* Whether the claim in a row's word is dead: 1, 0 or a code. `checked`: whether the semaphores were found to be the segment's. */
static inline int shmbox_is_dead_(shmbox *box, uint64_t own, int *checked)
{
	uint32_t const claim = shmbox_claim_of_(own);
	int alive = shmbox_is_own_(box, claim) ? 1 : shmbox_is_alive_(box, claim, SHMBOX_SHORT_);

	if (alive == 0 && !*checked) {
		int const code = shmbox_recheck_(box);

		if (code != 0)
			return code;
		*checked = 1;
		alive = shmbox_is_alive_(box, claim, SHMBOX_SHORT_);
	}
	return alive < 0 ? alive : !alive;
}

/* Whether this handle may claim and write rows, whatever row. */
static inline int shmbox_may_claim_(shmbox *box, const shmbox_type *type)
{
	int code;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	if (!box->writable)
		return SHMBOX_EREADONLY;
	code = shmbox_claim_(box);
	if (code == 0)
		code = shmbox_check_(box);
	return code != 0 && shmbox_is_removed_(box) ? SHMBOX_EREMOVED : code;
}

/* Takes a free row; where there is none, one that a dead claim was about to fill or clear; where there is none, a dead owner's. */
static inline int shmbox_take_row_(shmbox *box, uint32_t *index, uint64_t *own)
{
	int tries, pass, lost = 1, checked = 0;

	for (tries = 0; tries < SHMBOX_TRIES_ && lost; tries++) {
		lost = 0;
		for (pass = 0; pass < 3; pass++) {
			for (*index = 0; *index < box->rows; ++*index) {
				uint64_t const seen = shmbox_look_at_row_(box, *index);
				int const life = shmbox_life_of_(seen);
				int may = (pass == 0 && life == SHMBOX_FREE_) || (pass == 2 && life == SHMBOX_DEAD_);

				if ((pass == 1 && life == SHMBOX_CHANGING_) ||
				    (pass == 2 && (life == SHMBOX_LIVE_ || life == SHMBOX_REAPING_)))
					may = shmbox_is_dead_(box, seen, &checked);
				if (may < 0)
					return may;
				*own = shmbox_owned_(seen, box->claim, SHMBOX_CHANGING_, 1);
				if (may && shmbox_exchange_own_(box, *index, seen, *own))
					return 0;
				lost |= may;
			}
		}
	}
	return SHMBOX_EFULL;
}

static inline int shmbox_claim_row_(shmbox_table *table, const shmbox_type *type, shmbox_part_ whole, const void *value,
				    shmbox_seat *seat)
{
	shmbox *const box = &table->box;
	uint32_t index, version;
	size_t at;
	uint64_t own, shown;
	int code = shmbox_may_claim_(box, type);

	seat->table = SHMBOX_NULL_;
	if (code == 0)
		code = shmbox_judge_(whole, value, 0);
	if (code == 0)
		code = shmbox_take_row_(box, &index, &own);
	if (code != 0)
		return code;
	SHMBOX_STOP("row: taken");
	code = shmbox_check_(box);
	version = box->version;
	shmbox_repair_row_(box, index);
	if (code != 0) {
		/* It may have been a dead owner's, which is news, and holds its bytes. */
		shmbox_free_row_(box, index, own);
		return code;
	}
	for (at = 0; at < box->capacity && (box->flags & SHMBOX_COUNTERS_) != 0; at += 8)
		if (shmbox_is_counter_(box, at))
			__atomic_store_n(shmbox_counter_(box, index, at, 1),
					 __atomic_load_n(shmbox_counter_(box, index, at, 0), __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	SHMBOX_STOP("row: bases noted");
	shmbox_fill_row_(box, index, whole, value);
	SHMBOX_STOP("row: filled");
	seat->id = __atomic_fetch_add(shmbox_u64_at_(box, SHMBOX_IDS_), 1, __ATOMIC_RELAXED) + 1;
	/* Behind the release fences of the commit, like its bytes. */
	__atomic_store_n(shmbox_row_word_(box, index, SHMBOX_ID_), seat->id, __ATOMIC_RELAXED);
	__atomic_store_n(shmbox_row_word_(box, index, SHMBOX_OWNER_), box->record, __ATOMIC_RELAXED);
	/* That of the check above, before the template was copied: what an upgrade brings meanwhile, the row need not have. */
	__atomic_store_n(shmbox_row_word_(box, index, SHMBOX_ROW_SCHEMA_), version, __ATOMIC_RELAXED);
	SHMBOX_STOP("row: named");
	shown = shmbox_owned_(own, box->claim, SHMBOX_LIVE_, 0);
	if (!shmbox_exchange_own_(box, index, own, shown))
		return SHMBOX_ELEFT;
	SHMBOX_STOP("row: shown");
	seat->table = table;
	seat->index = index;
	seat->claim = box->claim;
	seat->own = shown;
	shmbox_raise_membership_(box);
	return 0;
}

/* Notes each death that no process has noticed yet; where the table was made so, frees the rows. */
static inline int shmbox_look_at_rows_(shmbox_table *table, const shmbox_type *type)
{
	shmbox *const box = &table->box;
	uint32_t index;
	int checked = 0, code = shmbox_may_claim_(box, type);

	for (index = 0; code == 0 && index < box->rows; index++) {
		uint64_t const seen = shmbox_look_at_row_(box, index);
		uint64_t const taken = shmbox_owned_(seen, box->claim, SHMBOX_CHANGING_, 1);
		int const dead = shmbox_life_of_(seen) == SHMBOX_LIVE_ ? shmbox_is_dead_(box, seen, &checked) : 0;

		if (dead < 0)
			return dead;
		if (dead && (box->flags & SHMBOX_FREE_ON_DEATH_) != 0) {
			if (shmbox_exchange_own_(box, index, seen, taken)) {
				shmbox_repair_row_(box, index);
				shmbox_free_row_(box, index, taken);
			}
		} else if (dead && shmbox_exchange_own_(box, index, seen, shmbox_owned_(seen, 0, SHMBOX_DEAD_, 0))) {
			SHMBOX_STOP("row: death noted");
			shmbox_raise_membership_(box);
		}
	}
	return code;
}

/* ---- A row of one's own ---- */

/* Whether this process has the row still, of a table that is what it was. */
static inline int shmbox_check_seat_(const shmbox_seat *seat, const shmbox_type *type)
{
	shmbox *box;
	int code;

	if (seat->table == SHMBOX_NULL_ || !shmbox_is_open_(&seat->table->box, type))
		return SHMBOX_EARGUMENT;
	box = &seat->table->box;
	shmbox_notice_fork_(box);
	if (box->claim != seat->claim)
		return SHMBOX_EFORKED;
	code = shmbox_check_(box);
	if (code == 0 && (box->left || shmbox_get_word_(box, seat->index, SHMBOX_OWN_) != seat->own))
		code = SHMBOX_ELEFT;
	return code;
}

static inline int shmbox_set_row_(const shmbox_seat *seat, const shmbox_type *type, shmbox_part_ part, const void *value,
				  uint64_t *version)
{
	shmbox_copies_ copies;
	uint64_t committed;
	int code = part.size == 0 ? SHMBOX_EARGUMENT : shmbox_check_seat_(seat, type);

	if (code == 0)
		code = shmbox_judge_(part, value, 0);
	if (code != 0)
		return code;
	copies = shmbox_copies_of_row_(&seat->table->box, seat->index);
	/* This is the handler of a signal that came in the middle of a commit to this row. */
	if (__atomic_load_n(copies.seq, __ATOMIC_RELAXED) % 2 != 0)
		return SHMBOX_EREENTRANT;
	committed = shmbox_commit_part_(&seat->table->box, &copies, type, part, value);
	if (version != SHMBOX_NULL_)
		*version = committed;
	/* What that finds, the next call says. */
	if (committed % 1024 == 0)
		shmbox_recheck_(&seat->table->box);
	return 0;
}

static inline int shmbox_increase_row_(const shmbox_seat *seat, const shmbox_type *type, shmbox_part_ part, const void *by, void *before)
{
	unsigned char sum[16];
	int const code = part.size == 0 ? SHMBOX_EARGUMENT : shmbox_check_seat_(seat, type);

	if (code != 0)
		return code;
	shmbox_load_bytes_(sum, shmbox_copies_of_row_(&seat->table->box, seat->index).payload + part.offset, part.size);
	if (before != SHMBOX_NULL_)
		memcpy(before, sum, part.size);
	shmbox_sum_(sum, SHMBOX_POINTER_(const unsigned char *, by), part.size);
	return shmbox_set_row_(seat, type, part, sum, SHMBOX_NULL_);
}

/* Adds to a counter: one atomic addition. `before`: what the owner had counted. */
static inline int shmbox_count_row_(const shmbox_seat *seat, const shmbox_type *type, shmbox_part_ part, const void *by,
				       void *before)
{
	int const code = part.size == 0 ? SHMBOX_EARGUMENT : shmbox_check_seat_(seat, type);
	shmbox *const box = code == 0 ? &seat->table->box : SHMBOX_NULL_;
	uint64_t cell, count;

	if (code != 0)
		return code;
	memcpy(&count, by, sizeof count);
	cell = __atomic_fetch_add(shmbox_counter_(box, seat->index, part.offset, 0), count, __ATOMIC_RELAXED);
	count = cell - __atomic_load_n(shmbox_counter_(box, seat->index, part.offset, 1), __ATOMIC_RELAXED);
	if (before != SHMBOX_NULL_)
		memcpy(before, &count, sizeof count);
	if (cell % 1024 == 0)
		shmbox_recheck_(box);
	return 0;
}

static inline int shmbox_release_row_(shmbox_seat *seat, const shmbox_type *type)
{
	int const code = shmbox_check_seat_(seat, type);

	/* Also of a table that was removed: what its memory shows is no matter. */
	if (code != 0 && code != SHMBOX_EREMOVED && code != SHMBOX_ELEFT)
		return code;
	shmbox_let_row_go_(&seat->table->box, seat->index, seat->own);
	seat->table = SHMBOX_NULL_;
	return code;
}

/* ---- Looking at rows ---- */

/* Opens a table. Refuses one that counts in other fields than this program, as far as both have them: no commit may store what others
 * count in. */
static inline int shmbox_open_table_(shmbox_table *table, const shmbox_type *type, key_t key, const char *path,
				     const shmbox_options *options, int (*counts)(size_t offset))
{
	shmbox *const box = &table->box;
	int code = shmbox_find_(box, type, key, path, options, SHMBOX_NULL_, shmbox_on_slot_);
	size_t at;

	for (at = 0; code == 0 && at + 8 <= box->type->size && at + 8 <= box->stored; at += 8)
		if (counts(at) != shmbox_is_counter_(box, at))
			code = SHMBOX_EMISMATCH;
	if (code != 0)
		shmbox_close_(box);
	return code;
}

/* Copies the value of the claim that a row had when `own` was seen. */
static inline int shmbox_read_row_(shmbox *box, uint32_t index, uint64_t own, const shmbox_type *type, void *value, uint64_t *version)
{
	shmbox_copies_ copies = shmbox_copies_of_row_(box, index);
	uint64_t const has = shmbox_get_word_(box, index, SHMBOX_ROW_SCHEMA_);
	int code;

	copies.has = has == 0 ? 1 : has > UINT32_MAX ? UINT32_MAX : SHMBOX_TO_(uint32_t, has);
	code = shmbox_read_(box, &copies, type, shmbox_whole_(type), value, version);
	shmbox_fill_counts_(box, index, type->size, value);
	return (code == 0 || code == SHMBOX_EINVALID || code == SHMBOX_EOVERTAKEN) && !shmbox_is_still_its_(box, index, own)
		       ? SHMBOX_ESTALE
		       : code;
}

/* What a row shows; 0: nothing. */
static inline int shmbox_find_row_(const shmbox *box, uint32_t index, shmbox_row *row)
{
	uint64_t const own = shmbox_look_at_row_(box, index), id = shmbox_get_word_(box, index, SHMBOX_ID_);
	uint64_t const record = shmbox_get_word_(box, index, SHMBOX_OWNER_);

	if (!shmbox_is_shown_(own) || !shmbox_is_still_its_(box, index, own))
		return 0;
	row->index = index;
	row->own = own;
	row->id = id;
	row->version = shmbox_get_word_(box, index, SHMBOX_ROW_SEQ_) / 2;
	row->owner = shmbox_is_comparable_(box, record) ? shmbox_record_pid_(record) : 0;
	row->dead = shmbox_life_of_(own) != SHMBOX_LIVE_;
	return 1;
}

static inline int shmbox_next_row_(shmbox_table *table, const shmbox_type *type, shmbox_row *row, void *value)
{
	shmbox *const box = &table->box;
	int code = SHMBOX_ESTALE;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	/* One that only reads has claimed no slot, and made no record to compare with. */
	if (box->record == 0)
		box->record = shmbox_make_record_(box);
	while (code == SHMBOX_ESTALE && row->next < box->rows) {
		uint32_t const index = row->next++;

		if (shmbox_find_row_(box, index, row))
			code = value == SHMBOX_NULL_ ? shmbox_check_(box)
						     : shmbox_read_row_(box, index, row->own, type, value, &row->version);
	}
	return code == 0 ? 1 : code == SHMBOX_ESTALE ? 0 : code;
}

static inline int shmbox_get_row_(shmbox_table *table, const shmbox_type *type, uint32_t index, uint64_t id, void *value,
				  uint64_t *version)
{
	shmbox *const box = &table->box;
	shmbox_row row;

	if (!shmbox_is_open_(box, type))
		return SHMBOX_EARGUMENT;
	if (index >= box->rows || !shmbox_find_row_(box, index, &row) || row.id != id)
		return SHMBOX_ESTALE;
	return shmbox_read_row_(box, index, row.own, type, value, version);
}

#endif /* SHMBOX_TABLE_H_1 */
/* cut here */
/*
 * Of a table that a Rust program made; what a process that has died leaves is as in Rust. A seat belongs to this process until it
 * is released, the table is closed, or the process ends; a child of a fork is told SHMBOX_EFORKED.
 */

/* Attaches the table of `key`, and checks that its rows are structs any_struct. */
static inline int any_struct_table_open(shmbox_table *table, key_t key)
{
	return shmbox_open_table_(table, any_struct_type_(), key, SHMBOX_NULL_, SHMBOX_NULL_, any_struct_counts_);
}

/* The same with options of the caller's, for reading only say. */
static inline int any_struct_table_open_with(shmbox_table *table, key_t key, const shmbox_options *options)
{
	return shmbox_open_table_(table, any_struct_type_(), key, SHMBOX_NULL_, options, any_struct_counts_);
}

/* Opens the table in a file. `options` may be NULL. */
static inline int any_struct_table_open_file(shmbox_table *table, const char *path, const shmbox_options *options)
{
	return shmbox_open_table_(table, any_struct_type_(), 0, path, options, any_struct_counts_);
}

/* Lets the rows of this handle go, and detaches. */
static inline int any_struct_table_close(shmbox_table *table)
{
	return shmbox_close_(&table->box);
}

/* Claims a row and shows it with its first value. Of dead owners' rows it takes one if no row is free; SHMBOX_EFULL if all of
 * them live. */
static inline int any_struct_table_claim(shmbox_table *table, const struct any_struct *first, shmbox_seat *seat)
{
	return shmbox_claim_row_(table, any_struct_type_(), any_struct_row_(), first, seat);
}

/* Commits a value to a row of one's own, but for counters: no lock, no system call. */
static inline int any_struct_table_set(shmbox_seat *seat, const struct any_struct *value, uint64_t *version)
{
	return shmbox_set_row_(seat, any_struct_type_(), any_struct_row_(), value, version);
}

/* Frees the row. */
static inline int any_struct_table_release(shmbox_seat *seat)
{
	return shmbox_release_row_(seat, any_struct_type_());
}

/* The value of one claim, such as a seat's or a row's: SHMBOX_ESTALE once that is over. No system call. */
static inline int any_struct_table_get(shmbox_table *table, uint32_t index, uint64_t id, struct any_struct *value, uint64_t *version)
{
	return shmbox_get_row_(table, any_struct_type_(), index, id, value, version);
}

/* Steps to the next row that shows a value, from `shmbox_row row = { 0 }` on, and copies that unless `value` is NULL: 1; 0 behind
 * the last one; or a code. No system call: who has died since, `any_struct_table_look` tells. */
static inline int any_struct_table_rows(shmbox_table *table, shmbox_row *row, struct any_struct *value)
{
	return shmbox_next_row_(table, any_struct_type_(), row, value);
}

/* Asks the kernel who lives, and notes for all processes who does not. */
static inline int any_struct_table_look(shmbox_table *table)
{
	return shmbox_look_at_rows_(table, any_struct_type_());
}
