/*
 * Stored forms of schemas, side by side: whether a newer one is an older one and what was added since. What comes from a
 * segment may be any bytes: each step takes at least one of them, and types nest at most 32 deep.
 */

typedef struct shmbox_form_ {
	const unsigned char *at, *end;
	int wrong; /* set for good by whoever asks for more than there is */
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

static inline void shmbox_skip_type_(shmbox_form_ *form, int depth)
{
	uint64_t const tag = shmbox_number_(form, 1);
	uint64_t count;

	if (depth == 0)
		form->wrong = 1;
	if (form->wrong)
		return;
	switch (tag) {
	case 0x20: /* array */
		shmbox_take_(form, 8);
		shmbox_skip_type_(form, depth - 1);
		return;
	case 0x21: /* text */
		shmbox_take_(form, 8);
		return;
	case 0x22: /* struct */
		shmbox_name_(form);
		shmbox_take_(form, 4 + 8 + 8);
		for (count = shmbox_number_(form, 8); count > 0 && !form->wrong; count--) {
			shmbox_name_(form);
			shmbox_take_(form, 8);
			shmbox_skip_type_(form, depth - 1);
			shmbox_history_(form, SHMBOX_NULL_, SHMBOX_NULL_);
		}
		return;
	case 0x23: /* enum */
		shmbox_name_(form);
		shmbox_take_(form, 1);
		for (count = shmbox_number_(form, 8); count > 0 && !form->wrong; count--) {
			shmbox_name_(form);
			shmbox_take_(form, 16);
		}
		return;
	case 0x24: /* vector */
		shmbox_take_(form, 16);
		shmbox_skip_type_(form, depth - 1);
		return;
	default:
		if (tag < 1 || tag > 14)
			form->wrong = 1;
	}
}

/* Whether the older variants are all there, in their order, perhaps between others. */
static inline int shmbox_same_variants_(shmbox_form_ *newer, shmbox_form_ *older)
{
	uint64_t left, wanted;

	shmbox_name_(newer);
	shmbox_name_(older);
	if (shmbox_number_(newer, 1) != shmbox_number_(older, 1))
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
	return 1;
}

static inline int shmbox_same_type_(shmbox_form_ *newer, shmbox_form_ *older, int depth);

/* Whether the next field of the older struct is the next one of the newer. `since`: of the newer. */
static inline int shmbox_same_field_(shmbox_form_ *newer, shmbox_form_ *older, int depth, uint32_t *since)
{
	const unsigned char *const name = shmbox_name_(older);
	int named = shmbox_same_name_(shmbox_name_(newer), name);

	if (shmbox_number_(newer, 8) != shmbox_number_(older, 8) || !shmbox_same_type_(newer, older, depth))
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
	case 0x20:
		return shmbox_number_(newer, 8) == shmbox_number_(older, 8) && shmbox_same_type_(newer, older, depth - 1);
	case 0x21:
		return shmbox_number_(newer, 8) == shmbox_number_(older, 8);
	case 0x22:
		shmbox_name_(newer);
		shmbox_name_(older);
		if (shmbox_number_(newer, 4) < shmbox_number_(older, 4) ||
		    shmbox_number_(newer, 8) != shmbox_number_(older, 8))
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
	case 0x23:
		return shmbox_same_variants_(newer, older);
	case 0x24:
		return shmbox_number_(newer, 8) == shmbox_number_(older, 8) &&
			shmbox_number_(newer, 8) == shmbox_number_(older, 8) && shmbox_same_type_(newer, older, depth - 1);
	default:
		return tag >= 1 && tag <= 14;
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
	for (; newer_count > 0; newer_count--) {
		shmbox_name_(&newer);
		shmbox_take_(&newer, 8);
		shmbox_skip_type_(&newer, 31);
		if (shmbox_history_(&newer, SHMBOX_NULL_, SHMBOX_NULL_) <= older_version || newer.wrong)
			return 0;
	}
	return !newer.wrong && !older.wrong && newer.at == newer.end && older.at == older.end;
}

