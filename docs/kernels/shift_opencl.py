"""A worker: a window that an OpenCL kernel shifts, by pyopencl. The first device of the
first platform runs it: on a machine without a GPU PoCL (on Debian: apt-get install
python3-pyopencl pocl-opencl-icd)."""

import numpy as np
import pyopencl as cl
from shift_cache import header, kernel, main


class Device:
    def __init__(self, variant):
        self.device = cl.get_platforms()[0].get_devices()[0]
        self.context = cl.Context([self.device])
        self.queue = cl.CommandQueue(self.context)
        program = cl.Program(self.context, header("slidefuzz_order.cl") + kernel("shift.cl")).build()
        self.racing, self.gather, self.copy = (cl.Kernel(program, name) for name in ("racing", "gather", "copy"))
        self.mended = variant == "mended"
        self.tickets = self.upload(np.zeros(2, np.uint32))

    def upload(self, array):
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        return cl.Buffer(self.context, flags, hostbuf=np.ascontiguousarray(array))

    def buffer(self, n):
        return self.upload(np.zeros(n, np.float32))

    def read(self, buffer):
        array = np.empty(buffer.size // 4, np.float32)
        cl.enqueue_copy(self.queue, array, buffer)
        return array

    def write(self, buffer, array):
        cl.enqueue_copy(self.queue, buffer, np.ascontiguousarray(array))

    def shift(self, buffer, new, lanes, rows, dim, block, order):
        last = self.upload(new)
        numbers = [np.uint32(n) for n in (lanes, rows, dim, block)]
        how = (None if order is None else self.upload(np.array(order, np.uint32)), self.tickets)
        grid, local = (-(-lanes * rows * dim // block) * block,), (block,)
        if self.mended:
            to = self.buffer(lanes * rows * dim)
            self.gather(self.queue, grid, local, buffer, last, to, *numbers, *how)
            self.copy(self.queue, grid, local, buffer, to, *numbers, *how)
        else:
            self.racing(self.queue, grid, local, buffer, last, *numbers, *how)
        self.queue.finish()


main(__doc__, "shift-opencl", lambda d: f"opencl ({d.device.name})", Device)
