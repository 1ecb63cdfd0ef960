# Boxes, values and parts of them go to worker processes.
import multiprocessing, pickle, sys
import everything


def add(box, value, names):
    assert value == box.get() and names == ["x", "y"], (value, names)
    box.update(lambda now: setattr(now, "small", now.small + 1))
    return box.snapshot()


if __name__ == "__main__":
    with everything.open(int(sys.argv[1], 0), owner="anybody", timeout=2.0) as box:
        for method in ("fork", "spawn"):
            value = box.get()
            with multiprocessing.get_context(method).Pool(2) as pool:
                seen = pool.apply(add, (box, value, value.names))
            assert seen.value.small == value.small + 1 and seen.version == box.version(), (method, seen)
        again = pickle.loads(pickle.dumps(box))
        assert (again._owner, again._timeout, again.key) == ("anybody", 2.0, box.key)
        assert pickle.loads(pickle.dumps(value.nested)) == value.nested
