"""Many decode steps of the updates of pytorch#159855 at the report's size, each
step checked where it runs.

    torch_steps.py --device cuda --steps 2000

The worker protocol would carry 64 MiB a step at this size. Here the device
itself compares every cell of keys and values with what the window must hold,
after each step, and a line is printed for each configuration:

    cat default sdpa heads-first: 2000 steps, 0 wrong

The first line is a canary: a shift of as many rows in one lane, which torch 2.11
compiles wrongly (pytorch#197829). It exits with 1 where an update was wrong in a
step, or where the canary was right in all, since then a race would not have
shown. --consumer none is the update compiled alone, which is no evidence for a
model: the report's race needed a consumer.
"""

import argparse
import itertools
import sys
import time

import torch
from torch._dynamo.utils import counters

from torch_cache import QUERIES_PER_HEAD, UPDATES, decoder
from torch_tensors import DTYPES

PAST = 716  # tokens that a longer prefill has pushed out of the window


def tokens(count, o, dtype, salt):
    """The first tokens of a history, [batch, heads, count, dim]: small whole
    numbers, which every type holds, and which differ between neighbours in any
    direction."""
    p = torch.arange(count, device=o.device).view(1, 1, count, 1)
    lane = torch.arange(o.batch * o.heads, device=o.device).view(o.batch, o.heads, 1, 1)
    e = torch.arange(o.dim, device=o.device).view(1, 1, 1, o.dim)
    return ((p * 7 + lane * 31 + e * 3 + salt) % 251 + 1).to(dtype)


def run(o, update, mode, consumer, layout):
    """(wrong steps, most wrong cells of one, how often CUDA graphs were given up)"""
    torch._dynamo.reset()
    counters.clear()
    shape = b, h, w, d = o.batch, o.heads, o.window, o.dim
    dtype = DTYPES[o.dtype]

    def buffer():
        x = torch.zeros(shape, dtype=dtype, device=o.device)
        if layout == "tokens-first":
            x = torch.zeros((w, b, h, d), dtype=dtype, device=o.device).permute(1, 2, 0, 3)
        torch._dynamo.mark_static_address(x)
        return x

    keys, values = buffer(), buffer()
    query = torch.ones((b, h * QUERIES_PER_HEAD, 1, d), dtype=dtype, device=o.device)
    mask = torch.zeros((b, 1, 1, w), dtype=dtype, device=o.device)
    f = decoder(update, True, consumer)
    if mode != "eager":
        f = torch.compile(f, fullgraph=True, dynamic=False, mode=None if mode == "default" else mode)
    n = w + PAST
    history = [tokens(n + o.steps, o, dtype, salt) for salt in (0, 101)]
    window = lambda n: [x[:, :, n - w : n] for x in history]
    for x, want in zip((keys, values), window(n)):
        x.copy_(want)
    wrong, most = 0, 0
    for _ in range(o.steps):
        k, v = (x[:, :, n : n + 1].contiguous() for x in history)
        f(keys, values, k, v, torch.tensor([n], device=o.device), query, mask)
        n += 1
        cells = int(sum((x != want).sum() for x, want in zip((keys, values), window(n))))
        if cells:
            wrong, most = wrong + 1, max(most, cells)
            # Steps are judged one by one: a wrong row must not count again.
            for x, want in zip((keys, values), window(n)):
                x.copy_(want)
    return wrong, most, counters["inductor"]["cudagraph_skips"]


def canary(o):
    torch._dynamo.reset()

    def shift(x):
        x[:-1] = x[1:].clone()

    f = torch.compile(shift, fullgraph=True, dynamic=False)
    x = tokens(o.window, o, DTYPES[o.dtype], 0).reshape(-1, o.dim)
    wrong, most = 0, 0
    for _ in range(o.steps):
        got, want = x.clone(), torch.cat((x[1:], x[-1:]))
        f(got)
        cells = int((got != want).sum())
        wrong, most = wrong + (cells > 0), max(most, cells)
    return wrong, most, 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in (("batch", 2), ("heads", 4), ("window", 4096), ("dim", 256), ("steps", 2000)):
        p.add_argument("--" + name, type=int, default=size)
    p.add_argument("--dtype", choices=DTYPES, default="BF16")
    p.add_argument("--device", default="cpu")
    p.add_argument("--update", nargs="+", choices=UPDATES, default=list(UPDATES))
    p.add_argument("--mode", nargs="+", choices=["eager", "default", "reduce-overhead"], default=["default", "reduce-overhead"])
    p.add_argument("--consumer", nargs="+", choices=["none", "eager", "sdpa", "flex"], default=["eager", "sdpa", "flex", "none"])
    p.add_argument("--layout", nargs="+", choices=["heads-first", "tokens-first"], default=["heads-first"])
    o = p.parse_args()
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name() if o.device.startswith('cuda') else 'cpu'}, "
          f"batch {o.batch}, {o.heads} heads, window {o.window}, dim {o.dim}, {o.dtype}", flush=True)
    failed = False

    def line(what, measure, *arguments):
        start = time.time()
        try:
            wrong, most, skipped = measure(o, *arguments)
        except Exception as e:  # told, and the others still run
            print(f"{what}: not run: {type(e).__name__}: {str(e).strip().splitlines()[0][:200]}", flush=True)
            return None
        worst = f", up to {most} cells" if wrong else ""
        graphs = ", CUDA graphs given up" if skipped else ""
        print(f"{what}: {o.steps} steps, {wrong} wrong{worst}{graphs} ({time.time() - start:.0f} s)", flush=True)
        return wrong

    failed |= not line("canary", canary)
    for consumer, layout, mode, name in itertools.product(o.consumer, o.layout, o.mode, o.update):
        failed |= line(f"{name} {mode} {consumer} {layout}", run, UPDATES[name], mode, consumer, layout) != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
