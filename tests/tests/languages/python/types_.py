"""Checks what a Rust program stored of types with a rule of their own, and stores something else."""

import sys

import types_

box = types_.open(int(sys.argv[1], 0))
value = box.get()
assert value.id == 2**32 - 1 and value.few == [1, 2, 3] and value.wide == -(2**127)
assert value.some == [-5] and value.none == 0 and value.count == 2**63 - 1
assert value.lock is None and value.cells[1].ours == 2 and value.cells[1].theirs is None
assert value.mark == [] and value.rest == []
assert types_.Types.rest.offset == types_.Types.cells.offset + 8


def refused(kind, change):
    try:
        change()
    except kind:
        return
    raise AssertionError("accepted")


refused(ValueError, lambda: setattr(value, "id", 0))
refused(ValueError, lambda: setattr(value, "wide", 0))
refused(ValueError, lambda: value.few.__setitem__(0, 0))
refused(ValueError, lambda: value.some.append(0))
refused(TypeError, lambda: setattr(value, "lock", b"x" * 40))

again = types_.Types(**value.to_dict())
assert again == value
refused(types_.Invalid, lambda: box.set(types_.Types()))

again.id = 7
again.few[2] = 255
again.wide = -1
again.some.append(6)
again.none = 9
again.count = -(2**63)
again.cells[1].ours = 20
box.set(again)
