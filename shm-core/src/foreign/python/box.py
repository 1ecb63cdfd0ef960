

# What a user of the module opens.


class SharedBox:
    """A segment with one value, shared with other processes.

    Reading is consistent: all parts of a value belong to one commit. Writing commits all of a value, or, if this
    process dies, nothing. A box may be used by several threads, as long as none closes it while others use it, and by
    both processes after a fork. Pickled for another process, it is opened there by its key. One that may write takes one
    of the segment's slots when it is opened.
    """

    def __init__(self, key, read_only=False, owner=None, timeout=5.0):
        self.key = _key_t(key)
        self._read_only = bool(read_only)
        if owner is not None and owner != "anybody":
            owner = _integer(owner, "owner", "the number of a user, or 'anybody',")
        self._owner, self._timeout = owner, _seconds(timeout, "timeout")
        # A handle of the C functions', once one is needed. The first one is in use: two threads may open one at once.
        self._calling = []
        if owner == "anybody":
            trusted = None
        else:
            trusted = {0, _os.geteuid()} | (set() if owner is None else {owner})
        self._trusted = trusted
        end = _time.monotonic() + self._timeout
        while not self._open():
            if _time.monotonic() >= end:
                raise Removed("segment %#010x is removed and made anew all the time" % (self.key & 0xFFFFFFFF))
            _time.sleep(0.001)

    def _open(self):
        """Attaches the segment; whether it stayed the same meanwhile."""
        self._reading = self._reader()
        try:
            return self._read_only or self._may_write()
        except BaseException:
            self.close()
            raise

    def _reader(self):
        if not _ON_X86_64:
            return _Handle(self.key, True, self._owner, self._timeout)
        try:
            return _Reader(self.key, self._trusted, self._timeout)
        except Mismatch as mismatch:
            return self._other_version(mismatch)

    def _may_write(self):
        """Opens the handle that writes, since rights are judged at the opening: what was allowed then stays allowed to a
        process that gives up its rights. False if the segment was replaced."""
        try:
            self._handle()
        except NoCompiler:
            # Reading goes on; the first write says it again.
            pass
        except (NotFound, Removed):
            self.close()
            return False
        except Mismatch as error:
            # -8: an earlier version, which can be read, and written once it was upgraded.
            if error.code != -8:
                raise
        except ShmboxError as error:
            what = "%s: it can't be opened for writing here; to read it, open it with `read_only=True`"
            refusal = type(error)(what % error)
            refusal.code = error.code
            raise refusal from None
        return True

    def __reduce__(self):
        # In another process it is another attachment.
        return SharedBox, (self.key, self._read_only, self._owner, self._timeout)

    def _other_version(self, mismatch):
        """A handle of the C functions, which can tell whether it is another version of this module's struct."""
        try:
            return _Handle(self.key, True, self._owner, self._timeout)
        except NoCompiler as error:
            what = "%s; or, if it is another version of this module's struct: %s"
            raise Mismatch(what % (mismatch, error)) from None
        except ShmboxError as error:
            # -8: an earlier version.
            raise (error if error.code == -8 else mismatch) from None

    def _read(self, call):
        """What `call` makes of whatever reads the segment."""
        reading = self._reading
        try:
            return call(reading)
        except Mismatch as mismatch:
            # Upgraded since the last call.
            if isinstance(reading, _Handle):
                raise
            # Another thread may still be reading with the old one, which goes with its last user.
            self._reading = reading = self._newer(mismatch)
        return call(reading)

    def _newer(self, mismatch):
        try:
            return self._same(self._other_version(mismatch))
        except ShmboxError:
            # Rights that this process has given up since: the handle that writes has them.
            if not self._calling:
                raise
            return self._calling[0]

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
        if not callable(change):
            raise TypeError("change: a function is wanted, and this is a %s" % type(change).__name__)
        value, version = _TYPE(), _ctypes.c_uint64()

        def call():
            _check_value(value)
            new = change(value)
            new = _wanted(value if new is None else new)
            if new is not value:
                _ctypes.memmove(_ctypes.addressof(value), _ctypes.addressof(new), _ctypes.sizeof(value))

        # One call, so that no exception can come in between and leave the lock taken.
        self._writer()("update", _ctypes.byref(value), version, call)
        return version.value

    def wait(self, version, timeout=None):
        """Sleeps until a version above `version` stands, for ever or for so many seconds. A snapshot, or None if no
        newer version came."""
        version = _integer(version, "version", "an integer, such as `box.version()` or `box.snapshot().version`,")
        if not 0 <= version < 1 << 64:
            raise OverflowError("version: %d is none" % version)
        end = None if timeout is None else _time.monotonic() + _seconds(timeout, "timeout")
        handle = self._handle()
        while True:
            # Not for long, so that a signal (Ctrl-C) gets its turn.
            left = 0.2 if end is None else max(0.0, min(0.2, end - _time.monotonic()))
            if handle("wait", version, int(left * 1000 + 0.999), passed=(-20,)) == 0:
                return self.snapshot()
            if end is not None and _time.monotonic() >= end:
                return None

    def _writer(self):
        if self._read_only:
            raise ShmboxError("segment %#010x was opened for reading only" % (self.key & 0xFFFFFFFF))
        return self._handle()

    def _handle(self):
        """The C functions' handle of the segment that is read."""
        if not self._calling:
            # Raises if that is gone.
            self.version()
            self._calling.append(self._same(_Handle(self.key, self._read_only, self._owner, self._timeout)))
        return self._calling[0]

    def _same(self, handle):
        """The handle, unless the key leads to another segment by now."""
        if handle.id == self._reading.id:
            return handle
        handle.close()
        raise Removed("segment %#010x has been removed and made anew: open it again" % (self.key & 0xFFFFFFFF))

    def close(self):
        """Detaches."""
        for part in [self._reading] + self._calling:
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

    `key`: an integer, or text as `ipcs` and programs in Rust write it, such as "0x1234".
    `read_only`: needs no right to write, and takes no slot. Without it, an error says at once what is missing for writing
    (save a C compiler, which reading needs not), and what is allowed stays so after `os.setuid`. `owner`: besides this user and root, trust this user id, or "anybody".
    `timeout`: for how many seconds to wait for others to get out of the way.
    """
    return SharedBox(key, read_only, owner, timeout)


def dtype():
    """The layout as a numpy dtype: `numpy.frombuffer(box.get(), dtype())`. Needs numpy."""
    return _TYPE.dtype()
