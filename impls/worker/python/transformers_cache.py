"""The sliding-window layers of transformers, eager, as they are released.

A worker says which position each returned row holds as the layer itself says it:
by get_mask_sizes, from which a model makes its mask. What the mask would let a
query see is what slidefuzz judges.
"""

import argparse

import torch
import transformers
from transformers import cache_utils

from slidefuzz_worker import Refused, serve
from torch_tensors import DTYPES, from_torch, to_torch

# Rows of the layers with full attention in a hybrid cache: more than any drawn
# case appends.
FULL = 4096

SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
# Every row holds the number of its token, from 1 on.
import torch, transformers
{make}
print("transformers", transformers.__version__)
n = 0
def append(q):
    global n
    new = torch.arange(n + 1.0, n + q + 1).reshape(1, 1, q, 1)
    length, offset = {mask}
    keys, _ = {update}
    n += q
    print(f"append {{q}}: the mask is for tokens {{offset + 1}} to {{min(offset + length, n)}} in {{length}} rows; "
          f"returned {{keys.shape[2]}} rows: {{keys.flatten().int().tolist()}}")
def crop(length):
    global n
    if length < n:
        cache.crop(length - n)
        n = length
{operations}
'''


class Layer:
    """One layer by itself."""

    def __init__(self, kind, window, example):
        if kind == "static":
            self.layer = cache_utils.StaticSlidingWindowLayer(max_cache_len=FULL, sliding_window=window)
        else:
            self.layer = cache_utils.DynamicSlidingWindowLayer(sliding_window=window)
        if kind == "recording":
            self.layer.activate_past_recording()
        # As Cache.early_initialization does: the shape is known before the
        # first states are.
        if self.layer.supports_early_init:
            self.layer.lazy_initialization(example, example)

    def mask_sizes(self, q):
        return self.layer.get_mask_sizes(q)

    def append(self, k, v):
        return self.layer.update(k, v)

    def crop(self, remove):
        if not self.layer.is_croppable:
            raise Refused("is_croppable is False")
        self.layer.crop(-remove)

    def reset(self):
        self.layer.reset()


class Hybrid:
    """A StaticCache of a model whose layers alternate: the sliding ones are
    returned, the full ones must hold every token."""

    def __init__(self, window, example):
        config = transformers.Gemma2Config(
            num_hidden_layers=4, sliding_window=window, num_attention_heads=2, num_key_value_heads=1, hidden_size=8, head_dim=4
        )
        self.cache = transformers.StaticCache(config=config, max_cache_len=FULL)
        b, h, _, d = example.shape
        self.cache.early_initialization(b, h, d, example.dtype, example.device)
        kinds = [layer.is_sliding for layer in self.cache.layers]
        if kinds != [t == "sliding_attention" for t in config.layer_types]:
            raise RuntimeError(f"layers {kinds} for the types {config.layer_types}")
        self.sliding = [i for i, s in enumerate(kinds) if s]
        self.full = [i for i, s in enumerate(kinds) if not s]
        self.history = []

    def mask_sizes(self, q):
        sizes = {self.cache.get_mask_sizes(q, i) for i in self.sliding}
        if len(sizes) != 1:
            raise RuntimeError(f"sliding layers disagree about the mask: {sizes}")
        return sizes.pop()

    def append(self, k, v):
        got = [self.cache.update(k, v, i) for i in self.sliding]
        for a, b in zip(got[0], got[-1]):
            if not torch.equal(a, b):
                raise RuntimeError("two sliding layers with the same tokens differ")
        self.history.append((k.clone(), v.clone()))
        for i in self.full:
            rows = self.cache.update(k, v, i)
            for t in range(2):
                want = torch.cat([h[t] for h in self.history], dim=2)
                if not torch.equal(rows[t][:, :, : want.shape[2]], want):
                    raise RuntimeError(f"layer {i}, of full attention, lost tokens")
        return got[0]

    def reset(self):
        self.cache.reset()
        self.history = []


class Cache:
    def __init__(self, kind, batch, heads, window, dim, dtype):
        example = torch.zeros((batch, heads, 0, dim), dtype=DTYPES[dtype])
        self.cache = Hybrid(window, example) if kind == "hybrid" else Layer(kind, window, example)
        self.n = 0

    def update(self, keys, values):
        k, v = to_torch(keys), to_torch(values)
        q = k.shape[2]
        length, offset = self.cache.mask_sizes(q)
        # A copy: what is returned may be the buffer, and what is handed over
        # must not be kept.
        k1, v1 = self.cache.append(k, v)
        self.n += q
        reply = from_torch(k1), from_torch(v1)
        k.view(torch.uint8).zero_()
        v.view(torch.uint8).zero_()
        return *reply, [offset + i if offset + i < self.n else -1 for i in range(int(length))]

    def crop(self, length):
        if length < self.n:
            self.cache.crop(self.n - length)
            self.n = length

    def reset(self):
        self.cache.reset()
        self.n = 0


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kind", choices=["static", "dynamic", "recording", "hybrid"], default="static")
    o = p.parse_args()
    torch.set_num_threads(1)  # the tensors are small

    def make(**shape):
        return Cache(o.kind, **shape)

    def script(meta):
        lines = meta["case"].splitlines()
        shape = dict(f.split("=") for line in lines if line.startswith("shape ") for f in line.split()[1:])
        operations = []
        for line in lines:
            word = line.split()
            if word and word[0] == "append" and len(word) == 2:
                operations.append(f"append({word[1]})")
            elif word and word[0] == "reset":
                operations.append("cache.reset(); n = 0")
            elif word and word[0] == "crop":
                operations.append(f"crop({word[1]})")
            elif word and word[0] in ("append", "snapshot", "restore"):
                raise Refused(f"no script for {line!r}")
        w = shape["window"]
        if o.kind == "hybrid":
            make = (
                f"config = transformers.Gemma2Config(num_hidden_layers=2, sliding_window={w})\n"
                f"cache = transformers.StaticCache(config=config, max_cache_len={FULL})"
            )
            mask, update = "cache.get_mask_sizes(q, 0)", "cache.update(new, new, 0)"
        else:
            name = "StaticSlidingWindowLayer" if o.kind == "static" else "DynamicSlidingWindowLayer"
            arguments = f"max_cache_len={FULL}, sliding_window={w}" if o.kind == "static" else f"sliding_window={w}"
            make = f"from transformers.cache_utils import {name}\ncache = {name}({arguments})"
            if o.kind == "recording":
                make += "\ncache.activate_past_recording()"
            mask, update = "cache.get_mask_sizes(q)", "cache.update(new, new)"
        return "repro.py", SCRIPT.format(make=make, mask=mask, update=update, operations="\n".join(operations))

    serve(make, f"transformers-{o.kind}", f"transformers {transformers.__version__}, torch {torch.__version__}", "chunks", ["F32", "BF16", "F16"], "cpu",
          capabilities=["crop"] if o.kind in ("dynamic", "recording") else [], script=script)


if __name__ == "__main__":
    main()
