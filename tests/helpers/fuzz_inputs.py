"""Broken input: valid files with changed bytes, and parsed values with changed parts."""

import json

import yaml
from hypothesis import strategies as st

TOKENS = [
    b"", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"-1", b"1e999", b"nan", b"{", b"}", b"[" * 50,
    b"&a", b"*a", b"!!python/name:os.system", b"%s", b"{0.__class__}", b"../../x", b"\r\n", b",",
    b'"', b"0x", b"2020-99-99", b"9" * 5000, b"\xef\xbb\xbf", "é".encode("latin-1"),
]  # fmt: skip


def changed_bytes(seeds):
    """Return the strategy of a seed with one to six changes."""
    place = st.floats(0, 1)
    piece = st.sampled_from(TOKENS) | st.binary(max_size=8)
    change = st.one_of(
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("cut"), place, st.none()),
        st.tuples(st.just("drop"), place, st.integers(1, 64)),
        st.tuples(st.just("insert"), place, piece),
        st.tuples(st.just("write"), place, piece),
        st.tuples(st.just("repeat"), place, st.integers(1, 64)),
        st.tuples(st.just("graft"), place, st.sampled_from(seeds)),
    )
    return st.builds(change_bytes, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=6))


def change_bytes(data, changes):
    """Apply changes to bytes."""
    for kind, place, what in changes:
        at = int(place * len(data))
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << what)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + what :]
        elif kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "write":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + what] * 3 + data[at:]
        elif kind == "graft":
            data = data[:at] + what[int(place * len(what)) :]
    return data


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**20, 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["..", "/", "a\n", "{x}", "$(x)", "-1", "official", "train", "auto"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def changed_value(seeds):
    """Return the strategy of a parsed seed with one to four parts replaced, removed or added."""
    step = st.tuples(st.lists(st.integers(0, 30), max_size=6), st.sampled_from("rda"), VALUES)
    steps = st.lists(step, min_size=1, max_size=4)
    return st.builds(change_value, st.sampled_from([yaml.safe_load(s) for s in seeds]), steps)


def change_value(value, steps):
    """Apply changes to a copy of a value; the JSON serves as YAML too, because JSON is YAML."""
    value = json.loads(json.dumps(value))
    for path, kind, new in steps:
        value = _change(value, path, kind, new)
    try:
        return json.dumps(value).encode()
    except ValueError:
        return b"null"


def _change(value, path, kind, new):
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    if len(path) == 1 and kind == "d":
        del value[key]
    elif len(path) == 1 and kind == "a":
        if isinstance(value, dict):
            value[str(new)] = new
        else:
            value.append(new)
    else:
        value[key] = _change(value[key], path[1:], kind, new)
    return value
