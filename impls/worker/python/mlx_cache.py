"""The sliding-window caches of mlx-lm, on the CPU, as they are released:
RotatingKVCache, and BatchRotatingKVCache, which its generator and server make of
them for a batch.

mlx-lm itself says which token a returned row holds (the state of the cache) and
which rows a query sees (make_mask).
"""

import argparse
import copy
import os
import tempfile

import mlx.core as mx
import mlx_lm
import numpy as np
from mlx_lm.models.cache import BatchRotatingKVCache, RotatingKVCache, load_prompt_cache, save_prompt_cache, trim_prompt_cache

from slidefuzz_worker import Refused, serve

# Element types, and the type of NumPy that has their bits: it lacks bfloat16.
DTYPES = {"F32": (mx.float32, np.float32), "BF16": (mx.bfloat16, np.uint16), "F16": (mx.float16, np.float16), "U8": (mx.uint8, np.uint8)}
NAMES = {d: n for n, (d, _) in DTYPES.items()}

SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
# Every row holds ten times the number of its token, from 1 on, and its batch entry.
import copy
import mlx.core as mx, mlx_lm
from mlx_lm.models.cache import BatchRotatingKVCache, RotatingKVCache, load_prompt_cache, save_prompt_cache, trim_prompt_cache
print("mlx", mx.__version__, "mlx-lm", mlx_lm.__version__)
mx.set_default_device(mx.cpu)
{step}batch, serial = {batch}, 0
def new():
    return {make}
cache = new()
history = [[] for _ in range(batch)]
def append(*lens):
    """As PromptProcessingBatch.prompt: padded on the right."""
    global serial
    lens = lens if len(lens) == batch else lens * batch
    q = max(lens)
    tokens = [[10 * (serial + i + 1) + b for i in range(n)] for b, n in enumerate(lens)]
    serial += q
    new = mx.array([t + [0] * (q - len(t)) for t in tokens], mx.float32).reshape(batch, 1, q, 1)
    padding = [q - n for n in lens]
    if max(padding) > 0:
        cache.prepare(lengths=list(lens), right_padding=padding)
    mask = cache.make_mask(q{window_size})
    keys, _ = cache.update_and_fetch(new, new)
    rows = keys.shape[2]
    held = keys[:, 0, :, 0].astype(mx.int32).tolist(){reuse}
    if max(padding) > 0:
        cache.finalize()
    if isinstance(mask, str):  # "causal", which aligns the last query to the last row
        mask = mx.tri(q, rows, rows - q).astype(mx.bool_)
    elif mask is None:
        mask = mx.ones((1, rows), mx.bool_)
    mask = mx.broadcast_to(mask, (batch, 1, q, rows)).tolist()
    for b in range(batch):
        print(f"append {{lens[b]}}, entry {{b}}: returned {{held[b]}}")
        for t, sees in zip(tokens[b], mask[b][0]):
            history[b].append(t)
            h = history[b]
            print(f"  token {{t}} sees {{sorted(t for t, s in zip(held[b], sees) if s)}} and should see {{h[:{sinks}] + h[{sinks}:][-{window}:]}}")
def crop(*lengths):
    {crop}
def select(entries):
    global cache, batch, history
    {select}
    history = [list(history[e]) for e in entries]
    batch = len(entries)
def reset():
    global cache, batch, history
    batch = {batch}
    cache, history = new(), [[] for _ in range(batch)]
{operations}
'''


# How the script crops and selects, by the options of the worker.
CROP = '''lengths = lengths if len(lengths) == batch else lengths * batch
    drop, *others = {{max(0, len(h) - n) for h, n in zip(history, lengths)}}
    if not others and {trim} == drop:  # trim takes one number for all
        for h, n in zip(history, lengths):
            del h[n:]'''
CROP_EXTRACT = '''global cache
    lengths = lengths if len(lengths) == batch else lengths * batch
    caches = [cache.extract(b) for b in range(batch)]
    if all(trim_prompt_cache([c], max(0, len(h) - n)) == max(0, len(h) - n) for c, h, n in zip(caches, history, lengths)):
        cache = RotatingKVCache.merge(caches)
        for h, n in zip(history, lengths):
            del h[n:]'''
SELECT = {
    "filter": "cache.filter(entries)",
    "extend": '''parts = [copy.deepcopy(cache) for _ in entries]
    for part, e in zip(parts, entries):
        part.filter([e])
    for part in parts[1:]:
        parts[0].extend(part)
    cache = parts[0]''',
    "extract": "cache = RotatingKVCache.merge([copy.deepcopy(cache.extract(e)) for e in entries])",
}


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
        self.o, self.window, self.first = options, window, batch
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
        # A mask of several entries does not fit another batch: attention raises.
        sees = visible(mask, 1 if len(self.lengths()) == 1 else k.shape[0], q, k1.shape[2])
        return self.said(reply, self.positions(q, k1.shape[2]), sees)

    def said(self, reply, positions, sees):
        """The reply with what a model goes by: the mask of each query, or with
        --mask rows only that no query sees a row."""
        if self.o.mask == "rows":
            positions = np.where(sees.any(axis=1) | (sees.shape[1] == 0), positions, -1)
            sees = None
        return *reply, (positions[0] if len(positions) == 1 else positions).tolist(), sees

    def positions(self, q, rows):
        """Which token each returned row holds, by the state after the update."""
        c = self.cache
        n = c.offset  # tokens so far: what models take for the rotary embedding
        if rows >= n:
            return np.array([[i if i < n else -1 for i in range(rows)]], dtype=np.int64)
        if q == 1:
            # _update_in_place returns the buffer itself: the kept rows, then a
            # ring whose newest row is the one before _idx.
            ring = rows - c.keep
            return np.array([[i if i < c.keep else n - 1 - (c._idx - 1 - i) % ring for i in range(rows)]], dtype=np.int64)
        # _update_concat returns temporal order, what it trimmed being the oldest
        # rows after the kept ones.
        return np.array([[i if i < c.keep else n - rows + i for i in range(rows)]], dtype=np.int64)

    def lengths(self):
        return [self.cache.offset]

    def reset(self):
        """There is no reset in mlx-lm: who starts anew makes a new cache."""
        self.cache = RotatingKVCache(max_size=self.max_size, keep=self.o.keep)

    def crop(self, length):
        """As speculative decoding and the prompt cache of the server do it: a
        cache that is not trimmable is left as it was. With --trim unasked as who
        calls trim() alone, which does not look (mlx-lm#1776)."""
        drops = {max(0, n - length) for n in self.lengths()}
        if len(drops) > 1:
            raise Refused(f"trim takes one number for all entries, not {sorted(drops)}")
        self.trim(drops.pop())

    def trim(self, drop):
        if self.o.trim == "unasked":
            self.cache.trim(drop)
        elif drop > 0 and trim_prompt_cache([self.cache], drop) != drop:
            raise Refused(f"not trimmable: {self.lengths()} tokens in {self.max_size} rows")

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


class Batch(Cache):
    """BatchRotatingKVCache, by the calls that mlx_lm.generate makes of it."""

    def reset(self):
        """_merge_caches: a batch is made of the caches of its sequences."""
        self.cache = RotatingKVCache.merge([RotatingKVCache(max_size=self.max_size, keep=self.o.keep) for _ in range(self.first)])

    def lengths(self):
        return self.cache.offset.tolist()

    def positions(self, q, rows, padding=0):
        """The rows in temporal order: left_padding of them, then tokens up to
        offset. A ring's oldest row is the one at _idx."""
        c = self.cache
        row = np.arange(rows)[None]
        filled, row = (rows, (row - c._idx) % rows) if c.rotated else (c._idx, row)
        positions = np.array(c.offset, dtype=np.int64)[:, None] - filled + row
        real = (row >= np.array(c.left_padding)[:, None]) & (positions >= 0) & (row < filled - padding)
        return np.where(real, positions, -1)

    def update_each(self, keys, values, lens):
        """PromptProcessingBatch.prompt: prompts of unequal length are padded on
        the right, and finalize moves the padding to the left, where a chunk of
        slidefuzz has it."""
        q = keys[1][2]
        padding = [q - n for n in lens]
        if not any(padding):
            return self.update(keys, values)
        k, v = (mx.stack([mx.roll(t, -p, axis=1) for t, p in zip(to_mlx(x), padding)]) for x in (keys, values))
        self.cache.prepare(lengths=lens, right_padding=padding)
        mask = self.cache.make_mask(q, window_size=self.window_size)
        k1, v1 = self.cache.update_and_fetch(k, v)
        rows = k1.shape[2]
        reply = from_mlx(k1), from_mlx(v1)
        positions = self.positions(q, rows, np.array(padding)[:, None])
        self.cache.finalize()
        sees = visible(mask, len(lens), q, rows)
        return self.said(reply, positions, np.stack([np.roll(s, p, axis=0) for s, p in zip(sees, padding)]))

    def select(self, entries):
        # Who asks names a request by its uid, and what is none is not found
        # (_find_uids). An index as such mlx does not check: it reads foreign memory.
        found = {uid: i for i, uid in enumerate(range(len(self.lengths())))}
        entries = [found[e] for e in entries]
        match self.o.select:
            case "filter":  # requests that have ended drop out
                self.cache.filter(entries)
            case "extend":  # split() and _extend_cache: requests join a batch
                parts = [copy.deepcopy(self.cache) for _ in entries]
                for part, e in zip(parts, entries):
                    part.filter([e])
                for part in parts[1:]:
                    parts[0].extend(part)
                self.cache = parts[0]
            case "extract" if self.cache.empty():  # a batch that has not run is made anew
                self.cache = RotatingKVCache.merge([RotatingKVCache(max_size=self.max_size, keep=self.o.keep) for _ in entries])
            case "extract":  # extract_cache to the server's prompt cache, and _merge_caches
                self.cache = RotatingKVCache.merge([copy.deepcopy(self.cache.extract(e)) for e in entries])

    def crop_each(self, lengths):
        """One trim for the batch; with --select extract one for each sequence."""
        drops = [max(0, n - length) for n, length in zip(self.lengths(), lengths, strict=True)]
        if self.o.select == "extract" and any(drops):
            caches = [self.cache.extract(b) for b in range(len(drops))]
            for cache, drop in zip(caches, drops):
                if drop > 0 and trim_prompt_cache([cache], drop) != drop:
                    raise Refused(f"not trimmable: {cache.offset} tokens in {self.max_size} rows")
            self.cache = RotatingKVCache.merge(caches)
        elif len(set(drops)) > 1:
            raise Refused(f"trim takes one number for all entries, not {drops}")
        else:
            self.trim(drops[0])


def visible(mask, batch, q, rows):
    """Which rows each query sees, [batch, q, rows], as attention takes a mask of
    make_mask; one of another size is broadcast, or raises. The mask of a
    RotatingKVCache has no batch: it is one for all entries."""
    if q == 0:
        return np.ones((batch, 0, rows), dtype=bool)
    if isinstance(mask, str):  # "causal", which aligns the last query to the last row
        mask = mx.array(np.tri(q, rows, rows - q, dtype=bool))
    elif mask is None:
        mask = mx.ones((q, rows), dtype=mx.bool_)
    return np.array(mx.broadcast_to(mask, (batch, 1, q, rows)))[:, 0]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kind", choices=["rotating", "batch"], default="rotating")
    p.add_argument("--select", choices=["filter", "extend", "extract"], default="filter", help="how a batch is made of entries of another")
    p.add_argument("--keep", type=int, default=0, metavar="N", help="the first N tokens stay; make_prompt_cache has 4")
    p.add_argument("--slack", type=int, default=0, metavar="N", help="rows beyond the window, which the mask hides; without --keep")
    p.add_argument("--mask", choices=["queries", "rows"], default="queries", help="say what each query sees, or only which rows no query sees")
    p.add_argument("--step", type=int, metavar="N", help="rows by which the buffer of a decode grows, 256 in mlx-lm, so that small windows grow too")
    p.add_argument("--snapshot", choices=["copy", "file"], default="copy")
    p.add_argument("--trim", choices=["asked", "unasked"], default="asked", help="a crop asks whether the cache is trimmable, or does not")
    p.add_argument("--reuse", action="store_true", help="the caller writes zeros into a chunk that was handed over")
    o = p.parse_args()
    if o.keep and o.slack:
        p.error("--slack goes without --keep: a window_size knows no kept tokens")
    mx.set_default_device(mx.cpu)
    if o.step:
        RotatingKVCache.step = BatchRotatingKVCache.step = o.step

    def make(**shape):
        return (Batch if o.kind == "batch" else Cache)(o, **shape)

    def script(meta):
        lines = meta["case"].splitlines()
        shape = dict(f.split("=") for line in lines if line.startswith("shape ") for f in line.split()[1:])
        w = int(shape["window"])
        one = f"RotatingKVCache(max_size={w + o.keep + o.slack}, keep={o.keep})"
        operations = []
        for line in lines:
            word = line.split()
            file = word[1] + ".safetensors" if len(word) > 1 else ""
            match word:
                case ["append" | "crop" as op, numbers]:
                    operations.append(f"{op}({numbers})")
                case ["select", entries]:
                    operations.append(f"select([{entries}])")
                case ["reset"]:
                    operations.append("reset()")
                case ["snapshot", id] if o.snapshot == "file":
                    operations.append(f'save_prompt_cache("{file}", [cache]); saved{id} = copy.deepcopy((batch, history))')
                case ["restore", id] if o.snapshot == "file":
                    operations.append(f'(cache,) = load_prompt_cache("{file}"); batch, history = copy.deepcopy(saved{id})')
                case ["snapshot", id]:
                    operations.append(f"saved{id} = copy.deepcopy((cache, batch, history))")
                case ["restore", id]:
                    operations.append(f"cache, batch, history = copy.deepcopy(saved{id})")
                case ["append", *_]:
                    raise Refused(f"no script for {line!r}")
        return "repro.py", SCRIPT.format(
            make=f"RotatingKVCache.merge([{one} for _ in range(batch)])" if o.kind == "batch" else one,
            step=f"RotatingKVCache.step = BatchRotatingKVCache.step = {o.step}\n" if o.step else "",
            batch=shape["batch"],
            window_size="" if o.keep else f", window_size={w}",
            sinks=o.keep,
            window=w,
            reuse="\n    new[...] = 0" if o.reuse else "",
            crop=CROP_EXTRACT if o.select == "extract" and o.kind == "batch" else CROP.format(trim="cache.trim(drop)" if o.trim == "unasked" else "trim_prompt_cache([cache], drop)"),
            select=SELECT[o.select],
            operations="\n".join(operations),
        )

    name = "mlx-rotating" if o.kind == "rotating" else f"mlx-batch-{o.select}"
    name += (f"-keep{o.keep}" if o.keep else "") + (f"-slack{o.slack}" if o.slack else "")
    serve(
        make,
        name,
        f"mlx-lm {mlx_lm.__version__}, mlx {mx.__version__}",
        "chunks",
        list(DTYPES),
        "cpu",
        sinks=o.keep,
        capabilities=["crop", "snapshot"] + (["select", "ragged"] if o.kind == "batch" else []),
        script=script,
    )


if __name__ == "__main__":
    main()
