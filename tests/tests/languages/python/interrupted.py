# Is interrupted at any instant of a call, and says after each time whether the lock is free.
import ctypes, halves, signal, sys, time

key, what = int(sys.argv[1], 0), sys.argv[2]
box = halves.open(key)
other = halves.open(key, timeout=1.0)
armed = missed = False


def interrupt(number, frame):
    global missed
    if armed:
        raise KeyboardInterrupt
    missed = True


def change(value):
    value.one += 1
    value.other += 1


def lock():
    reader = halves._Reader(box.key, None, 1.0)
    try:
        return reader._u32(192)
    finally:
        reader.close()


calls = {
    "update": lambda: box.update(change),
    "set": lambda: box.set(halves.Halves(one=1, other=1)),
    "wait": lambda: box.wait(box.version(), timeout=0.001),
}
call = calls[what]


def work():
    # A function of its own: CPython 3.13 leaves the jump at a loop's end out of the `try` around it.
    while not missed:
        call()


call()
signal.signal(signal.SIGINT, interrupt)
signal.signal(signal.SIGALRM, interrupt)
print("ready")
for line in sys.stdin:
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, float(line))
        work()
    except KeyboardInterrupt:
        pass
    armed = missed = False
    held = lock()
    try:
        other.update(lambda value: None)
    except halves.Busy:
        held = held or 1
    value = box.get()
    print("kept" if held else "free", "whole" if value.one == value.other else "torn")
