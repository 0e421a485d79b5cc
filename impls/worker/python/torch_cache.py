"""The sliding-cache updates of pytorch#159855 in PyTorch, with a guard.

A prefill runs eagerly, as in the report; a decode is compiled where --mode says
so, alone or together with the attention that uses it, and its buffers have
static addresses.
"""

import argparse
import inspect

import torch
import torch.nn.functional as F

from slidefuzz_worker import Refused, serve
from torch_tensors import DTYPES, device_name, from_torch, to_torch

QUERIES_PER_HEAD = 2  # grouped heads: the consumer repeats keys and values


def shift_index(x, new, position):
    w = x.shape[2]
    at = torch.arange(w, device=x.device)
    to_shift = position[-1] + 1 > w
    shifted = x[:, :, (at + to_shift.to(at.dtype)) % w]
    x.copy_(shifted.index_copy(2, position.clamp(max=w - 1), new))


def cat(x, new, position):
    x.copy_(torch.cat((x[:, :, 1:, :], new), dim=-2))


def roll(x, new, position):
    y = x.roll(-1, dims=-2)
    y[:, :, -1:, :] = new
    x.copy_(y)


def roll_index(x, new, position):
    y = x.roll(-1, dims=-2)
    y[:, :, torch.tensor([-1], device=x.device)] = new
    x.copy_(y)


UPDATES = {"shift-index": shift_index, "cat": cat, "roll": roll, "roll-index": roll_index}


def attention(kind, keys, values, query, mask):
    """What a layer does with the cache: repeat, mask, attend."""
    if kind == "flex":
        from torch.nn.attention.flex_attention import flex_attention

        return flex_attention(query, keys, values, enable_gqa=True)
    k = keys.repeat_interleave(QUERIES_PER_HEAD, dim=1)
    v = values.repeat_interleave(QUERIES_PER_HEAD, dim=1)
    if kind == "sdpa":
        return F.scaled_dot_product_attention(query, k, v, attn_mask=mask)
    weights = torch.matmul(query, k.transpose(2, 3)) * query.shape[-1] ** -0.5 + mask
    return torch.matmul(F.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype), v)


def decoder(update, full, consumer):
    """One decode, as it is compiled."""

    def decode(keys, values, k, v, position, query, mask):
        if full or update is shift_index:
            update(keys, k, position)
            update(values, v, position)
        else:
            keys.index_copy_(2, position, k)
            values.index_copy_(2, position, v)
        if consumer != "none":
            return attention(consumer, keys, values, query, mask)

    return decode


class Cache:
    """One cache of a shape. Its buffers outlive it: a compiled decode is bound
    to their addresses."""

    def __init__(self, options, batch, heads, window, dim, dtype):
        self.o, self.shape, self.dtype = options, (batch, heads, window, dim), DTYPES[dtype]
        b, h, w, d = self.shape

        def buffer():
            if options.layout == "tokens-first":
                x = torch.zeros((w, b, h, d), dtype=self.dtype, device=options.device).permute(1, 2, 0, 3)
            else:
                x = torch.zeros(self.shape, dtype=self.dtype, device=options.device)
            if options.mode != "eager":
                torch._dynamo.mark_static_address(x)
            return x

        self.keys, self.values = buffer(), buffer()
        self.query = torch.ones((b, h * QUERIES_PER_HEAD, 1, d), dtype=self.dtype, device=options.device)
        self.mask = torch.zeros((b, 1, 1, w), dtype=self.dtype, device=options.device)
        self.compiled = {}
        self.n = 0

    def decode(self, full):
        if full not in self.compiled:
            f = decoder(UPDATES[self.o.update], full, self.o.consumer)
            if self.o.mode != "eager":
                mode = None if self.o.mode == "default" else self.o.mode
                f = torch.compile(f, fullgraph=True, dynamic=False, mode=mode)
            self.compiled[full] = f
        return self.compiled[full]

    def update(self, keys, values):
        b, h, w, d = self.shape
        k, v = to_torch(keys, self.o.device), to_torch(values, self.o.device)
        q = k.shape[2]
        if k.shape != v.shape or k.dtype != self.dtype or v.dtype != self.dtype or (k.shape[0], k.shape[1], k.shape[3]) != (b, h, d):
            raise Refused(f"a chunk {list(k.shape)} of {k.dtype} in a cache {[b, h, w, d]} of {self.dtype}")
        if q == 0 or 1 < q <= w < self.n + q:
            raise Refused(f"{q} rows after {self.n} cross the border of a window of {w}")
        position = torch.arange(self.n, self.n + q, device=self.o.device)
        full = self.n >= w
        if q > w:
            self.keys.copy_(k[:, :, -w:, :])
            self.values.copy_(v[:, :, -w:, :])
            self.n += q
            return from_torch(k), from_torch(v)
        if q > 1:
            self.keys.index_copy_(2, position, k)
            self.values.index_copy_(2, position, v)
        else:
            self.decode(full)(self.keys, self.values, k, v, position, self.query, self.mask)
        self.n += q
        return from_torch(self.keys), from_torch(self.values)

    def reset(self):
        self.keys.zero_()
        self.values.zero_()
        self.n = 0


SCRIPT = '''"""{what}
A finding of slidefuzz, in PyTorch alone: the updates of the case, each compared with
what the window must hold then. Exits with 1 where one differs.
"""
import sys

import torch
import torch.nn.functional as F

QUERIES_PER_HEAD = {queries}
BATCH, HEADS, WINDOW, DIM, DTYPE, DEVICE = {batch}, {heads}, {window}, {dim}, torch.{dtype}, "{device}"
UPDATES = {updates}  # tokens of each update; 0 is a reset
RUNS = {runs}


{sources}

def buffer():
    x = {buffer}
    {static}
    return x


def tokens(first, n, sign):
    """[batch, heads, n, dim]: whole numbers, small enough for any type, that name the token."""
    of = BATCH * HEADS * DIM
    serial = torch.arange(first, first + n, device=DEVICE).reshape(1, 1, n, 1) * of
    place = torch.arange(of, device=DEVICE).reshape(BATCH, HEADS, 1, DIM)
    return (sign * ((serial + place) % 251 + 1)).to(DTYPE)


# Made once: a compiled decode is bound to the addresses of the buffers.
keys, values = buffer(), buffer()
decodes = {{full: {compiled} for full in (False, True)}}


def run():
    n, first, all = 0, 0, ([], [])
    keys.zero_()
    values.zero_()
    query = torch.ones((BATCH, HEADS * QUERIES_PER_HEAD, 1, DIM), dtype=DTYPE, device=DEVICE)
    mask = torch.zeros((BATCH, 1, 1, WINDOW), dtype=DTYPE, device=DEVICE)
    for i, q in enumerate(UPDATES):
        if q == 0:
            keys.zero_()
            values.zero_()
            n, all = 0, ([], [])
            continue
        k, v = tokens(first, q, 1), tokens(first, q, -1)
        first += q
        position = torch.arange(n, n + q, device=DEVICE)
        if q > WINDOW:
            keys.copy_(k[:, :, -WINDOW:])
            values.copy_(v[:, :, -WINDOW:])
        elif q > 1:
            keys.index_copy_(2, position, k)
            values.index_copy_(2, position, v)
        else:
            decodes[n >= WINDOW](keys, values, k, v, position, query, mask)
        n += q
        for name, x, new, held in (("keys", keys, k, all[0]), ("values", values, v, all[1])):
            held.append(new)
            want = torch.cat(held, 2)[:, :, -WINDOW:]
            want = torch.cat((want, torch.zeros(BATCH, HEADS, WINDOW - want.shape[2], DIM, dtype=DTYPE, device=DEVICE)), 2)
            wrong = (x != want).nonzero()
            if len(wrong):
                b, h, row, e = wrong[0].tolist()
                print(f"FAILED after update {{i + 1}} ({{q}} tokens): {{len(wrong)}} cells of {{name}} are wrong; "
                      f"entry {{b}}, head {{h}}, row {{row}} holds {{x[b, h, row].tolist()[:8]}}, expected {{want[b, h, row].tolist()[:8]}}")
                return 1
    return 0


failed = sum(run() for _ in range(RUNS))
print(f"torch {{torch.__version__}}: wrong in {{failed}} of {{RUNS}} runs")
sys.exit(1 if failed else 0)
'''
RUNS = 20  # of a script: as many as slidefuzz counts


def taken(case, window):
    """The tokens of each update of a case that the guard lets through, 0 for a reset."""
    updates, n = [], 0
    for line in case.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["reset"]:
            updates.append(0)
            n = 0
        if words[:1] != ["append"] or any(w.split("=")[0] in ("batch", "heads", "dim", "dtype") for w in words):
            continue  # what the worker cannot do, or refuses
        q = int(words[1])
        if q == 1 or q > window or q > 1 and n + q <= window:
            updates.append(q)
            n += q
    return updates


def script(o, case):
    """(file name, text): the case without slidefuzz."""
    if " fault=" in case:
        raise Refused("the script compares rows, and another fault was found")
    lines = dict(line.split(" ", 1) for line in case.splitlines() if line.startswith("shape "))
    shape = dict(f.split("=") for f in lines["shape"].split())
    size = "WINDOW, BATCH, HEADS, DIM" if o.layout == "tokens-first" else "BATCH, HEADS, WINDOW, DIM"
    compiled = "decoder(UPDATE, full, CONSUMER)"
    static = "# eager: its address may be any"
    if o.mode != "eager":
        mode = "" if o.mode == "default" else f', mode="{o.mode}"'
        compiled = f"torch.compile({compiled}, fullgraph=True, dynamic=False{mode})"
        static = "torch._dynamo.mark_static_address(x)"
    update = UPDATES[o.update]
    functions = [shift_index] + [f for f in (update,) if f is not shift_index] + [attention, decoder]
    sources = "\n\n".join(inspect.getsource(f) for f in functions) + f'\n\nUPDATE, CONSUMER = {update.__name__}, "{o.consumer}"\n'
    return "repro.py", SCRIPT.format(
        what=f"The update {o.update}, {o.mode}, followed by attention: {o.consumer}.", queries=QUERIES_PER_HEAD, device=o.device,
        dtype=str(DTYPES[shape["dtype"]]).split(".")[1], updates=taken(case, int(shape["window"])), runs=RUNS, sources=sources,
        buffer=f"torch.zeros(({size}), dtype=DTYPE, device=DEVICE)" + (".permute(1, 2, 0, 3)" if o.layout == "tokens-first" else ""),
        compiled=compiled, static=static, **{k: shape[k] for k in ("batch", "heads", "window", "dim")},
    )


# A compiled decode takes seconds to make and some memory to keep.
MAX_CACHES = 64


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--update", choices=UPDATES, default="cat")
    p.add_argument("--mode", choices=["eager", "default", "reduce-overhead"], default="eager")
    p.add_argument("--device", default="cpu")
    p.add_argument("--consumer", choices=["none", "eager", "sdpa", "flex"], default="none")
    p.add_argument("--layout", choices=["heads-first", "tokens-first"], default="heads-first")
    o = p.parse_args()
    if o.mode != "eager":
        torch._dynamo.config.recompile_limit = 4 * MAX_CACHES
        torch._dynamo.config.accumulated_recompile_limit = 1 << 20
    caches = {}

    def make(**shape):
        key = tuple(shape.values())
        if key not in caches:
            if len(caches) >= MAX_CACHES:
                caches.clear()
                if o.mode != "eager":
                    torch._dynamo.reset()
            caches[key] = Cache(o, **shape)
        caches[key].reset()
        return caches[key]

    serve(make, f"torch-{o.update}-{o.mode}" + (f"-{o.consumer}" if o.consumer != "none" else "") + ("-tokens-first" if o.layout != "heads-first" else ""),
          f"torch {torch.__version__}", "single", ["F32", "BF16", "F16"], device_name(o.device), script=lambda meta: script(o, meta["case"]))


if __name__ == "__main__":
    main()
