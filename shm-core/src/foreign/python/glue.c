
/* What the Python module calls. A signal's handler may raise between two calls, and a fork may end all threads but one
 * in the middle of a call: so whatever must be undone is done within one call, and a thread that is gone is known as such. */
#define SHMBOX_PY_ __attribute__((__visibility__("default")))

/* Of CPython's stable interface. */
#ifdef __cplusplus
extern "C" {
#endif
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *thread);
void *PyObject_CallObject(void *callable, void *arguments);
int PyErr_CheckSignals(void);
void Py_DecRef(void *object);
#ifdef __cplusplus
}
#endif

/* Below these are the negated numbers of failed system calls; and a code that is never seen, since Python raises. */
enum { SHMBOX_PY_ERRNO_ = -1000, SHMBOX_PY_RAISED_ = -999 };

/* A handle for any number of threads: those that write take turns, those that read or wait use copies. */
typedef struct shmbox_py {
	shmbox box;
	shmbox opened;    /* as it was opened */
	uint32_t writer;  /* whose turn it is: generation, number of the thread, and whether others wait; 0: free */
} shmbox_py;

/* A thread's number is below 1 << 22 (PID_MAX_LIMIT); above it stands how many forks lie between this process and its
 * first ancestor that used this module, so that a turn which a fork cut short is known as such. */
#define SHMBOX_PY_GENERATION_ UINT32_C(0x7fc00000)
static uint32_t shmbox_py_generation_;
static __thread uint32_t shmbox_py_thread_;

/* In a child, after a fork. */
SHMBOX_PY_ void shmbox_py_forked(void)
{
	shmbox_py_generation_ = (shmbox_py_generation_ + (UINT32_C(1) << 22)) & SHMBOX_PY_GENERATION_;
	shmbox_py_thread_ = 0;
}

static int shmbox_py_enter_(shmbox_py *self, int64_t end)
{
	uint32_t waited = 0;

	if (shmbox_py_thread_ == 0)
		shmbox_py_thread_ = (uint32_t)syscall(SYS_gettid) | shmbox_py_generation_;
	for (;;) {
		uint32_t seen = __atomic_load_n(&self->writer, __ATOMIC_RELAXED);
		int64_t const left = end - shmbox_now_();

		if ((seen & ~SHMBOX_WAITERS_) == shmbox_py_thread_)
			return SHMBOX_EREENTRANT;
		if (seen == 0 || (seen & SHMBOX_PY_GENERATION_) != shmbox_py_generation_) {
			if (__atomic_compare_exchange_n(&self->writer, &seen, shmbox_py_thread_ | waited, 0, __ATOMIC_ACQUIRE,
							__ATOMIC_RELAXED))
				return 0;
			continue;
		}
		if (left <= 0)
			return SHMBOX_EBUSY;
		waited = SHMBOX_WAITERS_;
		if ((seen & SHMBOX_WAITERS_) != 0 ||
		    __atomic_compare_exchange_n(&self->writer, &seen, seen | SHMBOX_WAITERS_, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			shmbox_sleep_(&self->writer, seen | SHMBOX_WAITERS_, left);
	}
}

static void shmbox_py_leave_(shmbox_py *self)
{
	if ((__atomic_exchange_n(&self->writer, 0, __ATOMIC_RELEASE) & SHMBOX_WAITERS_) != 0)
		shmbox_wake_(&self->writer, 1);
}

static int shmbox_py_code_(const shmbox *box, int code)
{
	return code == SHMBOX_ESYSTEM ? SHMBOX_PY_ERRNO_ - box->error : code;
}

/* Takes the turn and the lock, without Python's lock. Now and then a signal gets its turn, and may raise. */
static int shmbox_py_begin_(shmbox_py *self)
{
	int64_t const end = shmbox_now_() + shmbox_limit_(&self->opened);

	for (;;) {
		void *const thread = PyEval_SaveThread();
		int64_t const now = shmbox_now_();
		int64_t const nap = end - now < 200 * SHMBOX_MS_ ? end - now : 200 * SHMBOX_MS_;
		int code = shmbox_py_enter_(self, now + nap);

		if (code == 0) {
			self->box.limit_ms = nap > SHMBOX_MS_ ? (int)(nap / SHMBOX_MS_) : 1;
			code = shmbox_py_code_(&self->box, any_struct_lock(&self->box));
			self->box.limit_ms = self->opened.limit_ms;
			if (code != 0)
				shmbox_py_leave_(self);
		}
		PyEval_RestoreThread(thread);
		if (code != SHMBOX_EBUSY || shmbox_now_() >= end)
			return code;
		if (PyErr_CheckSignals() != 0)
			return SHMBOX_PY_RAISED_;
	}
}

static int shmbox_py_end_(shmbox_py *self, int code)
{
	code = shmbox_py_code_(&self->box, code);
	any_struct_unlock(&self->box);
	shmbox_py_leave_(self);
	return code;
}

SHMBOX_PY_ shmbox_py *shmbox_py_new(void)
{
	return (shmbox_py *)calloc(1, sizeof(shmbox_py));
}

/* A code where it is still there; else 0, and `*said` is what its end has to say. */
SHMBOX_PY_ int shmbox_py_free(shmbox_py *self, int *said)
{
	int const code = shmbox_py_enter_(self, shmbox_now_() + shmbox_limit_(&self->opened));

	if (code != 0)
		return code;
	*said = any_struct_close(&self->box);
	*said = shmbox_py_code_(&self->box, *said);
	free(self);
	return 0;
}

SHMBOX_PY_ int shmbox_py_id(const shmbox_py *self)
{
	return self->opened.is_file ? (int)(self->opened.unique & INT_MAX) : self->opened.id;
}

SHMBOX_PY_ const char *shmbox_py_strerror(int code)
{
	return code <= SHMBOX_PY_ERRNO_ ? strerror(SHMBOX_PY_ERRNO_ - code) : shmbox_strerror(code);
}

SHMBOX_PY_ size_t shmbox_py_size(void)
{
	return sizeof(struct any_struct);
}

/* `first`: what to make it with if it is not there, or NULL. */
SHMBOX_PY_ int shmbox_py_open(shmbox_py *self, key_t key, int read_only, int limit_ms, int trust, uid_t user, const char *path,
			      int mode, const void *first)
{
	shmbox_options const options = { read_only, limit_ms, trust, user, mode };
	shmbox_birth_ birth = { first, 0, mode != 0 ? mode : 0600, 0, 0 };
	int const code = shmbox_find_(&self->box, any_struct_type_(), key, path, &options, first == NULL ? NULL : &birth, NULL);

	self->opened = self->box;
	/* Copies claim nothing, and leave it to the handle that writes to notice a fork. */
	self->opened.claim = 0;
	self->opened.alive = NULL;
	return shmbox_py_code_(&self->box, code);
}

/* Python aligns its buffers to 16 bytes at most, which may be less than the struct's alignment: no pointer to one. */

SHMBOX_PY_ int shmbox_py_get(const shmbox_py *self, void *value, uint64_t *version)
{
	shmbox box = self->opened;

	return shmbox_py_code_(&box, shmbox_get_(&box, any_struct_type_(), shmbox_whole_(any_struct_type_()), value, version));
}

SHMBOX_PY_ int shmbox_py_version(const shmbox_py *self, uint64_t *version)
{
	shmbox box = self->opened;

	return shmbox_py_code_(&box, any_struct_version(&box, version));
}

SHMBOX_PY_ int shmbox_py_wait(const shmbox_py *self, uint64_t version, int timeout_ms)
{
	shmbox box = self->opened;

	return shmbox_py_code_(&box, any_struct_wait(&box, version, timeout_ms));
}

SHMBOX_PY_ int shmbox_py_persist(const shmbox_py *self)
{
	shmbox box = self->opened;

	return shmbox_py_code_(&box, any_struct_persist(&box));
}

SHMBOX_PY_ int shmbox_py_set(shmbox_py *self, const void *value, uint64_t *version)
{
	int code = shmbox_py_begin_(self);
	void *thread;

	if (code != 0)
		return code;
	thread = PyEval_SaveThread();
	code = shmbox_commit_held_(&self->box, any_struct_type_(), shmbox_whole_(any_struct_type_()), value, version);
	code = shmbox_py_end_(self, code);
	PyEval_RestoreThread(thread);
	return code;
}

/* `change` is called without arguments, with the value loaded; whether it is one, it finds out. */
SHMBOX_PY_ int shmbox_py_update(shmbox_py *self, void *value, uint64_t *version, void *change)
{
	int code = shmbox_py_begin_(self);
	void *result;

	if (code != 0)
		return code;
	code = shmbox_load_(&self->box, any_struct_type_(), shmbox_whole_(any_struct_type_()), value);
	if (code == 0 || code == SHMBOX_EINVALID) {
		result = PyObject_CallObject(change, NULL);
		code = SHMBOX_PY_RAISED_;
		if (result != NULL) {
			Py_DecRef(result);
			code = shmbox_commit_held_(&self->box, any_struct_type_(), shmbox_whole_(any_struct_type_()), value,
						   version);
		}
	}
	return shmbox_py_end_(self, code);
}
