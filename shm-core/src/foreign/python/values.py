

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
        raw = self._raw[self._index(index)]
        return self._kind.decode(raw) if self._kind.plain else self._kind.view(raw)

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
        if not isinstance(index, slice):
            return super().__setitem__(index, value)
        if index.step not in (None, 1):
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
        raw = self._place.__get__(value, owner)
        return self._kind.decode(raw) if self._kind.plain else self._kind.view(raw)

    def __set__(self, value, new):
        if self._kind.plain:
            self._place.__set__(value, self._kind.encode(new))
        else:
            self._kind.assign(self._place.__get__(value, type(value)), new)


class _Struct(_ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"

    def __init__(self, **values):
        super().__init__()
        for name in values:
            if name not in self._shared_:
                raise TypeError("%s has no field %r" % (type(self).__name__, name))
            setattr(self, name, values[name])

    def __setattr__(self, name, value):
        # A misspelt name would be kept, and never be stored.
        if name not in self._shared_:
            raise AttributeError("%s has no field %r" % (type(self).__name__, name))
        super().__setattr__(name, value)

    def to_dict(self):
        """The fields by name, nested structs as dicts too."""
        return {name: _to_data(getattr(self, name)) for name in self._shared_}

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


def _to_data(value):
    if isinstance(value, _Struct):
        return value.to_dict()
    if isinstance(value, Array):
        return [_to_data(one) for one in value]
    return value


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
