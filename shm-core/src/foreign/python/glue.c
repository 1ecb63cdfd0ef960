
/* What the Python module calls. */
#define SHMBOX_PY_ __attribute__((__visibility__("default")))

SHMBOX_PY_ shmbox *shmbox_py_new(void)
{
	return (shmbox *)calloc(1, sizeof(shmbox));
}

SHMBOX_PY_ void shmbox_py_free(shmbox *box)
{
	@_close(box);
	free(box);
}

SHMBOX_PY_ int shmbox_py_error(const shmbox *box)
{
	return box->error;
}

SHMBOX_PY_ int shmbox_py_id(const shmbox *box)
{
	return box->id;
}

SHMBOX_PY_ const char *shmbox_py_strerror(int code)
{
	return shmbox_strerror(code);
}

SHMBOX_PY_ size_t shmbox_py_size(void)
{
	return sizeof(struct @);
}

SHMBOX_PY_ int shmbox_py_open(shmbox *box, key_t key, int read_only, int limit_ms, int trust, uid_t user)
{
	shmbox_options const options = { read_only, limit_ms, trust, user };

	return @_open_with(box, key, &options);
}

/* Python aligns its buffers to 16 bytes at most, which may be less than the struct's alignment: no pointer to one. */

SHMBOX_PY_ int shmbox_py_get(shmbox *box, void *value, uint64_t *version)
{
	return shmbox_get_(box, @_type_(), value, version);
}

SHMBOX_PY_ int shmbox_py_set(shmbox *box, const void *value, uint64_t *version)
{
	return shmbox_set_(box, @_type_(), value, version);
}

SHMBOX_PY_ int shmbox_py_lock(shmbox *box)
{
	return @_lock(box);
}

SHMBOX_PY_ int shmbox_py_load(shmbox *box, void *value)
{
	return shmbox_load_(box, @_type_(), value);
}

SHMBOX_PY_ int shmbox_py_commit(shmbox *box, const void *value, uint64_t *version)
{
	return shmbox_commit_(box, @_type_(), value, version);
}

SHMBOX_PY_ int shmbox_py_unlock(shmbox *box)
{
	return @_unlock(box);
}

SHMBOX_PY_ int shmbox_py_version(shmbox *box, uint64_t *version)
{
	return @_version(box, version);
}

SHMBOX_PY_ int shmbox_py_wait(shmbox *box, uint64_t version, int timeout_ms)
{
	return @_wait(box, version, timeout_ms);
}
