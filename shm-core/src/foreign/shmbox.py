# The part that all modules made by shm-core have in common: the protocol of FORMAT.md, format 1, for CPython 3.8 and
# later on Linux. It needs nothing but the standard library, and a C compiler for writing.
#
# Python has neither compare-exchange nor fences. On x86-64, where the processor keeps loads in order, reading is done
# here. All else is done by C functions: their text is in this module, and the first call that needs them has the
# system's C compiler make a shared object of it, which is kept for later runs.

import collections as _collections
import collections.abc as _abc
import contextlib as _contextlib
import ctypes as _ctypes
import enum as _enum
import hashlib as _hashlib
import importlib as _importlib
import json as _json
import math as _math
import operator as _operator
import os as _os
import platform as _platform
import re as _re
import shlex as _shlex
import stat as _stat
import struct as _structs
import subprocess as _subprocess
import sys as _sys
import tempfile as _tempfile
import time as _time
import types as _types


class ShmboxError(Exception):
    """A segment could not be opened, read or written. `code` is the number that the C functions have for it."""

    code = -1


class NotFound(ShmboxError):
    """The key leads to no segment, or the path to no file."""

    code = -2


class Mismatch(ShmboxError):
    """The segment holds another layout than this module describes."""

    code = -7


class Removed(ShmboxError):
    """The segment has been removed."""

    code = -9


class Busy(ShmboxError):
    """Another process did not get out of the way within the time limit."""

    code = -12


class Invalid(ShmboxError, ValueError):
    """Bytes are no value of their type: another program stored them."""

    code = -19


class Left(ShmboxError):
    """This process has left the IPC namespace of the segment, or a peer took its slot: it can only read."""

    code = -22


class NoCompiler(ShmboxError):
    """There is no C compiler, or it does not accept the functions that write, or what it made can't be loaded."""


_BY_CODE = {-2: NotFound, -7: Mismatch, -8: Mismatch, -9: Removed, -12: Busy, -13: Busy, -19: Invalid, -22: Left}


def _error(kind, key, what):
    place = "segment %#010x" % (key & 0xFFFFFFFF) if isinstance(key, int) else "file %r" % _os.fsdecode(key)
    return kind("%s: %s" % (place, what))


Snapshot = _collections.namedtuple("Snapshot", "value version")
Snapshot.__doc__ = "A value, and the version that it had in the segment."


# What the parts of a value are. A *plain* kind is one number to ctypes, and is encoded; any other kind is an object of
# ctypes', which is viewed in place and assigned to.


class _Kind:
    plain = False
    # Whether some bytes are no value, so that what was read is to be checked.
    picky = False

    def view(self, raw):
        return raw

    def data(self, raw):
        """What JSON says of it."""
        return self.view(raw)

    def check(self, raw, path):
        """Raises Invalid if what the segment held is no value."""


class _Int(_Kind):
    plain = True

    def __init__(self, ctype, signed):
        self.ctype = ctype
        bits = 8 * _ctypes.sizeof(ctype)
        self.least = -(1 << bits - 1) if signed else 0
        self.most = (1 << bits - signed) - 1
        self.format = "=" + ("i" if signed else "u") + str(bits // 8)

    def encode(self, value):
        value = _operator.index(value)
        if not self.least <= value <= self.most:
            raise OverflowError("%d is not in %d..=%d" % (value, self.least, self.most))
        return value


class _Float(_Kind):
    plain = True

    def __init__(self, ctype):
        self.ctype = ctype
        self.format = "=f%d" % _ctypes.sizeof(ctype)

    def encode(self, value):
        # Which float() would read.
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError("a number is wanted, and this is a %s" % type(value).__name__)
        return float(value)

    def data(self, raw):
        # JSON has no word for the others.
        if not _math.isfinite(raw):
            return None
        # 0.1 and not 0.10000000149011612: the shortest number that is this one.
        digits = range(1, 10) if self.ctype is _ctypes.c_float else ()
        shorter = (float("%.*g" % (count, raw)) for count in digits)
        return next((short for short in shorter if self.ctype(short).value == raw), raw)


class _Bool(_Kind):
    plain = True
    picky = True
    ctype = _ctypes.c_uint8
    format = "?"

    def encode(self, value):
        # numpy's bool is no int.
        if not isinstance(value, int) and type(value).__name__ not in ("bool", "bool_"):
            raise TypeError("a bool is wanted, and this is a %s" % type(value).__name__)
        if value not in (0, 1):
            raise ValueError("%d is no bool: True or False is wanted" % value)
        return int(value)

    def view(self, raw):
        return raw != 0

    def check(self, raw, path):
        if raw > 1:
            raise Invalid("field `%s` holds %d, which is no `bool`" % (path, raw))


class _Char(_Kind):
    plain = True
    picky = True
    ctype = _ctypes.c_uint32
    format = "=u4"

    def encode(self, value):
        if not isinstance(value, str) or len(value) != 1:
            raise TypeError("text of one character is wanted, and this is %r" % (value,))
        code = ord(value)
        if 0xD800 <= code <= 0xDFFF:
            raise ValueError("half of a surrogate pair is no character")
        return code

    def view(self, raw):
        return chr(raw)

    def check(self, raw, path):
        if 0xD800 <= raw <= 0xDFFF or raw > 0x10FFFF:
            raise Invalid("field `%s` holds %#x, which is no `char`" % (path, raw))


# What the schema calls a field or a variant that has another name in Python, by class and by that name.
_RENAMED = {}


def _name_in_schema(cls, name):
    return _RENAMED.get(cls, {}).get(name, name)


class _Variants(_Kind):
    """What stores one of `known`, the variants of the enum `variants` by number."""

    def __init__(self, variants, other):
        self.variants = variants
        self.known = {int(variant): variant for variant in variants or ()}
        self.other = self.known.get(other)
        self.picky = variants is not None and other is None

    def view(self, raw):
        # A new struct holds zeros, which may be none of them.
        number = self.number(raw)
        return self.known.get(number, number if self.other is None else self.other)

    def check(self, raw, path):
        number = self.number(raw)
        if number not in self.known:
            raise Invalid("field `%s` holds %d, which is no `%s`" % (path, number, self.variants.__name__))

    def data(self, raw):
        number = self.number(raw)
        return _name_in_schema(self.variants, self.known[number].name) if number in self.known else number

    def variant(self, value):
        """The variant that is meant, by name or by number."""
        if not isinstance(value, str):
            return self.variants(value)
        for variant in self.known.values():
            if value == _name_in_schema(self.variants, variant.name):
                return variant
        raise ValueError("%r is no %s" % (value, self.variants.__name__))


class _Enum(_Variants):
    plain = True

    def __init__(self, variants, integer, other=None):
        super().__init__(variants, other)
        self.ctype = integer.ctype
        self.format = integer.format

    def encode(self, value):
        return int(self.variant(value))

    def number(self, raw):
        return raw


class _Bytes16(_Variants):
    """Integers of 128 bits, and enums that are stored as such: ctypes has none."""

    ctype = _ctypes.c_uint8 * 16
    format = "V16"

    def __init__(self, signed, variants=None, other=None):
        super().__init__(variants, other)
        self.signed = signed

    def number(self, raw):
        return int.from_bytes(bytes(raw), _sys.byteorder, signed=self.signed)

    def assign(self, raw, value):
        value = self.variant(value) if self.variants else _operator.index(value)
        try:
            raw[:] = value.to_bytes(16, _sys.byteorder, signed=self.signed)
        except OverflowError:
            kind = "i128" if self.signed else "u128"
            raise OverflowError("%d is no %s" % (value, kind)) from None


class _NonZero(_Kind):
    """An integer that is never 0, whatever kind converts it otherwise. A new struct holds 0 until it is assigned to."""

    picky = True

    def __init__(self, kind, name):
        self.kind = kind
        self.name = name
        self.plain, self.ctype, self.format, self.view = kind.plain, kind.ctype, kind.format, kind.view

    def encode(self, value):
        return self.kind.encode(self._checked(value))

    def assign(self, raw, value):
        self.kind.assign(raw, self._checked(value))

    def _checked(self, value):
        if value == 0:
            raise ValueError("0 is no %s" % self.name)
        return value

    def check(self, raw, path):
        if self.view(raw) == 0:
            raise Invalid("field `%s` holds 0, which is no `%s`" % (path, self.name))


class _Text(_Kind):
    """C's char[size]: str on this side. Bytes that are not UTF-8 come and go as lone surrogates (surrogateescape)."""

    def __init__(self, size):
        self.size = size
        self.ctype = _ctypes.c_uint8 * size
        self.format = "S%d" % size

    def view(self, raw):
        return bytes(raw).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def data(self, raw):
        text = self.view(raw)
        # JSON has no word for bytes that are no text.
        return list(text.encode("utf-8", "surrogateescape")) if any("\ud800" <= one <= "\udfff" for one in text) else text

    def assign(self, raw, value):
        if not isinstance(value, (str, bytes)):
            raise TypeError("text is wanted, and this is a %s" % type(value).__name__)
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        if b"\0" in text:
            raise ValueError("a NUL would end the text")
        if len(text) >= self.size:
            raise ValueError("text of %d bytes does not fit: there is room for %d" % (len(text), self.size - 1))
        raw[:] = text.ljust(self.size, b"\0")


class _Opaque(_Kind):
    """Bytes of another program, which nothing here reads or writes: their value is None."""

    def __init__(self, size):
        self.ctype = _ctypes.c_uint8 * size
        self.format = "V%d" % size

    def view(self, raw):
        return None

    def assign(self, raw, value):
        if value is not None:
            raise TypeError("these bytes belong to another program, so their value is None")


class _Octets(_Kind):
    """Bytes for which Python has a class: `name` in `module`, whose values have them as `attribute`, and may be text."""

    def __init__(self, size, module, name, attribute):
        self.ctype = _ctypes.c_uint8 * size
        self.format = "V%d" % size
        self.attribute = attribute
        self.of = getattr(_importlib.import_module(module), name)

    def view(self, raw):
        return self.of(bytes=bytes(raw)) if self.attribute == "bytes" else self.of(bytes(raw))

    def data(self, raw):
        return str(self.view(raw))

    def assign(self, raw, value):
        value = value if isinstance(value, self.of) else self.of(value)
        raw[:] = getattr(value, self.attribute)


class _Units(_Int):
    """An integer of a class of its own, which has a text too."""

    def __init__(self, ctype, signed, of):
        super().__init__(ctype, signed)
        self.of = of

    def encode(self, value):
        return super().encode(self.of.parse(value) if isinstance(value, str) else value)

    def view(self, raw):
        return self.of(raw)

    def data(self, raw):
        return str(self.of(raw))


class _Timestamp(int):
    """Nanoseconds since 1970, as of time.time_ns(); str() gives the text of RFC 3339."""

    @staticmethod
    def parse(text):
        import datetime

        parts = _re.fullmatch(r"([^.Z]*)(?:\.(\d{1,9}))?Z", text)
        if not parts:
            raise ValueError("a time such as 2026-11-26T04:25:00.5Z is wanted, and this is %r" % text)
        since = datetime.datetime.strptime(parts[1], "%Y-%m-%dT%H:%M:%S") - datetime.datetime(1970, 1, 1)
        return (since.days * 86400 + since.seconds) * 10**9 + int((parts[2] or "").ljust(9, "0"))

    def __str__(self):
        import datetime

        seconds, rest = divmod(self, 10**9)
        date = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        return date.isoformat() + (".%09d" % rest).rstrip("0").rstrip(".") + "Z"


class _Nanoseconds(int):
    """A span of time; str() gives a text such as 1.5ms."""

    UNITS = {"s": 9, "ms": 6, "µs": 3, "us": 3, "ns": 0}

    @classmethod
    def parse(cls, text):
        parts = _re.fullmatch(r"(\d+)(?:\.(\d+))?([mnuµ]?s)", text)
        digits = cls.UNITS[parts[3]] if parts else 0
        if not parts or len(parts[2] or "") > digits:
            raise ValueError("a span such as 1.5s, 20ms, 7us or 3ns is wanted, and this is %r" % text)
        return int(parts[1] + (parts[2] or "").ljust(digits, "0"))

    def __str__(self):
        unit, digits = next((unit, digits) for unit, digits in self.UNITS.items() if self >= 10**digits or not digits)
        whole, rest = divmod(self, 10**digits)
        return "%d%s%s" % (whole, (".%0*d" % (digits, rest)).rstrip("0").rstrip(".") if rest else "", unit)


class _Nested(_Kind):
    def __init__(self, ctype):
        self.ctype = ctype
        self.picky = any(kind.picky for _, kind in ctype._shared_.values())

    @property
    def format(self):
        return self.ctype.dtype()

    def assign(self, raw, value):
        if isinstance(value, dict):
            value = self.ctype(**value)
        if not isinstance(value, self.ctype):
            raise TypeError("a %s is wanted, and this is a %s" % (self.ctype.__name__, type(value).__name__))
        # The value may be a part of itself.
        _ctypes.memmove(_ctypes.addressof(raw), bytes(value), _ctypes.sizeof(raw))

    def data(self, raw):
        return raw.to_dict()

    def check(self, raw, path):
        for name, (place, kind) in self.ctype._shared_.items():
            if kind.picky:
                kind.check(place.__get__(raw, self.ctype), "%s.%s" % (path, name) if path else name)


class _Array(_Kind):
    def __init__(self, kind, length):
        self.kind = kind
        self.length = length
        self.picky = kind.picky
        self.ctype = kind.ctype * length

    @property
    def format(self):
        return (self.kind.format, (self.length,))

    def view(self, raw):
        return Array(self.kind, raw)

    def data(self, raw):
        return self.view(raw).to_list()

    def assign(self, raw, value):
        self.view(raw)[:] = value

    def check(self, raw, path):
        for i in range(self.length):
            self.kind.check(raw[i], "%s[%d]" % (path, i))


class _Vec(_Array):
    """FixedVec: a length, then, from `offset` on, as many elements as there is room for; `size` bytes in all."""

    picky = True

    def __init__(self, kind, capacity, offset, size):
        self.kind = kind
        self.capacity = capacity
        self.offset = offset
        fields = [("len", _ctypes.c_uint32), ("gap", _ctypes.c_uint8 * (offset - 4)), ("items", kind.ctype * capacity)]
        end = offset + capacity * _ctypes.sizeof(kind.ctype)
        fields.append(("rest", _ctypes.c_uint8 * (size - end)))
        body = {"_layout_": "ms", "_pack_": 1, "_fields_": fields}
        self.ctype = type("FixedVec", (_ctypes.Structure,), body)

    @property
    def format(self):
        return {
            "names": ["len", "items"],
            "formats": ["=u4", (self.kind.format, (self.capacity,))],
            "offsets": [0, self.offset],
            "itemsize": _ctypes.sizeof(self.ctype),
        }

    def view(self, raw):
        return Vec(self, raw)

    def check(self, raw, path):
        if raw.len > self.capacity:
            raise Invalid("field `%s` has %d elements, and room for %d" % (path, raw.len, self.capacity))
        for i in range(raw.len if self.kind.picky else 0):
            self.kind.check(raw.items[i], "%s[%d]" % (path, i))


_U8, _I8 = _Int(_ctypes.c_uint8, False), _Int(_ctypes.c_int8, True)
_U16, _I16 = _Int(_ctypes.c_uint16, False), _Int(_ctypes.c_int16, True)
_U32, _I32 = _Int(_ctypes.c_uint32, False), _Int(_ctypes.c_int32, True)
_U64, _I64 = _Int(_ctypes.c_uint64, False), _Int(_ctypes.c_int64, True)
_U128, _I128 = _Bytes16(False), _Bytes16(True)
_F32, _F64 = _Float(_ctypes.c_float), _Float(_ctypes.c_double)
_BOOL, _CHAR = _Bool(), _Char()


# Values: what a user of the module sees of a struct and of its parts.


class _WholeOrNothing:
    """Gives an object of ctypes' its bytes back if an exception leaves the block."""

    def __init__(self, raw):
        self.raw = raw

    def __enter__(self):
        self.before = bytes(self.raw)

    def __exit__(self, kind, *_):
        if kind is not None:
            _ctypes.memmove(_ctypes.addressof(self.raw), self.before, len(self.before))


class Array(_abc.Sequence):
    """The elements of an array, in place: as a list of fixed length."""

    def __init__(self, kind, raw):
        self._kind = kind
        self._raw = raw

    def __len__(self):
        return len(self._raw)

    def _index(self, index):
        index = _operator.index(index)
        length = len(self)
        if not -length <= index < length:
            raise IndexError("index %d, and there are %d elements" % (index, length))
        return index % length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._kind.view(self._raw[self._index(index)])

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            places, values = range(*index.indices(len(self))), [_copied(one) for one in value]
            if len(places) != len(values):
                raise ValueError("%d elements are wanted, and here are %d" % (len(places), len(values)))
            with _WholeOrNothing(self._raw):
                for i, one in zip(places, values):
                    self[i] = one
            return
        index = self._index(index)
        if self._kind.plain:
            self._raw[index] = self._kind.encode(value)
        else:
            self._kind.assign(self._raw[index], value)

    def to_list(self):
        """The elements, as `to_dict` has them."""
        return [self._kind.data(self._raw[i]) for i in range(len(self))]

    def __eq__(self, other):
        if isinstance(other, (list, tuple, Array)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None

    def __reduce__(self):
        # The place is this process's.
        return list, (list(self),)

    def __repr__(self):
        return repr(list(self))


class Vec(Array, _abc.MutableSequence):
    """The elements of a FixedVec that are in use, in place: as a list with a greatest length, its `capacity`."""

    def __init__(self, kind, raw):
        super().__init__(kind.kind, raw.items)
        self._owner = raw
        self.capacity = kind.capacity

    def __len__(self):
        return min(self._owner.len, self.capacity)

    def __setitem__(self, index, value):
        if not isinstance(index, slice) or index.step not in (None, 1):
            return super().__setitem__(index, value)
        start, stop, _ = index.indices(len(self))
        rest = [_copied(one) for one in self[max(start, stop):]]
        head, values = len(self[:start]), [_copied(one) for one in value]
        length = head + len(values) + len(rest)
        if length > self.capacity:
            raise ValueError("%d elements do not fit: there is room for %d" % (length, self.capacity))
        with _WholeOrNothing(self._owner):
            self._owner.len = length
            for i, one in enumerate(values + rest, head):
                super().__setitem__(i, one)

    def __delitem__(self, index):
        if not isinstance(index, slice):
            index = self._index(index)
            index = slice(index, index + 1)
        keep = [_copied(one) for i, one in enumerate(self) if i not in range(*index.indices(len(self)))]
        self[:] = keep

    def insert(self, index, value):
        self[index:index] = [value]


def _copied(value):
    """A value that does not change when the place it came from does."""
    if isinstance(value, _Struct):
        return type(value).from_buffer_copy(value)
    return [_copied(one) for one in value] if isinstance(value, Array) else value


class _Field:
    def __init__(self, place, kind):
        self._place = place
        self._kind = kind
        self.offset = place.offset
        self.size = place.size

    def __get__(self, value, owner):
        if value is None:
            return self
        return self._kind.view(self._place.__get__(value, owner))

    def __set__(self, value, new):
        if self._kind.plain:
            self._place.__set__(value, self._kind.encode(new))
        else:
            self._kind.assign(self._place.__get__(value, type(value)), new)


class _Struct(_ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"

    def __init__(self, *unnamed, **values):
        if unnamed:
            name = type(self).__name__
            raise TypeError("%s takes its fields by name, as in %s(%s=...)" % (name, name, next(iter(self._shared_))))
        super().__init__()
        python = {name: python for python, name in _RENAMED.get(type(self), {}).items()}
        for name in values:
            field = python.get(name, name)
            if field not in self._shared_:
                raise TypeError("%s has no field %r" % (type(self).__name__, name))
            setattr(self, field, values[name])

    def __setattr__(self, name, value):
        # A misspelt name would be kept, and never be stored.
        if name not in self._shared_:
            raise AttributeError("%s has no field %r" % (type(self).__name__, name))
        super().__setattr__(name, value)

    def to_dict(self):
        """The fields by their names in the schema, as JSON has them: nested structs as dicts, arrays as lists, variants of
        enums by name. `json.dumps(value)` writes this."""
        fields = self._shared_.items()
        return {_name_in_schema(type(self), name): kind.data(place.__get__(self, type(self))) for name, (place, kind) in fields}

    @classmethod
    def dtype(cls):
        """The layout as a numpy dtype: `numpy.frombuffer(value, type(value).dtype())`. Needs numpy."""
        import numpy

        fields = list(cls._shared_.items())
        return numpy.dtype(
            {
                "names": [name for name, _ in fields],
                "formats": [kind.format for _, (_, kind) in fields],
                "offsets": [place.offset for _, (place, _) in fields],
                "itemsize": _ctypes.sizeof(cls),
            }
        )

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._shared_)

    __hash__ = None

    def __repr__(self):
        fields = ", ".join("%s=%r" % (name, getattr(self, name)) for name in self._shared_)
        return "%s(%s)" % (type(self).__name__, fields)


def _json_default(encoder, value, other=_json.JSONEncoder.default):
    """What `json.dumps` asks of a value that it does not know. (An object of ctypes' can't be a dict as well.)"""
    if isinstance(value, _Struct):
        return value.to_dict()
    return value.to_list() if isinstance(value, Array) else other(encoder, value)


_json.JSONEncoder.default = _json_default


def _shared(size, fields):
    """Lays a class out: `fields` are (name, offset, bytes, kind) in ascending order of offsets."""

    def lay_out(cls):
        places, end = [], 0
        for name, offset, length, kind in fields:
            if end < offset:
                places.append(("_padding_%d" % end, _ctypes.c_uint8 * (offset - end)))
            places.append((name, kind.ctype))
            end = offset + length
        if end < size:
            places.append(("_padding_%d" % end, _ctypes.c_uint8 * (size - end)))
        cls._fields_ = places
        cls._shared_ = {}
        assert _ctypes.sizeof(cls) == size, "size of %s" % cls.__name__
        for name, offset, length, kind in fields:
            place = getattr(cls, name)
            assert place.offset == offset, "offset of %s.%s" % (cls.__name__, name)
            assert _ctypes.sizeof(kind.ctype) == length, "size of %s.%s" % (cls.__name__, name)
            cls._shared_[name] = (place, kind)
            setattr(cls, name, _Field(place, kind))
        return cls

    return lay_out


# The kernel's calls, and the words of the control block.

_ON_X86_64 = _platform.machine() in ("x86_64", "AMD64") and _structs.calcsize("P") == 8
_CONTROL, _MAGIC, _FORMAT, _FLAGS, _CAPACITY, _ROOM, _SLOTS, _ROWS, _SEQ, _STATE = 320, 0, 8, 12, 16, 24, 40, 44, 128, 136
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


class _Reader:
    """Reading on x86-64, where "reads are not reordered with other reads" (Intel SDM 3A, 8.2.2): so the sequence may be
    read in Python and the value by memmove. Linux rests its seqlocks on the same."""

    # The flag of a table.
    _kind = 0

    def __init__(self, key, trusted, limit):
        self._key = key
        self._limit = limit
        self._libc = _libc()
        self._base = None
        end = _time.monotonic() + limit
        while not self._attach(trusted):
            if _time.monotonic() >= end:
                what = "a process began to create it, and has not made it ready: start that program again"
                raise self._error(Busy, what)
            _time.sleep(0.001)

    def _error(self, kind, what):
        return _error(kind, self._key, what)

    def _failed(self, call):
        return self._error(ShmboxError, "%s: %s" % (call, _os.strerror(_ctypes.get_errno())))

    def _attach(self, trusted):
        """Whether it is ready; what is neither ready nor about to be is an error."""
        # No size: asking for more than there is would be a bare EINVAL.
        number = self._libc.shmget(self._key, 0, 0)
        if number < 0:
            if _ctypes.get_errno() != 2:
                raise self._failed("shmget")
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
            raise self._failed("shmat")
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
            raise self._failed("shmctl")
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
            raise self._failed("madvise")

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
        flags, rows = self._u32(_FLAGS), self._u32(_ROWS)
        if flags & 8 != self._kind:
            raise self._error(
                ShmboxError,
                "it holds a single value, and no table of rows: open it with `open`"
                if self._kind
                else "it holds a table of rows, and no single value: open it with `open_table`",
            )
        capacity, room = self._u64(_CAPACITY), self._u64(_ROOM)
        slots = self._u32(_SLOTS)
        # The rows and the template behind them, in each copy; with counters the bases as well.
        step, copies = capacity * (rows + 1), 4 if flags & 32 else 3
        # A record of 8 bytes for each slot, in whole lines of 64.
        add_up = 0 < slots < 1023 and step * copies + room * 2 + rows * 64 + (slots + 7) // 8 * 64 + _CONTROL == size
        lines = capacity > 0 and room > 0 and capacity % 64 == 0 and room % 64 == 0
        known = 3 | (56 if self._kind else 0)
        if not add_up or not lines or flags & ~known or (rows > 0) != bool(self._kind) or rows > 1 << 20:
            raise self._error(ShmboxError, "it is damaged: the words of its control block contradict each other")
        self._rows, self._step, self._counts = rows, step, copies == 4
        self._rooms = self._base + step * copies
        self._capacity, self._room = capacity, room

    def _check_schema(self):
        end = _time.monotonic() + self._limit
        while True:
            state = self._u32(_STATE)
            self._check_life(state)
            room = self._rooms + self._room * (state >> 8 & 1)
            header = _structs.unpack("=QQQII", _ctypes.string_at(room, 32))
            fingerprint, size, length, version, _ = header
            is_own = fingerprint == FINGERPRINT and size == _ctypes.sizeof(_TYPE)
            # The word is a peer's, and says how much may be copied: what the form says of its size does not.
            has_room = _ctypes.sizeof(_TYPE) <= size <= self._capacity
            fits = has_room and (is_own or self._is_later(room + 32, length))
            if self._u32(_STATE) == state:
                break
            if _time.monotonic() >= end:
                raise self._error(Busy, "its schema changes all the time")
        if not fits:
            what = (
                "it holds another layout (fingerprint %#018x, %d bytes, version %d) than this module's %s (%#018x, "
                "%d bytes, version %d): generate the module anew, with `python_module()` of the type in use or of an "
                "`Inspector` on the segment"
            )
            mine = (_TYPE.__name__, FINGERPRINT, _ctypes.sizeof(_TYPE), SCHEMA_VERSION)
            raise self._error(Mismatch, what % ((fingerprint, size, version) + mine))
        self._state = state

    def _is_later(self, form, length):
        """Whether a stored form is that of a later version of this module's struct."""
        return False

    def _check_open(self):
        if self._base is None:
            raise ShmboxError("this box is closed")
        if self._u32(_STATE) != self._state:
            self._check_schema()

    def version(self):
        self._check_open()
        return self._u64(_SEQ) // 2

    def read(self, value):
        return self._read_at(value, self._base, self._control + _SEQ)

    def _read_at(self, value, payload, sequence):
        end = _time.monotonic() + self._limit
        size = _ctypes.sizeof(value)
        word = _ctypes.c_uint64.from_address(sequence)
        while True:
            for _ in range(64):
                self._check_open()
                state, seq = self._state, word.value
                copy = payload if seq % 2 == 0 else payload + self._step * (1 + seq // 2 % 2)
                _ctypes.memmove(_ctypes.addressof(value), copy, size)
                behind = (word.value - seq) & 0xFFFFFFFFFFFFFFFF
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


class _TableReader(_Reader):
    """The same for rows: the word that says whose a row is is read before all else, and once more after it."""

    _kind = 8

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._space = _space()

    def _is_later(self, form, length):
        """Of those whose fields have kept their names; what has other ones is for the C functions, and so for boxes."""

        def parts(form):
            at = 4 + form[3]
            return (form[:3],) + _structs.unpack_from("<IQQQ", form, at) + (form[at + 28 :],)

        if not 32 < length <= self._room - 32:
            return False
        theirs = _ctypes.string_at(form, length)
        if len(theirs) < 32 + theirs[3]:
            return False
        head, version, size, _, count, fields = parts(theirs)
        own_head, own_version, own_size, _, own_count, own_fields = parts(_SCHEMA)
        grows = version > own_version and size >= own_size and count >= own_count
        return head == own_head and head[2] == 0x22 and grows and fields.startswith(own_fields)

    def row(self, index):
        """What a row shows; None: nothing."""
        self._check_open()
        payload = self._base + self._capacity * index
        words = (_ctypes.c_uint64 * 6).from_address(self._rooms + self._room * 2 + 64 * index)
        own = words[0]
        life, number, record = own >> 32 & 7, words[3], words[4]
        # Live, dead, being reaped; or no number of this format's.
        if life not in (2, 3, 4):
            return None
        value = _TYPE()
        version = self._read_at(value, payload, _ctypes.addressof(words) + 8)
        # What came later than the row has its default in the template.
        for since, at, size in _LATER:
            if since > max(words[5], 1):
                _ctypes.memmove(_ctypes.addressof(value) + at, self._base + self._step - self._capacity + at, size)
        for at in range(0, _ctypes.sizeof(value) // 8 * 8 if self._counts else 0, 8):
            if _ctypes.c_uint64.from_address(self._base + self._step * 4 - self._capacity + at).value:
                cell, base = (_ctypes.c_uint64.from_address(payload + far + at).value for far in (0, self._step * 3))
                _ctypes.c_uint64.from_address(_ctypes.addressof(value) + at).value = cell - base
        now = words[0]
        if now >> 35 != own >> 35 or now >> 32 & 7 not in (2, 3, 4):
            return None
        _check_value(value)
        owner = record & 0x3FFFFF if record >> 44 & 0xFFF == self._space else None
        return TableRow(index, number, "live" if life == 2 else "dead", owner, version, value)


def _space():
    """What says in a record whose pids it speaks of: as FORMAT.md has it."""
    numbers = []
    for name in ("pid", "time"):
        try:
            numbers.append(int(_re.sub("[^0-9]", "", _os.readlink("/proc/thread-self/ns/" + name))))
        except OSError:
            numbers.append(0)
    return (numbers[0] + 61 * numbers[1]) & 0xFFF or 1 if numbers[0] else None


# The C functions.


def _is_ours(path):
    """Whether only this user and root can put another directory in the place of this one or of one above it."""
    while True:
        facts = _os.lstat(path)
        for_all = facts.st_mode & 0o002 and not facts.st_mode & _stat.S_ISVTX
        if for_all or facts.st_uid not in (0, _os.geteuid()):
            return False
        if path == _os.path.dirname(path):
            return True
        path = _os.path.dirname(path)


def _cache():
    """A directory that no other user can write to, and whether it is to be removed again."""
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
            "%s must be a directory of this user's that no other user may read or write (mode 0700), since code is "
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
        ("free", (handle, _ctypes.POINTER(_ctypes.c_int)), _ctypes.c_int),
        ("forked", (), None),
        ("id", (handle,), _ctypes.c_int),
        ("strerror", (_ctypes.c_int,), _ctypes.c_char_p),
        ("size", (), _ctypes.c_size_t),
        ("open", (handle,) + (_ctypes.c_int,) * 4 + (_ctypes.c_uint, _ctypes.c_char_p, _ctypes.c_int, value), _ctypes.c_int),
        ("get", (handle, value, version), _ctypes.c_int),
        ("version", (handle, version), _ctypes.c_int),
        ("wait", (handle, _ctypes.c_uint64, _ctypes.c_int), _ctypes.c_int),
        ("persist", (handle,), _ctypes.c_int),
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

    def __init__(self, key, read_only, owner, limit, mode, first):
        self._key = key
        self._c = _functions()
        self._box = self._c.new()
        if not self._box:
            raise MemoryError
        trust = 2 if owner == "anybody" else 0 if owner is None else 1
        try:
            key, path = (key, None) if isinstance(key, int) else (0, key)
            first = None if first is None else _ctypes.byref(first)
            self("open", key, int(read_only), _milliseconds(limit), trust, owner if trust == 1 else 0, path, mode, first)
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
        error = _error(_BY_CODE.get(code, ShmboxError), self._key, what)
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
        said = _ctypes.c_int()
        code = self._c.free(box, said) if box else 0
        if code != 0:
            self._box = box
        if code or said.value:
            raise self._error(code or said.value)

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


def _path(file):
    """The path of a file, as bytes that mean the same in another process."""
    if not isinstance(file, (str, bytes, _os.PathLike)):
        raise TypeError("file: a path is wanted, and this is a %s" % type(file).__name__)
    path = _os.fsencode(file)
    if not path or b"\0" in path:
        raise ValueError("file: %r is no path" % (file,))
    return _os.path.abspath(path)


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


# What a user of the module opens.


class SharedBox:
    """A segment with one value, shared with other processes.

    Reading is consistent: all parts of a value belong to one commit. Writing commits all of a value, or, if this
    process dies, nothing. A box may be used by several threads, as long as none closes it while others use it, and by
    both processes after a fork. Pickled for another process, it is opened there by its key. One that may write takes one
    of the segment's slots when it is opened. The value may be in a file as well.
    """

    def __init__(self, key=None, read_only=False, owner=None, timeout=5.0, file=None, mode=0, first=None):
        if key is not None and file is not None:
            raise TypeError("a key and a file: one of them is wanted")
        # Where the value is; of a file, `key` is its path as bytes.
        self.key = _key_t(key) if file is None else _path(file)
        self._read_only = bool(read_only)
        self._mode = _integer(mode, "mode", "a file's mode, such as 0o660,")
        if owner is not None and owner != "anybody":
            owner = _integer(owner, "owner", "the number of a user, or 'anybody',")
        self._owner, self._timeout = owner, _seconds(timeout, "timeout")
        # A handle of the C functions', once one is needed. The first one is in use: two threads may open one at once.
        self._calling = []
        self._trusted = None if owner == "anybody" else {0, _os.geteuid(), owner}
        if first is not None:
            # By a handle of its own: what is found after that is the same for the process that made it and for others.
            self._open_handle(False, _wanted(first)).close()
        end = _time.monotonic() + self._timeout
        while not self._open():
            if _time.monotonic() >= end:
                raise _error(Removed, self.key, "it is removed and made anew all the time")
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
        if isinstance(self.key, bytes):
            return self._file_reader()
        if not _ON_X86_64:
            return self._open_handle(True)
        try:
            return _Reader(self.key, self._trusted, self._timeout)
        except Mismatch as mismatch:
            return self._other_version(mismatch)

    def _file_reader(self):
        try:
            return self._open_handle(True)
        except ShmboxError as error:
            # -30: what opens it for writing brings the durable value back.
            if error.code != -30 or self._read_only:
                raise
        self._open_handle(False).close()
        return self._open_handle(True)

    def _open_handle(self, read_only, first=None):
        return _Handle(self.key, read_only, self._owner, self._timeout, self._mode, first)

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
        key, file = (self.key, None) if isinstance(self.key, int) else (None, self.key)
        return SharedBox, (key, self._read_only, self._owner, self._timeout, file, self._mode)

    def _other_version(self, mismatch):
        """A handle of the C functions, which can tell whether it is another version of this module's struct."""
        try:
            return self._open_handle(True)
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

    def persist(self):
        """Brings the newest committed value of a file to its disk, and waits for it."""
        self._writer()("persist")

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
            raise _error(ShmboxError, self.key, "it was opened for reading only")
        return self._handle()

    def _handle(self):
        """The C functions' handle of the segment that is read."""
        if not self._calling:
            # Raises if that is gone.
            self.version()
            self._calling.append(self._same(self._open_handle(self._read_only)))
        return self._calling[0]

    def _same(self, handle):
        """The handle, unless the key leads to another segment by now."""
        if handle.id == self._reading.id:
            return handle
        handle.close()
        raise _error(Removed, self.key, "it has been removed and made anew: open it again")

    def close(self):
        """Detaches. Of a file the last box that is closed brings the value to the disk: an exception says that it could not."""
        with _contextlib.ExitStack() as parts:
            for part in [self._reading] + self._calling:
                parts.callback(part.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


TableRow = _collections.namedtuple("TableRow", "index id life owner version value")
TableRow.__doc__ = """A row of a table. `id`: which claim of the table it is. `life`: "live" or, once a process has noticed, "dead".
`owner`: its pid, or None of another pid namespace. `version`: the number of the row's last commit."""


class SharedTable:
    """A table of rows that belong to processes, to be read: iterating gives each row that shows a value, as it is then."""

    def __init__(self, key, owner=None, timeout=5.0):
        if not _ON_X86_64:
            raise ShmboxError("tables are read in Python on x86-64 alone: elsewhere read it in Rust or in C")
        trusted = None if owner == "anybody" else {0, _os.geteuid(), owner}
        self.key = _key_t(key)
        self._reading = _TableReader(self.key, trusted, _seconds(timeout, "timeout"))

    def __len__(self):
        """How many rows there are, whether they show a value or not."""
        return self._reading._rows

    def __iter__(self):
        rows = (self._reading.row(index) for index in range(len(self)))
        return (row for row in rows if row is not None)

    def close(self):
        """Detaches."""
        self._reading.close()

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


def open(key=None, read_only=False, owner=None, timeout=5.0, file=None, mode=0, first=None):
    """Attaches the segment of `key`, or the value in a `file`, and checks that it holds this module's struct.

    `key`: an integer, or text as `ipcs` and programs in Rust write it, such as "0x1234".
    `read_only`: needs no right to write, and takes no slot. Without it, an error says at once what is missing for writing
    (save a C compiler, which reading needs not), and what is allowed stays so after `os.setuid`. `owner`: besides this user and root, trust this user id, or "anybody".
    `timeout`: for how many seconds to wait for others to get out of the way.
    `file`: the path of a file; of POSIX shared memory `/name`, "/dev/shm/name". Needs a C compiler.
    `mode`: of a file, the rights of others to write it that are no danger: 0o660 has those of its group.
    `first`: makes it with this value and `mode` (0o600 if that is 0) if it is not there. Needs a C compiler.
    """
    return SharedBox(key, read_only, owner, timeout, file, mode, first)


def open_table(key, owner=None, timeout=5.0):
    """Attaches the table of `key` for reading, and checks that its rows are this module's struct; arguments as those of `open`.

    Claiming and writing rows is for Rust and C; so is a table in a file.
    """
    return SharedTable(key, owner, timeout)


def dtype():
    """The layout as a numpy dtype: `numpy.frombuffer(box.get(), dtype())`. Needs numpy."""
    return _TYPE.dtype()
