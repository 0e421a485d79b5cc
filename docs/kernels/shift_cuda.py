"""A worker: a window that a CUDA kernel shifts, by CuPy, which compiles it with NVRTC."""

import cupy as cp
import numpy as np
from shift_cache import header, kernel, main


class Device:
    def __init__(self, variant):
        module = cp.RawModule(code=header("slidefuzz_order.cuh") + kernel("shift.cu"))
        self.racing, self.gather, self.copy = (module.get_function(name) for name in ("racing", "gather", "copy"))
        self.mended = variant == "mended"
        self.tickets = cp.zeros(2, cp.uint32)
        self.name = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()

    def buffer(self, n):
        return cp.zeros(n, cp.float32)

    def read(self, buffer):
        return cp.asnumpy(buffer)

    def write(self, buffer, array):
        buffer.set(np.ascontiguousarray(array).reshape(-1))

    def shift(self, buffer, new, lanes, rows, dim, block, order):
        last = cp.asarray(np.ascontiguousarray(new))
        numbers = tuple(np.uint32(n) for n in (lanes, rows, dim, block))
        # A null pointer leaves the order to the device.
        how = (np.uintp(0) if order is None else cp.asarray(np.array(order, np.uint32)), self.tickets)
        grid, local = (-(-lanes * rows * dim // block),), (block,)
        if self.mended:
            to = cp.empty_like(buffer)
            self.gather(grid, local, (buffer, last, to, *numbers, *how))
            self.copy(grid, local, (buffer, to, *numbers, *how))
        else:
            self.racing(grid, local, (buffer, last, *numbers, *how))
        cp.cuda.runtime.deviceSynchronize()


main(__doc__, "shift-cuda", lambda d: f"cuda ({d.name})", Device)
