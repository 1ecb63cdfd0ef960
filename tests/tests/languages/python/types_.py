"""Checks what a Rust program stored of types with a rule of their own, and stores something else."""

import ipaddress
import json
import sys
import uuid

import types_

box = types_.open(int(sys.argv[1], 0))
value = box.get()
assert value.id == 2**32 - 1 and value.few == [1, 2, 3] and value.wide == -(2**127)
assert value.some == [-5] and value.none == 0 and value.count == 2**63 - 1
assert value.lock is None and value.cells[1].ours == 2 and value.cells[1].theirs is None
assert value.at == -14182939999999993 and str(value.at) == "1969-07-20T20:17:40.000000007Z"
assert value.pause == 1500000 and str(value.pause) == "1.5ms"
assert value.hosts[1] == ipaddress.IPv4Address("10.1.2.3") and value.host.is_loopback
assert value.ids == [uuid.UUID(int=7)]
assert value.mark == [] and value.rest == []
assert types_.Types.mark.offset == types_.Types.cells.offset


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
refused(OverflowError, lambda: setattr(value, "pause", -1))
refused(ValueError, lambda: setattr(value, "pause", "soon"))
refused(ValueError, lambda: setattr(value, "at", "2026-11-26"))
refused(ValueError, lambda: setattr(value, "host", "10.0.0.256"))

for nanoseconds, text in ((0, "0ns"), (10**9, "1s"), (10**10 + 1, "10.000000001s"), (7000, "7\u00b5s"), (20 * 10**6, "20ms")):
    value.pause = nanoseconds
    assert str(value.pause) == text, value.pause
    value.pause = text
    assert value.pause == nanoseconds
value = box.get()
data = json.loads(json.dumps(value.to_dict()))
assert data["at"] == "1969-07-20T20:17:40.000000007Z" and data["pause"] == "1.5ms" and data["lock"] is None
assert data["hosts"] == ["0.0.0.0", "10.1.2.3"] and data["ids"] == ["00000000-0000-0000-0000-000000000007"]
again = types_.Types(**data)
assert again == value
refused(types_.Invalid, lambda: box.set(types_.Types()))

again.id = 7
again.few[2] = 255
again.wide = -1
again.some.append(6)
again.none = 9
again.count = -(2**63)
again.cells[1].ours = 20
again.at = "2026-11-26T04:25:00Z"
again.pause = 3 * 10**9
again.hosts[0] = "192.168.0.1"
again.host = ipaddress.IPv6Address("fe80::2")
again.ids.append("67e55044-10b1-426f-9247-bb680e5fe0c8")
box.set(again)
