"""The cache around the kernels of this folder: W rows in a buffer on a device, filled
by copies, and shifted by a kernel once it is full. Needs numpy.

A worker gives it two functions: one that makes a buffer of so many float32 on the
device, one that shifts a buffer (see Buffer and Cache).
"""

import argparse
import os
import sys

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "impls", "worker", "python"))

from slidefuzz_worker import Refused, blocks, serve  # noqa: E402

MOST = 256
"""The most cells that one block of a kernel here moves: a thread has one."""


def header(name):
    """The text of a header for kernels."""
    with open(os.path.join(ROOT, "impls", "gpu", "order", name)) as f:
        return f.read()


def kernel(name):
    """The text of a kernel of this folder."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)) as f:
        return f.read()


class Cache:
    """device has
    buffer(n): n float32, zeros; read(b) and write(b, array): all of a buffer;
    shift(b, new, lanes, rows, dim, block, order): each lane of b, rows × dim cells,
      moves one row up, and its row of new comes last. The kernel has a grid of
      ceil(lanes × rows × dim / block) blocks, which run in the order of that list, or
      as the device likes where it is None.
    """

    order = None  # of the update under way, set by serve()

    def __init__(self, device, batch, heads, window, dim, dtype):
        self.device, self.shape = device, (batch, heads, window, dim)
        self.buffers = [device.buffer(batch * heads * window * dim) for _ in range(2)]
        self.reset()

    def reset(self):
        self.tokens = 0
        for b in self.buffers:
            self.device.write(b, np.zeros(self.shape, np.float32))

    def update(self, keys, values):
        batch, heads, window, dim = self.shape
        q = keys[1][2]
        for dtype, shape, _ in (keys, values):
            if dtype != "F32" or shape != [batch, heads, q, dim]:
                raise Refused(f"a chunk {shape} of {dtype}; want {[batch, heads, q, dim]} of F32")
        if q == 0 or q <= window < self.tokens + q and (q > 1 or self.tokens < window):
            raise Refused(f"{q} tokens after {self.tokens}, in a window of {window}")
        got = [self.append(b, np.frombuffer(x[2], np.float32).reshape(x[1])) for b, x in zip(self.buffers, (keys, values))]
        self.tokens = min(window, self.tokens + q)  # more are not told apart
        return [("F32", list(x.shape), x.tobytes()) for x in got]

    def append(self, buffer, chunk):
        batch, heads, window, dim = self.shape
        q, device = chunk.shape[2], self.device
        if q > window:
            device.write(buffer, chunk[:, :, q - window :])
            return chunk
        if self.tokens < window:
            rows = device.read(buffer).reshape(self.shape).copy()
            rows[:, :, self.tokens : self.tokens + q] = chunk
            device.write(buffer, rows)
            return rows
        cells = batch * heads * window * dim
        # An order has as many blocks as the case: that is how large they are.
        block = min(MOST, -(-cells // len(self.order))) if self.order else MOST
        order = blocks(self.order, -(-cells // block)) if self.order else None
        device.shift(buffer, chunk, batch * heads, window, dim, block, order)
        return device.read(buffer).reshape(self.shape).copy()


def main(doc, name, about, devices):
    """Serves the cache of a device, which devices(variant) makes. The variants are
    racing, as a compiler fuses the update that lost its check, and mended."""
    p = argparse.ArgumentParser(description=doc)
    p.add_argument("variant", choices=["racing", "mended"])
    variant = p.parse_args().variant
    device = devices(variant)
    serve(
        lambda **shape: Cache(device, **shape),
        f"{name}-{variant}",
        "1",
        "single",
        ["F32"],
        about(device),
        capabilities=["order"],
    )
