# Opens as root, becomes a user who owns nothing, and goes on.
import os, st_pid, sys

if sys.argv[2] == "c":
    st_pid._ON_X86_64 = False
box = st_pid.open(sys.argv[1], timeout=0.3)
view = st_pid.open(sys.argv[1], read_only=True)
view.wait(0)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)


def raised(value):
    value.pid += 1


assert box.get().names == "alice"
assert box.wait(box.version(), timeout=0.6) is None
assert view.wait(view.version(), timeout=0.3) is None
assert box.set(st_pid.StPid(pid=10, names="bob")) == 2
assert box.update(raised) == 3
assert box.wait(2) == box.snapshot()
print("went on")
sys.stdin.readline()
try:
    box.update(raised)
except st_pid.Busy as error:
    print(type(error).__name__)
sys.stdin.readline()
box.update(raised)
print(box.get().pid)
child = os.fork()
if child == 0:
    # It needs a claim of its own.
    try:
        box.update(raised)
    except st_pid.ShmboxError as error:
        os.write(1, ("child: %s\n" % str(error).split(": ")[-1]).encode())
    os._exit(0)
os.waitpid(child, 0)
sys.stdin.readline()
assert box.get().pid == 12
box.update(raised)
print(box.get().pid)
