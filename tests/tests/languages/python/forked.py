# Forks while other threads are in the middle of calls.
import os, signal, st_pid, sys, threading, time, warnings

box = st_pid.open(int(sys.argv[1], 0), timeout=0.3)
box.set(box.get())
locked, go_on = threading.Event(), threading.Event()


def hold(value):
    locked.set()
    go_on.wait()


threads = [
    threading.Thread(target=box.update, args=(hold,)),
    threading.Thread(target=lambda: box.wait(box.version() + 100, timeout=1.0)),
]
for thread in threads:
    thread.start()
locked.wait()
from_parent, to_child = os.pipe()
with warnings.catch_warnings():
    # From Python 3.12 on it warns of what is tested here.
    warnings.simplefilter("ignore")
    child = os.fork()
if child == 0:
    # A process that hangs dies of this.
    signal.alarm(30)
    try:
        box.set(st_pid.StPid(pid=1))
    except st_pid.Busy as error:
        print("child:", type(error).__name__)
    box.get()
    box.wait(box.version(), timeout=0.01)
    os.write(1, b"child: told\n")
    # The parent has let go.
    assert os.read(from_parent, 1) == b"!"
    box.update(lambda value: setattr(value, "pid", 9))
    box.close()
    os._exit(0)
assert sys.stdin.readline() == "go on\n"
go_on.set()
for thread in threads:
    thread.join()
os.write(to_child, b"!")
_, status = os.waitpid(child, 0)
assert status == 0, status
assert box.get().pid == 9, box.get()
box.set(st_pid.StPid(pid=10))
