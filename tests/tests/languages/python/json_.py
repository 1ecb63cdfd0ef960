"""Prints the value as JSON, and checks what the module's hook leaves alone. The argument is the key."""

import json
import sys

import all_kinds

box = all_kinds.open(int(sys.argv[1], 0), read_only=True)
value = box.get()


def dumps(what):
    return json.dumps(what, separators=(",", ":"), ensure_ascii=False)


assert dumps({"deep": [value]}) == '{"deep":[%s]}' % dumps(value) == '{"deep":[%s]}' % dumps(value.to_dict())
assert dumps(value.numbers) == "[1,2,3]"
assert json.JSONEncoder(default=lambda other: "mine").encode([value]) == '["mine"]'
try:
    dumps(object())
except TypeError as error:
    assert "not JSON serializable" in str(error), error
else:
    raise AssertionError("serialised")
print(dumps(value), end="")
