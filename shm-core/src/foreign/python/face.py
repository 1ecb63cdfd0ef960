# The part that all modules made by shm-core have in common: the protocol of FORMAT.md, format 1, for CPython 3.8 and
# later on Linux. It needs nothing but the standard library, and a C compiler for writing.
#
# Python has neither compare-exchange nor fences. On x86-64, where the processor keeps loads in order, reading is done
# here. All else is done by C functions: their text is in this module, and the first call that needs them has the
# system's C compiler make a shared object of it, which is kept for later runs.

import collections as _collections
import collections.abc as _abc
import ctypes as _ctypes
import enum as _enum
import hashlib as _hashlib
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
    """The key leads to no segment."""

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

Snapshot = _collections.namedtuple("Snapshot", "value version")
Snapshot.__doc__ = "A value, and the version that it had in the segment."
