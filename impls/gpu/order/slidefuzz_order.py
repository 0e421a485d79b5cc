"""Runs the programs of a Triton kernel one after another, in an order that the host
gives.

    @triton.jit
    def shift(x, ..., order, tickets, ORDERED: tl.constexpr):
        block = sf_block(order, tickets, ORDERED)  # instead of tl.program_id(0)
        ... loads; tl.debug_barrier(); stores ...
        sf_done(tickets, ORDERED)                  # at the end

order is an int32 tensor with the number of each program of the one-dimensional grid
once. tickets is two int32, zeros before the first launch, and zeros again after each:
one pair for each launch that may run at the same time as another. ORDERED=False leaves
the order to the device; then neither is read.

A program takes a ticket when it starts, so the lowest open ticket always belongs to a
program that runs, and none waits for one that cannot start. Every program must come to
both calls, once. The atomics are acquire and release at the scope of the device, and
the barriers make them those of all threads of a program. Cost: the programs run one at
a time. For tests alone.
"""

import triton
import triton.language as tl


@triton.jit
def sf_block(order, tickets, ORDERED: tl.constexpr):
    """The number of the program to be."""
    block = tl.program_id(0)
    if ORDERED:
        turn = tl.atomic_add(tickets, 1)
        while tl.atomic_add(tickets + 1, 0) != turn:
            pass
        tl.debug_barrier()
        block = tl.load(order + turn)
    return block


@triton.jit
def sf_done(tickets, ORDERED: tl.constexpr):
    """Lets the next program run."""
    if ORDERED:
        tl.debug_barrier()
        done = tl.atomic_add(tickets + 1, 1) + 1
        if done == tl.num_programs(0):  # the last program; all tickets are taken
            tl.atomic_xchg(tickets, 0)
            tl.atomic_xchg(tickets + 1, 0)
