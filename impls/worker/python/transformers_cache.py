"""The sliding-window layers of transformers, eager, as they are released.

A worker says which position each returned row holds, and which rows each query
sees, as transformers itself says it: by the mask that a model makes for this cache
(masking_utils), as its attention takes it.
"""

import argparse

import torch
import transformers
from transformers import cache_utils
from transformers.masking_utils import create_sliding_window_causal_mask

from slidefuzz_worker import Refused, serve
from torch_tensors import DTYPES, from_torch, to_torch

# Rows of the layers with full attention in a hybrid cache: more than any drawn
# case appends.
FULL = 4096

SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
# Every row holds ten times the number of its token, from 1 on, and its batch entry.
import torch, transformers
from transformers.cache_utils import Cache, DynamicSlidingWindowLayer, StaticSlidingWindowLayer
from transformers.masking_utils import create_sliding_window_causal_mask
print("transformers", transformers.__version__)
config = transformers.Gemma2Config(num_hidden_layers={layers}, sliding_window={window}, attn_implementation="{attention}")
{make}
batch, serial = {batch}, 0
history = [[] for _ in range(batch)]
def append(q):
    global serial
    new = torch.tensor([[10.0 * (serial + i + 1) + b for i in range(q)] for b in range(batch)]).reshape(batch, 1, q, 1)
    serial += q
    mask = create_sliding_window_causal_mask(config, torch.zeros(batch, q, 1), None, cache)
    keys, _ = cache.update(new, new, 0)
    rows = keys.shape[2]
    if mask is None:  # sdpa is then told is_causal, for more than one query
        mask = torch.ones(q, rows, dtype=torch.bool)
        mask = mask.tril() if q > 1 else mask
    elif mask.dtype != torch.bool:
        mask = mask == 0
    mask = mask.expand(batch, 1, q, rows)
    for b in range(batch):
        print(f"append {{q}}, entry {{b}}: returned {{keys[b].flatten().int().tolist()}}")
        for i in range(q):
            history[b].append(int(new[b, 0, i, 0]))
            sees = keys[b, 0, mask[b, 0, i], 0].int().tolist()
            print(f"  query {{i}} sees {{sorted(sees)}} and should see {{history[b][-{window}:]}}")
def select(entries):
    global batch, history
    {select}
    history = [list(history[e]) for e in entries]
    batch = len(entries)
def crop(length):
    global history
    if length < len(history[0]):
        cache.crop(length - len(history[0]))
        history = [h[:length] for h in history]
def reset():
    global history
    cache.reset()
    history = [[] for _ in history]
{operations}
'''


def select(cache, batch, entries):
    """By the method for it: beam search reorders, several sequences a prompt
    repeat, and anything else picks entries. A static cache has only the first."""
    index = torch.tensor(entries, dtype=torch.long)
    repeats = len(entries) // batch
    if len(entries) == batch:
        cache.reorder_cache(index)
    elif entries == [b for b in range(batch) for _ in range(repeats)]:
        cache.batch_repeat_interleave(repeats)
    else:
        cache.batch_select_indices(index)


class Layer:
    """One layer by itself."""

    def __init__(self, kind, window, example, attention):
        if kind == "static":
            layer = cache_utils.StaticSlidingWindowLayer(max_cache_len=FULL, sliding_window=window)
        else:
            layer = cache_utils.DynamicSlidingWindowLayer(sliding_window=window)
        self.config = transformers.Gemma2Config(num_hidden_layers=1, sliding_window=window, attn_implementation=attention)
        self.cache = cache_utils.Cache(layers=[layer])
        if kind == "recording":
            self.cache.activate_past_recording()
        # As for torch.export: the shape is known before the first states are.
        b, h, _, d = example.shape
        self.cache.early_initialization(b, h, d, example.dtype, example.device)

    def mask_offset(self, q):
        return self.cache.get_mask_sizes(q, 0)[1]

    def append(self, k, v):
        return self.cache.update(k, v, 0)

    def select(self, batch, entries):
        select(self.cache, batch, entries)

    def crop(self, remove):
        if not self.cache.is_croppable:
            raise Refused("is_croppable is False")
        self.cache.crop(-remove)

    def reset(self):
        self.cache.reset()


class Hybrid:
    """A StaticCache of a model whose layers alternate: the sliding ones are
    returned, the full ones must hold every token."""

    def __init__(self, window, example, attention):
        self.config = config = transformers.Gemma2Config(
            num_hidden_layers=4, sliding_window=window, num_attention_heads=2, num_key_value_heads=1, hidden_size=8, head_dim=4, attn_implementation=attention
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

    def mask_offset(self, q):
        sizes = {self.cache.get_mask_sizes(q, i) for i in self.sliding}
        if len(sizes) != 1:
            raise RuntimeError(f"sliding layers disagree about the mask: {sizes}")
        return sizes.pop()[1]

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

    def select(self, batch, entries):
        select(self.cache, batch, entries)
        self.history = [(k[entries], v[entries]) for k, v in self.history]

    def reset(self):
        self.cache.reset()
        self.history = []


class Cache:
    def __init__(self, options, batch, heads, window, dim, dtype):
        example = torch.zeros((batch, heads, 0, dim), dtype=DTYPES[dtype])
        if options.kind == "hybrid":
            self.cache = Hybrid(window, example, options.attention)
        else:
            self.cache = Layer(options.kind, window, example, options.attention)
        self.n, self.batch, self.first = 0, batch, batch

    def update(self, keys, values):
        k, v = to_torch(keys), to_torch(values)
        b, _, q, _ = k.shape
        offset = self.cache.mask_offset(q)
        mask = create_sliding_window_causal_mask(self.cache.config, torch.zeros(b, q, 1), None, self.cache.cache)
        # A copy: what is returned may be the buffer, and what is handed over
        # must not be kept.
        k1, v1 = self.cache.append(k, v)
        self.n += q
        rows = k1.shape[2]
        reply = from_torch(k1), from_torch(v1)
        k.view(torch.uint8).zero_()
        v.view(torch.uint8).zero_()
        positions = [offset + i if offset + i < self.n else -1 for i in range(rows)]
        return *reply, positions, visible(mask, q, rows)

    def select(self, entries):
        self.cache.select(self.batch, entries)
        self.batch = len(entries)

    def crop(self, length):
        if length < self.n:
            self.cache.crop(self.n - length)
            self.n = length

    def reset(self):
        self.cache.reset()
        self.n, self.batch = 0, self.first


def visible(mask, q, rows):
    """Which rows each query sees, [1, q, rows], as the attention of transformers
    takes a mask, which is the same for all entries as no tokens are padding: none at all is is_causal for more than one query, aligned to the
    first row (sdpa_attention_forward); one of another size is broadcast, or raises."""
    if mask is None:
        mask = torch.ones(1, 1, q, rows, dtype=torch.bool)
        mask = mask.tril() if q > 1 else mask
    elif mask.dtype != torch.bool:
        mask = mask == 0  # eager adds it
    return mask[:1].expand(1, 1, q, rows)[0].numpy()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kind", choices=["static", "dynamic", "recording", "hybrid"], default="static")
    p.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa", help="whose mask")
    o = p.parse_args()
    torch.set_num_threads(1)  # the tensors are small

    def make(**shape):
        return Cache(o, **shape)

    def script(meta):
        lines = meta["case"].splitlines()
        shape = dict(f.split("=") for line in lines if line.startswith("shape ") for f in line.split()[1:])
        operations = []
        for line in lines:
            match line.split():
                case ["append", q] if "," not in q:
                    operations.append(f"append({q})")
                case ["reset"]:
                    operations.append("reset()")
                case ["crop", n] if "," not in n:
                    operations.append(f"crop({n})")
                case ["select", entries]:
                    operations.append(f"select([{entries}])")
                case ["append" | "crop" | "snapshot" | "restore", *_]:
                    raise Refused(f"no script for {line!r}")
        w = shape["window"]
        match o.kind:
            case "hybrid":
                new = f"transformers.StaticCache(config=config, max_cache_len={FULL})"
            case "static":
                new = f"Cache(layers=[StaticSlidingWindowLayer(max_cache_len={FULL}, sliding_window={w})])"
            case _:
                new = f"Cache(layers=[DynamicSlidingWindowLayer(sliding_window={w})])"
        new = "cache = " + new
        if o.kind == "recording":
            new += "\ncache.activate_past_recording()"
        pick = "reorder_cache" if o.kind in ("static", "hybrid") else "batch_select_indices"
        return "repro.py", SCRIPT.format(
            layers=2 if o.kind == "hybrid" else 1,
            window=w,
            attention=o.attention,
            make=new,
            batch=shape["batch"],
            select=f"cache.{pick}(torch.tensor(entries))",
            operations="\n".join(operations),
        )

    serve(
        make,
        f"transformers-{o.kind}",
        f"transformers {transformers.__version__}, torch {torch.__version__}",
        "chunks",
        ["F32", "BF16", "F16"],
        "cpu",
        capabilities=["select"] + (["crop"] if o.kind in ("dynamic", "recording") else []),
        script=script,
    )


if __name__ == "__main__":
    main()
