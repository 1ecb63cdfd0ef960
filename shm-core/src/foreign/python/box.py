

# What a user of the module opens.


class SharedBox:
    """A segment with one value, shared with other processes.

    Reading is consistent: all parts of a value belong to one commit. Writing commits all of a value, or, if this
    process dies, nothing. A box may be used by several threads, as long as none closes it while others use it; after a
    fork, open another one in the child.
    """

    def __init__(self, key, read_only=False, owner=None, timeout=5.0):
        self._owner, self._timeout = owner, timeout
        self._read_only = read_only
        self._writing = self._waiting = None
        self._retired = []
        self._opening = _threading.Lock()
        self.key = _key_t(key)
        if owner == "anybody":
            trusted = None
        else:
            trusted = {0, _os.geteuid()} | (set() if owner is None else {owner})
        if _ON_X86_64:
            try:
                self._reading = _Reader(self.key, trusted, timeout)
            except Mismatch as mismatch:
                self._reading = self._later_version(mismatch)
        else:
            self._reading = _Handle(self.key, True, owner, timeout)

    def _later_version(self, mismatch):
        """A handle of the C functions, which can tell whether it is a later version of this module's struct."""
        try:
            return _Handle(self.key, True, self._owner, self._timeout)
        except NoCompiler as error:
            what = "%s; or, if it is a later version of this module's struct: %s"
            raise Mismatch(what % (mismatch, error)) from None
        except ShmboxError:
            raise mismatch from None

    def _read(self, call):
        """What `call` makes of whatever reads the segment."""
        reading = self._reading
        try:
            return call(reading)
        except Mismatch as mismatch:
            # Upgraded since the last call.
            if isinstance(reading, _Handle):
                raise
            later = self._same(self._later_version(mismatch))
        # Another thread may still be reading with the old one.
        self._retired.append(reading)
        self._reading = later
        return call(later)

    def get(self):
        """A consistent copy of the value. Never waits for a writer."""
        return self.snapshot().value

    def snapshot(self):
        """A consistent copy of the value, and its version."""
        value = _TYPE()
        version = self._read(lambda reading: reading.read(value))
        _check_value(value)
        return Snapshot(value, version)

    def version(self):
        """The version that stands: each commit raises it."""
        return self._read(lambda reading: reading.version())

    def set(self, value):
        """Commits a value; returns its version."""
        version = _ctypes.c_uint64()
        self._writer()("set", _ctypes.byref(_wanted(value)), version)
        return version.value

    def update(self, change):
        """Lets `change` work on the value under the lock, and commits what it leaves, or what it returns if that is
        not None; returns the version. If it raises, nothing is committed."""
        handle, value, version = self._writer(), _TYPE(), _ctypes.c_uint64()
        with handle.mutex:
            handle("lock")
            try:
                handle("load", _ctypes.byref(value), passed=(-19,))
                _check_value(value)
                new = change(value)
                new = _wanted(value if new is None else new)
                handle("commit", _ctypes.byref(new), version)
            finally:
                handle("unlock")
        return version.value

    def wait(self, version, timeout=None):
        """Sleeps until a version above `version` stands, for ever or for so many seconds. A snapshot, or None if no
        newer version came."""
        end = None if timeout is None else _time.monotonic() + timeout
        with self._opening:
            if self._waiting is None:
                self._waiting = self._handle(self._read_only)
        while True:
            # Not for long, so that a signal (Ctrl-C) and other threads get their turn.
            left = 0.2 if end is None else max(0.0, min(0.2, end - _time.monotonic()))
            if self._waiting("wait", version, int(left * 1000 + 0.999), passed=(-20,)) == 0:
                return self.snapshot()
            if end is not None and _time.monotonic() >= end:
                return None

    def _writer(self):
        if self._read_only:
            raise ShmboxError("segment %#010x was opened for reading only" % (self.key & 0xFFFFFFFF))
        with self._opening:
            if self._writing is None:
                self._writing = self._handle(False)
        return self._writing

    def _handle(self, read_only):
        """The C functions' handle of the segment that is read."""
        # Raises if that is gone.
        self.version()
        return self._same(_Handle(self.key, read_only, self._owner, self._timeout))

    def _same(self, handle):
        """The handle, unless the key leads to another segment by now."""
        if handle.id == self._reading.id:
            return handle
        handle.close()
        raise Removed("segment %#010x has been removed and made anew: open it again" % (self.key & 0xFFFFFFFF))

    def close(self):
        """Detaches."""
        for part in [self._reading, self._writing, self._waiting] + self._retired:
            if part is not None:
                part.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _check_value(value):
    _ROOT.check(value, "")


def _wanted(value):
    if not isinstance(value, _TYPE):
        raise TypeError("a %s is wanted, and this is a %s" % (_TYPE.__name__, type(value).__name__))
    _check_value(value)
    return value


def open(key, read_only=False, owner=None, timeout=5.0):
    """Attaches the segment of `key`, and checks that it holds this module's struct.

    `read_only`: needs no right to write. `owner`: besides this user and root, trust this user id, or "anybody".
    `timeout`: for how many seconds to wait for others to get out of the way.
    """
    return SharedBox(key, read_only, owner, timeout)


def dtype():
    """The layout as a numpy dtype: `numpy.frombuffer(box.get(), dtype())`. Needs numpy."""
    return _TYPE.dtype()
