"""The RotatingKVCache of mlx-lm, on the CPU, as it is released.

mlx-lm itself says which token a returned row holds (offset, keep and _idx of its
state) and which rows a query sees (make_mask). What its mask lets a query see is
what slidefuzz judges.
"""

import argparse
import copy
import os
import tempfile

import mlx.core as mx
import mlx_lm
import numpy as np
from mlx_lm.models.cache import RotatingKVCache, load_prompt_cache, save_prompt_cache, trim_prompt_cache

from slidefuzz_worker import Refused, serve

# Element types, and the type of NumPy that has their bits: it lacks bfloat16.
DTYPES = {"F32": (mx.float32, np.float32), "BF16": (mx.bfloat16, np.uint16), "F16": (mx.float16, np.float16), "U8": (mx.uint8, np.uint8)}
NAMES = {d: n for n, (d, _) in DTYPES.items()}

SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
# Every row holds the number of its token, from 1 on.
import copy
import mlx.core as mx, mlx_lm
from mlx_lm.models.cache import RotatingKVCache, load_prompt_cache, save_prompt_cache, trim_prompt_cache
print("mlx", mx.__version__, "mlx-lm", mlx_lm.__version__)
mx.set_default_device(mx.cpu)
cache = RotatingKVCache({make})
n = 0
def append(q):
    global n
    new = mx.arange(n + 1.0, n + q + 1).reshape(1, 1, q, 1)
    mask = cache.make_mask({mask})
    keys, _ = cache.update_and_fetch(new, new)
    rows = [int(t) for t in keys.flatten().tolist()]{reuse}
    print(f"append {{q}}: returned {{rows}}")
    if mask is None or mask == "causal":
        mask = mx.tri(q, len(rows), len(rows) - q)
    for sees in mx.atleast_2d(mask).tolist():
        n += 1
        print(f"  token {{n}} sees", sorted(t for t, s in zip(rows, sees) if s),
              "and should see", [t for t in range(1, n + 1) if t <= {sinks} or t > n - {window}])
{operations}
'''


def to_mlx(tensor):
    dtype, shape, data = tensor
    to, bits = DTYPES[dtype]
    x = mx.array(np.frombuffer(data, dtype=bits).reshape(shape))
    return x if x.dtype == to else x.view(to)


def from_mlx(x):
    name = NAMES[x.dtype]
    bits = x.view(mx.uint16) if name == "BF16" else x
    return name, list(x.shape), np.array(bits).tobytes()


class Cache:
    def __init__(self, options, batch, heads, window, dim, dtype):
        self.o, self.window = options, window
        # max_size counts the kept rows: a full cache decodes into the rows keep
        # to max_size-1 in turn, so that max_size-keep tokens stay besides the
        # kept ones. What the last query of a window of W tokens and keep sinks
        # sees is then W+keep rows.
        self.max_size = window + options.keep + options.slack
        # Models with sliding layers hand make_mask their window. Those without
        # get a cache with keep (make_prompt_cache with max_kv_size) and hand it
        # none.
        self.window_size = None if options.keep else window
        self.folder = tempfile.TemporaryDirectory() if options.snapshot == "file" else None
        self.saved = {}
        self.reset()

    def update(self, keys, values):
        k, v = to_mlx(keys), to_mlx(values)
        q = k.shape[2]
        mask = self.cache.make_mask(q, window_size=self.window_size)
        k1, v1 = self.cache.update_and_fetch(k, v)
        reply = from_mlx(k1), from_mlx(v1)
        if self.o.reuse:
            k[...] = 0
            v[...] = 0
        return *reply, self.visible(mask, self.positions(q, k1.shape[2]), q)

    def positions(self, q, rows):
        """Which token each returned row holds, by the state after the update."""
        c = self.cache
        n = c.offset  # tokens so far: what models take for the rotary embedding
        if rows >= n:
            return np.array([i if i < n else -1 for i in range(rows)], dtype=np.int64)
        if q == 1:
            # _update_in_place returns the buffer itself: the kept rows, then a
            # ring whose newest row is the one before _idx.
            ring = rows - c.keep
            return np.array([i if i < c.keep else n - 1 - (c._idx - 1 - i) % ring for i in range(rows)], dtype=np.int64)
        # _update_concat returns temporal order, what it trimmed being the oldest
        # rows after the kept ones.
        return np.array([i if i < c.keep else n - rows + i for i in range(rows)], dtype=np.int64)

    def visible(self, mask, positions, q):
        """The positions, less the rows that the mask hides: with --mask rows
        those hidden from all queries, else also those hidden from one that must
        see them. There a row that shows where it must not is an error, too."""
        rows = len(positions)
        if mask is None:
            sees = np.ones((q, rows), dtype=bool)
        elif isinstance(mask, str):  # "causal", which aligns the last query to the last row
            sees = np.tri(q, rows, rows - q, dtype=bool)
        else:
            sees = np.array(mask).reshape(-1, mask.shape[-1])
            if sees.shape != (q, rows):
                raise RuntimeError(f"a mask {list(mask.shape)} for {q} queries and {rows} returned rows")
        if q == 0:
            return positions.tolist()
        if self.o.mask == "rows":
            return np.where(sees.any(axis=0), positions, -1).tolist()
        query = np.arange(self.cache.offset - q, self.cache.offset)[:, None]
        due = (positions >= 0) & (positions <= query) & ((positions > query - self.window) | (positions < self.o.keep))
        hidden = (due & ~sees).any(axis=0)
        for i, row in np.argwhere(sees & ~due):
            if not hidden.any():
                raise RuntimeError(f"by the mask the query at position {query[i, 0]} sees row {row}, position {positions[row]}, outside its window")
        return np.where(hidden, -1, positions).tolist()

    def reset(self):
        """There is no reset in mlx-lm: who starts anew makes a new cache."""
        self.cache = RotatingKVCache(max_size=self.max_size, keep=self.o.keep)
        if self.o.step:
            self.cache.step = self.o.step

    def crop(self, length):
        """As speculative decoding and the prompt cache of the server do it: a
        cache that is not trimmable is left as it was. With --trim unasked as who
        calls trim() alone, which does not look (mlx-lm#1776)."""
        drop = max(0, self.cache.offset - length)
        if self.o.trim == "unasked":
            self.cache.trim(drop)
        elif drop > 0 and trim_prompt_cache([self.cache], drop) != drop:
            raise Refused(f"not trimmable: {self.cache.offset} tokens in {self.max_size} rows")

    def snapshot(self, id):
        """A deep copy, as LRUPromptCache.fetch_nearest_cache of the server makes;
        or a file, as users of save_prompt_cache do."""
        if self.o.snapshot == "file":
            self.saved[id] = os.path.join(self.folder.name, f"{id}.safetensors")
            save_prompt_cache(self.saved[id], [self.cache])
        else:
            self.saved[id] = copy.deepcopy(self.cache)

    def restore(self, id):
        if id not in self.saved:
            raise Refused(f"no snapshot {id}")
        if self.o.snapshot == "file":
            (self.cache,) = load_prompt_cache(self.saved[id])
        else:
            self.cache = copy.deepcopy(self.saved[id])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--keep", type=int, default=0, metavar="N", help="the first N tokens stay; make_prompt_cache has 4")
    p.add_argument("--slack", type=int, default=0, metavar="N", help="rows beyond the window, which the mask hides; without --keep")
    p.add_argument("--mask", choices=["queries", "rows"], default="queries", help="judge what each query sees, or which rows any query sees")
    p.add_argument("--step", type=int, metavar="N", help="rows by which the buffer of a decode grows, 256 in mlx-lm, so that small windows grow too")
    p.add_argument("--snapshot", choices=["copy", "file"], default="copy")
    p.add_argument("--trim", choices=["asked", "unasked"], default="asked", help="a crop asks whether the cache is trimmable, or does not")
    p.add_argument("--reuse", action="store_true", help="the caller writes zeros into a chunk that was handed over")
    o = p.parse_args()
    if o.keep and o.slack:
        p.error("--slack goes without --keep: a window_size knows no kept tokens")
    mx.set_default_device(mx.cpu)

    def make(**shape):
        return Cache(o, **shape)

    def script(meta):
        lines = meta["case"].splitlines()
        shape = dict(f.split("=") for line in lines if line.startswith("shape ") for f in line.split()[1:])
        w = int(shape["window"])
        make = f"max_size={w + o.keep + o.slack}, keep={o.keep}"
        operations = [f"RotatingKVCache.step = {o.step}"] if o.step else []
        for line in lines:
            word = line.split()
            file = word[1] + ".safetensors" if len(word) > 1 else ""
            match word:
                case ["append", q]:
                    operations.append(f"append({q})")
                case ["reset"]:
                    operations.append(f"cache, n = RotatingKVCache({make}), 0")
                case ["crop", length] if o.trim == "unasked":
                    operations.append(f"n -= cache.trim(max(0, n - {length}))")
                case ["crop", length]:
                    operations.append(f"n -= trim_prompt_cache([cache], max(0, n - {length}))")
                case ["snapshot", id] if o.snapshot == "file":
                    operations.append(f'save_prompt_cache("{file}", [cache]); n{id} = n')
                case ["restore", id] if o.snapshot == "file":
                    operations.append(f'(cache,), n = load_prompt_cache("{file}"), n{id}')
                case ["snapshot", id]:
                    operations.append(f"saved{id} = copy.deepcopy((cache, n))")
                case ["restore", id]:
                    operations.append(f"cache, n = copy.deepcopy(saved{id})")
                case ["append", *_]:
                    raise Refused(f"no script for {line!r}")
        return "repro.py", SCRIPT.format(
            make=make,
            mask="q" if o.keep else f"q, window_size={w}",
            sinks=o.keep,
            window=w,
            reuse="\n    new[...] = 0" if o.reuse else "",
            operations="\n".join(operations),
        )

    name = "mlx-rotating" + (f"-keep{o.keep}" if o.keep else "") + (f"-slack{o.slack}" if o.slack else "")
    serve(
        make,
        name,
        f"mlx-lm {mlx_lm.__version__}, mlx {mx.__version__}",
        "chunks",
        list(DTYPES),
        "cpu",
        sinks=o.keep,
        capabilities=["crop", "snapshot"],
        script=script,
    )


if __name__ == "__main__":
    main()
