"""Many decode steps of the updates of pytorch#159855 at the report's size, each
step checked where it runs.

    torch_steps.py --device cuda --steps 2000

The worker protocol would carry 64 MiB a step at this size. Here the device
itself compares every cell of keys and values with what the window must hold,
after each step, and a line is printed for each configuration:

    cat default sdpa heads-first: 2000 steps, 0 wrong

It exits with 1 where a step was wrong. --consumer none is the update compiled
alone, which is no evidence for a model: the report's race needed a consumer.
"""

import argparse
import itertools
import sys
import time

import torch

from torch_cache import QUERIES_PER_HEAD, UPDATES, decoder
from torch_tensors import DTYPES


def rows(first, count, shape, device, dtype, salt):
    """Tokens first, first+1, …: small whole numbers, which every type holds, and
    which differ between neighbours in any direction."""
    b, h, _, d = shape
    p = torch.arange(first, first + count, device=device).view(1, 1, count, 1)
    lane = torch.arange(b * h, device=device).view(b, h, 1, 1)
    e = torch.arange(d, device=device).view(1, 1, 1, d)
    return ((p * 7 + lane * 31 + e * 3 + salt) % 251 + 1).to(dtype)


def run(o, name, mode, consumer, layout):
    torch._dynamo.reset()
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
    f = decoder(UPDATES[name], True, consumer)
    if mode != "eager":
        f = torch.compile(f, fullgraph=True, dynamic=False, mode=None if mode == "default" else mode)
    # A window that a longer prefill has filled.
    n = w + 716
    keys.copy_(rows(n - w, w, shape, o.device, dtype, 0))
    values.copy_(rows(n - w, w, shape, o.device, dtype, 101))
    wrong, most = 0, 0
    for _ in range(o.steps):
        position = torch.tensor([n], device=o.device)
        f(keys, values, rows(n, 1, shape, o.device, dtype, 0), rows(n, 1, shape, o.device, dtype, 101), position, query, mask)
        n += 1
        cells = sum(int((x != rows(n - w, w, shape, o.device, dtype, salt)).sum()) for x, salt in ((keys, 0), (values, 101)))
        if cells:
            wrong, most = wrong + 1, max(most, cells)
            # Steps are judged one by one: a wrong row must not count again.
            keys.copy_(rows(n - w, w, shape, o.device, dtype, 0))
            values.copy_(rows(n - w, w, shape, o.device, dtype, 101))
    return wrong, most


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
    for consumer, layout, mode, name in itertools.product(o.consumer, o.layout, o.mode, o.update):
        start = time.time()
        try:
            wrong, most = run(o, name, mode, consumer, layout)
        except Exception as e:  # told, and the others still run
            print(f"{name} {mode} {consumer} {layout}: not run: {type(e).__name__}: {str(e).strip().splitlines()[0][:200]}", flush=True)
            failed = True
            continue
        worst = f", up to {most} cells" if wrong else ""
        print(f"{name} {mode} {consumer} {layout}: {o.steps} steps, {wrong} wrong{worst} ({time.time() - start:.0f} s)", flush=True)
        failed |= wrong > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
