"""A worker: a window that a Triton kernel shifts, in tensors of PyTorch."""

import os
import sys

import numpy as np
import torch
import triton
import triton.language as tl
from shift_cache import MOST, ROOT, main

sys.path.insert(0, os.path.join(ROOT, "impls", "gpu", "order"))

from slidefuzz_order import sf_block, sf_done  # noqa: E402

# One row to the left: cell c of the window takes what lies a row further, and the last
# row of each lane takes the new one. A program moves `block` cells of MOST that it could.

NUMBERS = ["cells", "rows", "dim", "block"]  # compiled once, whatever they are


@triton.jit(do_not_specialize=NUMBERS)
def racing(x, last, cells, rows, dim, block, order, tickets, MOST: tl.constexpr, ORDERED: tl.constexpr):
    """In place, in one kernel: a program that runs early overwrites what another has yet
    to read, wherever a row and the one before it are not of one program."""
    number = sf_block(order, tickets, ORDERED)
    i = tl.arange(0, MOST)
    cell = number * block + i
    mine = (i < block) & (cell < cells)
    lane, at = cell // (rows * dim), cell % (rows * dim)
    moves = at < (rows - 1) * dim
    v = tl.where(moves, tl.load(x + cell + dim, mask=mine & moves, other=0), tl.load(last + lane * dim + at % dim, mask=mine & ~moves, other=0))
    tl.debug_barrier()
    tl.store(x + cell, v, mask=mine)
    sf_done(tickets, ORDERED)


@triton.jit(do_not_specialize=NUMBERS)
def gather(x, last, to, cells, rows, dim, block, order, tickets, MOST: tl.constexpr, ORDERED: tl.constexpr):
    """Mended: into a temporary, which a second kernel copies back. Between two kernels of
    one stream lies a barrier."""
    number = sf_block(order, tickets, ORDERED)
    i = tl.arange(0, MOST)
    cell = number * block + i
    mine = (i < block) & (cell < cells)
    lane, at = cell // (rows * dim), cell % (rows * dim)
    moves = at < (rows - 1) * dim
    v = tl.where(moves, tl.load(x + cell + dim, mask=mine & moves, other=0), tl.load(last + lane * dim + at % dim, mask=mine & ~moves, other=0))
    tl.store(to + cell, v, mask=mine)
    sf_done(tickets, ORDERED)


@triton.jit(do_not_specialize=["cells", "block"])
def copy(x, source, cells, block, order, tickets, MOST: tl.constexpr, ORDERED: tl.constexpr):
    number = sf_block(order, tickets, ORDERED)
    i = tl.arange(0, MOST)
    cell = number * block + i
    mine = (i < block) & (cell < cells)
    tl.store(x + cell, tl.load(source + cell, mask=mine), mask=mine)
    sf_done(tickets, ORDERED)


class Device:
    def __init__(self, variant):
        self.mended = variant == "mended"
        self.tickets = torch.zeros(2, dtype=torch.int32, device="cuda")

    def buffer(self, n):
        return torch.zeros(n, device="cuda")

    def read(self, buffer):
        return buffer.cpu().numpy()

    def write(self, buffer, array):
        buffer.copy_(torch.from_numpy(np.array(array, np.float32).reshape(-1)))

    def shift(self, buffer, new, lanes, rows, dim, block, order):
        last = torch.from_numpy(np.array(new, np.float32)).cuda()
        cells = lanes * rows * dim
        grid, ordered = (-(-cells // block),), order is not None
        how = (torch.tensor(order, dtype=torch.int32).cuda() if ordered else self.tickets, self.tickets, MOST, ordered)
        if self.mended:
            to = torch.empty_like(buffer)
            gather[grid](buffer, last, to, cells, rows, dim, block, *how)
            copy[grid](buffer, to, cells, block, *how)
        else:
            racing[grid](buffer, last, cells, rows, dim, block, *how)
        torch.cuda.synchronize()


main(__doc__, "shift-triton", lambda d: f"cuda ({torch.cuda.get_device_name()}; triton {triton.__version__})", Device)
