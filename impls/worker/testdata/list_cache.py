"""A cache of lists that can do all that the protocol has, for the tests.

list_cache.py [--limits JSON] [--fault NAME]. Every entry of the batch keeps all of
its tokens; what comes back is every one of them, and visible says which the window
lets each query see. The limits are those of serve(), and the cache keeps to them.
"""

import argparse
import copy
import json

from slidefuzz_worker import Refused, serve

SIZE = {"F32": 4, "U8": 1}


class Cache:
    def __init__(self, options, batch, heads, window, dim, dtype):
        self.o, self.heads, self.window, self.dim, self.dtype = options, heads, window, dim, dtype
        self.batch, self.saved = batch, {}
        if options.fault != "shape":
            self.within("batches", batch)
            if "dims" in options.limits and dim % int(options.limits["dims"].rstrip("*")):
                raise Refused(f"dim {dim}")
        self.reset()

    def within(self, limit, n):
        if n not in self.o.limits.get(limit, [n]):
            raise Refused(f"{n} is none of {limit}")

    def reset(self):
        # rows[entry][token] is a pair of keys and values, by head.
        self.rows = [[] for _ in range(self.batch)]

    def update(self, keys, values):
        return self.update_each(keys, values, [keys[1][2]] * len(self.rows))

    def update_each(self, keys, values, lens):
        size, want = self.dim * SIZE[self.dtype], [len(self.rows), self.heads, keys[1][2], self.dim]
        q = want[2]
        for dtype, shape, _ in (keys, values):
            if dtype != self.dtype or shape != want:
                raise Refused(f"a chunk {shape} of {dtype}; want {want} of {self.dtype}")
        if len(lens) != want[0] or max(lens) != q or min(lens) < 0:
            raise Refused(f"lens {lens} for {want[0]} entries and {q} rows")
        most = {"W": self.window, "W+1": self.window + 1}.get(m := self.o.limits.get("max_chunk", q), m)
        if q > most and self.o.fault != "max_chunk":
            raise Refused(f"{q} rows")
        for b, n in enumerate(lens):
            for i in range(q - n, q):
                at = [((b * self.heads + h) * q + i) * size for h in range(self.heads)]
                self.rows[b].append(tuple([t[2][a : a + size] for a in at] for t in (keys, values)))
        most = max(len(rows) for rows in self.rows)
        none = [bytes(size)] * self.heads
        padded = [rows + [(none, none)] * (most - len(rows)) for rows in self.rows]
        got = [
            (self.dtype, [want[0], self.heads, most, self.dim], b"".join(row[t][h] for rows in padded for h in range(self.heads) for row in rows))
            for t in range(2)
        ]
        positions = [[r if r < len(rows) else -1 for r in range(most)] for rows in self.rows]
        visible = [[[p - self.window < r <= p for r in range(most)] for p in range(len(rows) - q, len(rows))] for rows in self.rows]
        if self.o.fault == "visible":
            visible[0] = visible[0][1:]
        if self.o.fault == "visible-rows":
            visible = [[query[1:] for query in entry] for entry in visible]
        return *got, positions, visible

    def crop(self, length):
        self.crop_each([length] * len(self.rows))

    def crop_each(self, lengths):
        if len(lengths) != len(self.rows):
            raise Refused(f"{len(lengths)} lengths for {len(self.rows)} entries")
        self.rows = [rows[:n] for rows, n in zip(self.rows, lengths)]

    def select(self, entries):
        if any(not 0 <= e < len(self.rows) for e in entries) and self.o.fault != "select":
            raise Refused(f"entries {entries} of {len(self.rows)}")
        if self.o.fault != "batches":
            self.within("batches", len(entries))
        self.rows = [list(self.rows[e % len(self.rows)]) for e in entries]

    def snapshot(self, id):
        self.saved[id] = copy.deepcopy(self.rows)

    def restore(self, id):
        if id not in self.saved:
            raise Refused(f"no snapshot {id}")
        self.rows = copy.deepcopy(self.saved[id])


p = argparse.ArgumentParser(description=__doc__)
p.add_argument("--limits", type=json.loads, default={})
p.add_argument("--fault", default="")
o = p.parse_args()
serve(
    lambda **shape: Cache(o, **shape),
    "list",
    "1",
    "chunks",
    list(SIZE),
    "cpu",
    capabilities=["crop", "ragged", "select", "snapshot"],
    **o.limits,
)
