# Opens what may be read and not written; says what it is told, and reads.
import os, st_pid, sys

key, how = sys.argv[1:]
if how == "c":
    st_pid._ON_X86_64 = False
if how == "user":
    # Loaded while this user may.
    st_pid._functions()
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
if how not in ("python", "c"):
    try:
        st_pid.open(key)
    except st_pid.ShmboxError as error:
        print(error.code, error)
with st_pid.open(key, read_only=True) as box:
    print(box.get().names)
