

# What the parts of a value are. A *plain* kind is one number to ctypes, and is encoded and decoded; any other kind is
# an object of ctypes', which is viewed in place and assigned to.


class _Kind:
    plain = False
    # Whether some bytes are no value, so that what was read is to be checked.
    picky = False

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

    def decode(self, raw):
        return raw


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

    def decode(self, raw):
        return raw


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

    def decode(self, raw):
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

    def decode(self, raw):
        return chr(raw)

    def check(self, raw, path):
        if 0xD800 <= raw <= 0xDFFF or raw > 0x10FFFF:
            raise Invalid("field `%s` holds %#x, which is no `char`" % (path, raw))


class _Enum(_Kind):
    plain = True
    picky = True

    def __init__(self, variants, integer):
        self.variants = variants
        self.known = {int(variant): variant for variant in variants}
        self.ctype = integer.ctype
        self.format = integer.format

    def encode(self, value):
        return int(self.variants(value))

    def decode(self, raw):
        # A new struct holds zeros, which may be none of them.
        return self.known.get(raw, raw)

    def check(self, raw, path):
        if raw not in self.known:
            raise Invalid("field `%s` holds %d, which is no `%s`" % (path, raw, self.variants.__name__))


class _Bytes16(_Kind):
    """Integers of 128 bits, and enums that are stored as such: ctypes has none."""

    ctype = _ctypes.c_uint8 * 16
    format = "V16"

    def __init__(self, signed, variants=None):
        self.signed = signed
        self.variants = variants
        self.known = {int(variant): variant for variant in variants or ()}
        self.picky = variants is not None

    def view(self, raw):
        value = int.from_bytes(bytes(raw), _sys.byteorder, signed=self.signed)
        return self.known.get(value, value)

    def assign(self, raw, value):
        value = self.variants(value) if self.variants else _operator.index(value)
        try:
            raw[:] = value.to_bytes(16, _sys.byteorder, signed=self.signed)
        except OverflowError:
            kind = "i128" if self.signed else "u128"
            raise OverflowError("%d is no %s" % (value, kind)) from None

    def check(self, raw, path):
        value = self.view(raw)
        if int(value) not in self.known:
            raise Invalid("field `%s` holds %d, which is no `%s`" % (path, value, self.variants.__name__))


class _Text(_Kind):
    """C's char[size]: str on this side. Bytes that are not UTF-8 come and go as lone surrogates (surrogateescape)."""

    def __init__(self, size):
        self.size = size
        self.ctype = _ctypes.c_uint8 * size
        self.format = "S%d" % size

    def view(self, raw):
        return bytes(raw).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def assign(self, raw, value):
        if not isinstance(value, (str, bytes)):
            raise TypeError("text is wanted, and this is a %s" % type(value).__name__)
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        if b"\0" in text:
            raise ValueError("a NUL would end the text")
        if len(text) >= self.size:
            raise ValueError("text of %d bytes does not fit: there is room for %d" % (len(text), self.size - 1))
        raw[:] = text.ljust(self.size, b"\0")


class _Nested(_Kind):
    def __init__(self, ctype):
        self.ctype = ctype
        self.picky = any(kind.picky for _, kind in ctype._shared_.values())

    @property
    def format(self):
        return self.ctype.dtype()

    def view(self, raw):
        return raw

    def assign(self, raw, value):
        if isinstance(value, dict):
            value = self.ctype(**value)
        if not isinstance(value, self.ctype):
            raise TypeError("a %s is wanted, and this is a %s" % (self.ctype.__name__, type(value).__name__))
        # The value may be a part of itself.
        _ctypes.memmove(_ctypes.addressof(raw), bytes(value), _ctypes.sizeof(raw))

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

    def assign(self, raw, value):
        Array(self.kind, raw)[:] = value

    def check(self, raw, path):
        for i in range(self.length):
            self.kind.check(raw[i], "%s[%d]" % (path, i))


class _Vec(_Kind):
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

    def assign(self, raw, value):
        Vec(self, raw)[:] = value

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
