/* Attaches the segment of `key`, and checks that it holds a struct @. */
static inline int @_open(shmbox *box, key_t key)
{
	return shmbox_open_(box, @_type_(), key, SHMBOX_NULL_);
}

/* The same for reading alone: needs no right to write, and takes earlier versions of the struct. */
static inline int @_open_read_only(shmbox *box, key_t key)
{
	shmbox_options const options = { 1, 0, SHMBOX_TRUST_SELF, 0 };

	return shmbox_open_(box, @_type_(), key, &options);
}

/* The same with options of the caller's. */
static inline int @_open_with(shmbox *box, key_t key, const shmbox_options *options)
{
	return shmbox_open_(box, @_type_(), key, options);
}

/* Detaches, and lets go of lock and slot. */
static inline int @_close(shmbox *box)
{
	return shmbox_close_(box);
}

/* A consistent copy of the value, and its version unless `version` is NULL. No system call; never waits for a writer. */
static inline int @_get(shmbox *box, struct @ *value, uint64_t *version)
{
	return shmbox_get_(box, @_type_(), value, version);
}

/* Commits a value: all of it or, if this process dies, nothing. */
static inline int @_set(shmbox *box, const struct @ *value, uint64_t *version)
{
	return shmbox_set_(box, @_type_(), value, version);
}

/* Takes the lock: until `@_unlock`, or the death of this process, nobody else commits. */
static inline int @_lock(shmbox *box)
{
	return shmbox_lock_(box, @_type_());
}

/* The value under the lock. */
static inline int @_load(shmbox *box, struct @ *value)
{
	return shmbox_load_(box, @_type_(), value);
}

/* Commits under the lock, as often as one likes. */
static inline int @_commit(shmbox *box, const struct @ *value, uint64_t *version)
{
	return shmbox_commit_(box, @_type_(), value, version);
}

/* Lets the lock go. */
static inline int @_unlock(shmbox *box)
{
	return shmbox_unlock_(box, @_type_());
}

/* The version that stands: each commit raises it. */
static inline int @_version(shmbox *box, uint64_t *version)
{
	return shmbox_version_(box, @_type_(), version);
}

/* Sleeps until a version above `version` stands; SHMBOX_ETIMEDOUT after `timeout_ms`, if that is not negative. */
static inline int @_wait(shmbox *box, uint64_t version, int timeout_ms)
{
	return shmbox_wait_(box, @_type_(), version, timeout_ms);
}
