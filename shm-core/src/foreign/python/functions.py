

# The C functions.


def _is_ours(path):
    """Whether nobody but this user and root can put another directory in the place of this one or of one above it."""
    while True:
        facts = _os.lstat(path)
        for_all = facts.st_mode & 0o002 and not facts.st_mode & _stat.S_ISVTX
        if for_all or facts.st_uid not in (0, _os.geteuid()):
            return False
        if path == _os.path.dirname(path):
            return True
        path = _os.path.dirname(path)


def _cache():
    """A directory that nobody else can write to, and whether it is to be removed again."""
    base = _os.environ.get("XDG_CACHE_HOME") or _os.path.join(_os.path.expanduser("~"), ".cache")
    try:
        # Of a user without a home; or relative, which the XDG Base Directory Specification calls invalid.
        if not _os.path.isabs(base):
            raise NotADirectoryError(base)
        _os.makedirs(base, exist_ok=True)
        base = _os.path.realpath(base)
        if not _is_ours(base):
            raise PermissionError(base)
        path = _os.path.join(base, "shmbox")
        try:
            _os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        facts = _os.lstat(path)
        if not _os.access(path, _os.W_OK):
            raise PermissionError(path)
    except OSError:
        # No home, or one that can't be written, or that others can: compiled again in each run.
        return _tempfile.mkdtemp(prefix="shmbox-"), True
    if not _stat.S_ISDIR(facts.st_mode) or facts.st_uid != _os.geteuid() or facts.st_mode & 0o077:
        raise ShmboxError(
            "%s must be a directory of this user's that nobody else may read or write (mode 0700), since code is "
            "loaded from it: correct or remove it" % path
        )
    return path, False


def _compile(source, target, directory):
    compiler = _shlex.split(_os.environ.get("CC") or "cc")
    handle, text = _tempfile.mkstemp(".c", "shmbox-", directory)
    made = text[:-2] + ".so"
    try:
        with _os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        flags = ["-std=gnu11", "-O2", "-fPIC", "-shared", "-o", made, text]
        try:
            run = _subprocess.run(compiler + flags, stdout=_subprocess.PIPE, stderr=_subprocess.STDOUT)
        except OSError as error:
            raise NoCompiler(
                "writing a segment, waiting, and reading another version of the struct need a C compiler, and `%s` does not run (%s): install one (Debian "
                "and Ubuntu: `apt install gcc libc6-dev`; Fedora: `dnf install gcc`; Alpine: `apk add gcc musl-dev "
                "linux-headers`), or name it in the environment variable CC; reading this version on x86-64 needs none"
                % (" ".join(compiler), error.strerror)
            ) from None
        if run.returncode != 0:
            raise NoCompiler(
                "`%s` does not compile the functions that write a segment: %s"
                % (" ".join(compiler), run.stdout.decode("utf-8", "replace").strip())
            )
        # Whole or not at all: another process may be doing the same.
        _os.rename(made, target)
    finally:
        for path in (text, made):
            try:
                _os.unlink(path)
            except FileNotFoundError:
                pass


def _load():
    identity = "\0".join((_C_SOURCE, _platform.machine(), str(_structs.calcsize("P")), _os.environ.get("CC") or "cc"))
    name = _hashlib.sha256(identity.encode("utf-8")).hexdigest()[:32] + ".so"
    directory, passing = _cache()
    target = _os.path.join(directory, name)
    try:
        kept = _os.path.exists(target)
        if not kept:
            _compile(_C_SOURCE, target, directory)
        try:
            functions = _ctypes.CDLL(target)
        except OSError:
            if not kept:
                raise
            # Made on another system, with which this one shares the directory.
            _compile(_C_SOURCE, target, directory)
            functions = _ctypes.CDLL(target)
        raising = _ctypes.PyDLL(target)
    finally:
        if passing:
            # What is loaded stays loaded.
            for left in _os.listdir(directory):
                _os.unlink(_os.path.join(directory, left))
            _os.rmdir(directory)
    handle, value, version = _ctypes.c_void_p, _ctypes.c_void_p, _ctypes.POINTER(_ctypes.c_uint64)
    table = _types.SimpleNamespace()
    for name, arguments, result in (
        ("new", (), handle),
        ("free", (handle,), _ctypes.c_int),
        ("forked", (), None),
        ("id", (handle,), _ctypes.c_int),
        ("strerror", (_ctypes.c_int,), _ctypes.c_char_p),
        ("size", (), _ctypes.c_size_t),
        ("open", (handle,) + (_ctypes.c_int,) * 4 + (_ctypes.c_uint,), _ctypes.c_int),
        ("get", (handle, value, version), _ctypes.c_int),
        ("version", (handle, version), _ctypes.c_int),
        ("wait", (handle, _ctypes.c_uint64, _ctypes.c_int), _ctypes.c_int),
        ("set", (handle, value, version), _ctypes.c_int),
        ("update", (handle, value, version, _ctypes.py_object), _ctypes.c_int),
    ):
        # What may raise is called under Python's lock, and lets go of it itself.
        library = raising if name in ("set", "update") else functions
        function = getattr(library, "shmbox_py_" + name)
        function.argtypes = arguments
        function.restype = result
        setattr(table, name, function)
    assert table.size() == _ctypes.sizeof(_TYPE)
    return table


# The first one is in use: two threads may have come here at once.
_loaded = []


def _functions():
    if not _loaded:
        try:
            _loaded.append(_load())
        except OSError as error:
            # No place for what the compiler makes, or one from where nothing may be loaded.
            what = "the functions that write a segment can't be compiled and loaded: %s"
            raise NoCompiler(what % error) from error
    return _loaded[0]


def _after_fork():
    for functions in _loaded:
        functions.forked()


_os.register_at_fork(after_in_child=_after_fork)


class _Handle:
    """A handle of the C functions', which let any number of threads use it."""

    def __init__(self, key, read_only, owner, limit):
        self._key = key
        self._c = _functions()
        self._box = self._c.new()
        if not self._box:
            raise MemoryError
        trust = 2 if owner == "anybody" else 0 if owner is None else 1
        try:
            self("open", key, int(read_only), _milliseconds(limit), trust, owner if trust == 1 else 0)
        except BaseException:
            self.close()
            raise
        self.id = self._c.id(self._box)

    def __call__(self, name, *arguments, passed=()):
        """Calls a function; what it returns if it is in `passed`, else 0 or an exception."""
        if not self._box:
            raise ShmboxError("this box is closed")
        code = getattr(self._c, name)(self._box, *arguments)
        if code != 0 and code not in passed:
            raise self._error(code)
        return code

    def _error(self, code):
        what = self._c.strerror(code).decode()
        error = _BY_CODE.get(code, ShmboxError)("segment %#010x: %s" % (self._key & 0xFFFFFFFF, what))
        error.code = code if code > -1000 else -1
        return error

    def version(self):
        version = _ctypes.c_uint64()
        self("version", version)
        return version.value

    def read(self, value):
        version = _ctypes.c_uint64()
        # -19: what is wrong with the value, `_Nested.check` tells better.
        self("get", _ctypes.byref(value), version, passed=(-19,))
        return version.value

    def close(self):
        # First of all, so that no exception makes it happen twice.
        box, self._box = self._box, None
        code = self._c.free(box) if box else 0
        if code != 0:
            self._box = box
            raise self._error(code)

    def __del__(self):
        # Give the slot back.
        if getattr(self, "_box", None):
            self.close()


def _key_t(key):
    """The key as C has it: a signed integer of 32 bits."""
    if isinstance(key, str):
        if not _re.fullmatch("0[xX][0-9a-fA-F]+|-?[0-9]+", key):
            raise ValueError("%r is no key: one is written as 0x1234, 4660 or -5" % key)
        key = int(key, 16 if key[:2] in ("0x", "0X") else 10)
    key = _integer(key, "key", "an integer, or text such as '0x1234',")
    if not -(1 << 31) <= key < 1 << 32:
        raise ValueError("a key has 32 bits")
    if key == 0:
        raise ValueError("key 0 is IPC_PRIVATE, which leads to no segment")
    return (key + (1 << 31)) % (1 << 32) - (1 << 31)


def _integer(value, name, wanted):
    """An argument that must be an integer."""
    try:
        return _operator.index(value)
    except TypeError:
        raise TypeError("%s: %s is wanted, and this is a %s" % (name, wanted, type(value).__name__)) from None


def _seconds(value, name):
    """An argument that must be a number of seconds."""
    if isinstance(value, (str, bytes)) or not hasattr(type(value), "__float__"):
        raise TypeError("%s: a number of seconds is wanted, and this is a %s" % (name, type(value).__name__))
    value = float(value)
    if value != value:
        raise ValueError("%s: %r is no number of seconds" % (name, value))
    return value


def _milliseconds(seconds):
    """As C counts them: at least one, and no more than an int holds."""
    return int(min(max(seconds * 1000, 1), 0x7FFFFFFF))
