# tinygrad 0.14.0, OpenCL (DEV=CL): a kernel that does not read one of the buffers of its call
# ends with "IndexError: tuple index out of range". On the CPU (DEV=CPU) it is right.
import numpy as np
from tinygrad import Device, Tensor


def row_written_twice():
    x = Tensor(np.array([1, 2, 3], np.float32)).realize()
    y = Tensor(np.array([11, 12, 13], np.float32)).realize()
    u = y.clone()
    u[0:1] = y[1:2]
    u[0:1] = x[0:1]  # the kernel needs x and y, and not what the write before it made
    return u.tolist()


failed = 0
for run in range(20):
    try:
        got = row_written_twice()
        failed += got != [1, 12, 13]
    except IndexError as e:
        got, failed = repr(e), failed + 1
print(Device.DEFAULT, got, f"wrong in {failed} of 20 runs, want [1.0, 12.0, 13.0]")
