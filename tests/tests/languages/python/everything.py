"""Checks what a Rust program stored, and stores something else. The arguments are the key, and `c` if C functions are
to read even where Python could."""

import sys

import everything
from everything import Everything, Inner, Mood, Huge

key = int(sys.argv[1], 0)
if sys.argv[2] == "c":
    everything._ON_X86_64 = False
box = everything.open(key)
value, version = box.snapshot()
assert version == 1, version
assert value.on is True
assert value.letter == "ß"
assert value.small == -128
assert value.huge == 2**128 - 1
assert value.negative == -(2**127)
assert value.single == 0.5
assert value.doubles == [1.0, -2.5]
assert value.name == "süß", value.name
assert value.raw == "a\udcff", value.raw
assert value.pair._0 == 9 and value.pair._1 == "ab"
assert value.nested[1][0] == Inner(moods=[Mood.Wild, Mood.Calm], at=3)
assert [[inner.at for inner in row] for row in value.nested] == [[1, 2], [3, 2**64 - 1]]
assert value.mood is Mood.Calm
assert value.wide is Huge.Most and int(value.wide) == 2**128 - 1
assert value.numbers == [1, 2, 3] and value.numbers.capacity == 5
assert value.names == ["x", "y"]
assert value.from_ == 7
assert value.x_reserved == 8
assert value.to_dict()["nested"][0][1] == {"moods": ["Wild", "Calm"], "at": 2}
assert Everything(**{**value.to_dict(), "raw": value.raw}) == value
assert Everything.mood.offset > 0 and Everything.mood.size == 2


def refused(kind, change):
    """The change is refused, and nothing of it stays."""
    before = bytes(value)
    try:
        change()
    except kind:
        assert bytes(value) == before
        return
    raise AssertionError("accepted")


def assign(name, new):
    return lambda: setattr(value, name, new)


refused(OverflowError, assign("small", 128))
refused(OverflowError, assign("small", -129))
refused(OverflowError, assign("huge", 2**128))
refused(OverflowError, assign("huge", -1))
refused(TypeError, assign("letter", "ab"))
refused(ValueError, assign("letter", "\ud800"))
refused(ValueError, assign("name", "x" * 16))
refused(ValueError, assign("name", "a\0b"))
refused(ValueError, assign("mood", 5))
refused(ValueError, assign("mood", "Mild"))
refused(ValueError, assign("wide", "calm"))
refused(ValueError, assign("wide", 5))
refused(ValueError, assign("doubles", [1.0]))
refused(ValueError, assign("numbers", range(6)))
refused(TypeError, assign("pair", Inner()))
refused(AttributeError, assign("misspelt", 1))
refused(AttributeError, assign("small ", 1))
refused(IndexError, lambda: value.doubles[2])
refused(ValueError, lambda: value.names.append("too long"))


def change(value):
    value.on = False
    value.letter = "🦀"
    value.small = 127
    value.huge = 2**64
    value.negative = -1
    value.single = 1.5
    value.doubles[1] = 4
    value.doubles[0] = value.doubles[-1] * 2
    value.name = "it's"
    value.raw = b"\xff\xfe"
    value.pair._0 = 10
    value.pair = {"_0": value.pair._0 + 1, "_1": "cd"}
    value.nested[0][0] = value.nested[1][1]
    value.nested[0][1].moods = reversed(value.nested[0][1].moods)
    value.mood = "Wild"
    value.wide = Huge.One
    value.numbers.append(4)
    value.numbers.insert(0, 0)
    del value.numbers[2]
    value.numbers[1:2] = [9]
    assert value.numbers.pop() == 4 and value.numbers == [0, 9, 3]
    value.numbers.extend([5, 6])
    refused(ValueError, lambda: value.numbers.append(7))
    value.names[:] = reversed(value.names)
    value.from_ += 1


assert box.update(change) == 2
assert box.get().numbers == [0, 9, 3, 5, 6]
copy = box.get()
assert copy == box.get() and not (copy != box.get())
copy.small = 0
assert copy != box.get()
assert eval(repr(copy.nested[0][0]).replace("<Mood.Wild: 300>", "300").replace("<Mood.Calm: -7>", "-7")) == copy.nested[0][0]

assert box.update(lambda value: None) == 3
assert box.update(lambda value: value) == 4
try:
    box.update(lambda value: setattr(value, "small", 1) or 1 / 0)
except ZeroDivisionError:
    pass
assert box.version() == 4 and box.get().small == 127

with everything.open(key, read_only=True) as view:
    assert view.get() == box.get()
    try:
        view.set(view.get())
    except everything.ShmboxError as error:
        assert "reading only" in str(error)
    else:
        raise AssertionError("written")
try:
    view.get()
except everything.ShmboxError as error:
    assert "closed" in str(error)
box.close()

fresh = Everything()
assert fresh.mood == 0 and "mood=0" in repr(fresh)
try:
    everything.open(key).set(fresh)
except everything.Invalid as error:
    assert str(error) == "field `nested[0][0].moods[0]` holds 0, which is no `Mood`", error
else:
    raise AssertionError("set")
