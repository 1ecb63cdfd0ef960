

# The kernel's calls, and the words of the control block.

_ON_X86_64 = _platform.machine() in ("x86_64", "AMD64") and _structs.calcsize("P") == 8
_CONTROL, _MAGIC, _FORMAT, _FLAGS, _CAPACITY, _ROOM, _SLOTS, _SEQ, _STATE = 320, 0, 8, 12, 16, 24, 40, 128, 136
_SHM_RDONLY, _IPC_STAT = 0o10000, 2
_MADV_COLD, _MADV_POPULATE_READ = 20, 22
_FOREIGN = "another program laid it out: it has no control block"


def _libc():
    libc = _ctypes.CDLL(None, use_errno=True)
    libc.shmget.argtypes = (_ctypes.c_int, _ctypes.c_size_t, _ctypes.c_int)
    libc.shmat.argtypes = (_ctypes.c_int, _ctypes.c_void_p, _ctypes.c_int)
    libc.shmat.restype = _ctypes.c_void_p
    libc.shmdt.argtypes = (_ctypes.c_void_p,)
    libc.shmctl.argtypes = (_ctypes.c_int, _ctypes.c_int, _ctypes.c_void_p)
    libc.madvise.argtypes = (_ctypes.c_void_p, _ctypes.c_size_t, _ctypes.c_int)
    return libc


def _failed(key, call):
    number = _ctypes.get_errno()
    return ShmboxError("segment %#010x: %s: %s" % (key & 0xFFFFFFFF, call, _os.strerror(number)))


class _Reader:
    """Reading on x86-64, where "reads are not reordered with other reads" (Intel SDM 3A, 8.2.2): so the sequence may be
    read in Python and the value by memmove. Linux rests its seqlocks on the same."""

    def __init__(self, key, trusted, limit):
        self._key = key
        self._limit = limit
        self._libc = _libc()
        self._base = None
        end = _time.monotonic() + limit
        while not self._attach(trusted):
            if _time.monotonic() >= end:
                what = "somebody began to create it, and has not made it ready: start that program again"
                raise self._error(Busy, what)
            _time.sleep(0.001)

    def _error(self, kind, what):
        return kind("segment %#010x: %s" % (self._key & 0xFFFFFFFF, what))

    def _attach(self, trusted):
        """Whether it is ready; what is neither ready nor about to be is an error."""
        # No size: asking for more than there is would be a bare EINVAL.
        number = self._libc.shmget(self._key, 0, 0)
        if number < 0:
            if _ctypes.get_errno() != 2:
                raise _failed(self._key, "shmget")
            raise self._error(NotFound, "no segment has this key: start the program that creates it")
        mapped = self._map(number, trusted)
        if mapped is None:
            return False
        self.id = number
        self._base, size, mode = mapped
        self._control = self._base + size - _CONTROL
        try:
            state = self._u32(_STATE)
            has_magic = self._has_magic()
            newborn = state == 0 and mode & 0o111 == 0o001
            # 4: a birth around a value that is there already.
            if newborn or (has_magic and state & 0xFF == 4):
                self.close()
                return False
            if not has_magic:
                raise self._error(ShmboxError, _FOREIGN)
            self._check_life(self._u32(_STATE))
            self._check_header(size)
            self._check_schema()
        except BaseException:
            self.close()
            raise
        return True

    def _map(self, number, trusted):
        """Where a segment is mapped now, its size and its mode; None if it has gone."""
        # Mapped first and asked then: only an attachment pins what an id means.
        base = self._libc.shmat(number, None, _SHM_RDONLY)
        if base in (None, _ctypes.c_void_p(-1).value):
            if _ctypes.get_errno() in (22, 43):
                return None
            raise _failed(self._key, "shmat")
        try:
            found = self._ask(number, trusted)
            if found is not None:
                self._back(base, found[0])
        except BaseException:
            self._libc.shmdt(base)
            raise
        if found is None:
            self._libc.shmdt(base)
            return None
        return (base,) + found

    def _ask(self, number, trusted):
        """The size and the mode of a segment; None if it has gone."""
        facts = _ctypes.create_string_buffer(256)
        if self._libc.shmctl(number, _IPC_STAT, facts) != 0:
            if _ctypes.get_errno() in (22, 43):
                return None
            raise _failed(self._key, "shmctl")
        _, owner, _, creator, _, mode = _structs.unpack_from("=iIIIII", facts)
        (size,) = _structs.unpack_from("=Q", facts, 48)
        if trusted is not None and not {owner, creator} <= trusted:
            what = "it belongs to user %d and was created by user %d, not by this user or root: say whom to trust"
            raise self._error(ShmboxError, what % (owner, creator))
        if size < _CONTROL or size % 64 != 0:
            raise self._error(ShmboxError, _FOREIGN)
        return size, mode & 0xFFFF

    def _back(self, base, size):
        """Touches huge pages in the kernel, where it is an error and no signal that there are none."""
        # Only huge pages lie at such an address (as others may) and may not be let grow cold.
        if base % (2 << 20) or self._libc.madvise(base, 1, _MADV_COLD) == 0 or _ctypes.get_errno() != 22:
            return
        # 22: a kernel before 5.14, which does not know it.
        if self._libc.madvise(base, size, _MADV_POPULATE_READ) != 0 and _ctypes.get_errno() != 22:
            raise _failed(self._key, "madvise")

    def _has_magic(self):
        return _ctypes.string_at(self._control + _MAGIC, 8) == b"SHMBOX\x1a\n"

    def _u32(self, offset):
        return _ctypes.c_uint32.from_address(self._control + offset).value

    def _u64(self, offset):
        return _ctypes.c_uint64.from_address(self._control + offset).value

    def _check_life(self, state):
        life = state & 0xFF
        if life == 2:
            raise self._error(Removed, "the segment has been removed: open it again")
        if life != 1:
            raise self._error(ShmboxError, "its state word is none that shm-core writes")

    def _check_header(self, size):
        if self._u32(_FORMAT) != 1:
            raise self._error(ShmboxError, "it has a format that this module does not know: generate the module anew")
        capacity, room = self._u64(_CAPACITY), self._u64(_ROOM)
        slots = self._u32(_SLOTS)
        # A record of 8 bytes for each slot, in whole lines of 64.
        add_up = 0 < slots < 1023 and capacity * 3 + room * 2 + (slots + 7) // 8 * 64 + _CONTROL == size
        lines = capacity > 0 and room > 0 and capacity % 64 == 0 and room % 64 == 0
        if not add_up or not lines or self._u32(_FLAGS) & ~3:
            raise self._error(ShmboxError, "it is damaged: the words of its control block contradict each other")
        self._capacity, self._room = capacity, room

    def _check_schema(self):
        end = _time.monotonic() + self._limit
        while True:
            state = self._u32(_STATE)
            self._check_life(state)
            room = self._base + self._capacity * 3 + self._room * (state >> 8 & 1)
            header = _structs.unpack("=QQQII", _ctypes.string_at(room, 32))
            if self._u32(_STATE) == state:
                break
            if _time.monotonic() >= end:
                raise self._error(Busy, "its schema changes all the time")
        fingerprint, size, _, version, _ = header
        if fingerprint != FINGERPRINT or size != _ctypes.sizeof(_TYPE) or size > self._capacity:
            what = (
                "it holds another layout (fingerprint %#018x, %d bytes, version %d) than this module's %s (%#018x, "
                "%d bytes, version %d): generate the module anew, with `python_module()` of the type in use or of an "
                "`Inspector` on the segment"
            )
            mine = (_TYPE.__name__, FINGERPRINT, _ctypes.sizeof(_TYPE), SCHEMA_VERSION)
            raise self._error(Mismatch, what % ((fingerprint, size, version) + mine))
        self._state = state

    def _check_open(self):
        if self._base is None:
            raise ShmboxError("this box is closed")
        if self._u32(_STATE) != self._state:
            self._check_schema()

    def version(self):
        self._check_open()
        return self._u64(_SEQ) // 2

    def read(self, value):
        end = _time.monotonic() + self._limit
        size = _ctypes.sizeof(value)
        while True:
            for _ in range(64):
                self._check_open()
                state, seq = self._state, self._u64(_SEQ)
                copy = self._base if seq % 2 == 0 else self._base + self._capacity * (1 + seq // 2 % 2)
                _ctypes.memmove(_ctypes.addressof(value), copy, size)
                behind = (self._u64(_SEQ) - seq) & 0xFFFFFFFFFFFFFFFF
                if behind < (1 if seq % 2 == 0 else 3) and self._u32(_STATE) == state:
                    return seq // 2
            if _time.monotonic() >= end:
                raise self._error(Busy, "writers replaced the value faster than it could be copied")

    def close(self):
        if self._base is not None:
            self._libc.shmdt(self._base)
        self._base = None

    def __del__(self):
        if getattr(self, "_base", None) is not None:
            self.close()
