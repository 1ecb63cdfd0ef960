# Opens the segment of a key whose id is given to another segment as soon as it was asked about.
import ctypes
import sys

import st_pid

key = int(sys.argv[1], 0)
libc = ctypes.CDLL(None, use_errno=True)
libc.shmctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
library = st_pid._libc
RMID, STAT, CREATE = 0, 2, 0o1600
try:
    next_id = open("/proc/sys/kernel/shm_next_id", "w")
except OSError:
    print("SKIPPED: kernel.shm_next_id can't be set")
    sys.exit(0)


class Swapping:
    def __init__(self):
        self._libc = library()

    def __getattr__(self, name):
        return getattr(self._libc, name)

    def shmctl(self, number, command, facts):
        code = self._libc.shmctl(number, command, facts)
        libc.shmctl(number, RMID, None)
        # An attached segment keeps its id, and then nothing else gets it.
        next_id.write(str(number))
        next_id.flush()
        made = libc.shmget(key, 64, CREATE)
        if made != number:
            libc.shmctl(made, RMID, None)
        return code


st_pid._libc = Swapping
assert libc.shmget(key, 1 << 20, CREATE) >= 0
try:
    st_pid.open(key, read_only=True, timeout=0.1)
except st_pid.ShmboxError as error:
    print(error)
else:
    sys.exit("a segment of zeros passed for one of the library's")
