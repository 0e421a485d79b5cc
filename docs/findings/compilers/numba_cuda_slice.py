# numba-cuda 0.30.4 on an H200: an assignment between overlapping rows of one device array
# reads, in some runs, what it has written. The hunt's case, 3 rows of 1,488 bytes, was wrong
# in 15 of its 20 runs, and so was this script in 15 of 20.
import numpy as np

# numba-cuda 0.30.4 calls np.row_stack when it compiles, which numpy 2.5 no longer has.
if not hasattr(np, "row_stack"):
    np.row_stack = np.vstack

import numba_cuda
from numba import cuda

wrong = 0
for run in range(20):
    want = ((np.arange(3 * 1488) + run) % 251).astype(np.uint8).reshape(1, 1, 3, 1488)
    y = cuda.to_device(want)
    want[:, :, 1:3] = want[:, :, 0:2].copy()
    y[:, :, 1:3] = y[:, :, 0:2]
    cells = int((y.copy_to_host() != want).sum())
    wrong += cells > 0
    print(f"run {run}: {cells} wrong cells")
print(numba_cuda.__version__, f"wrong in {wrong} of 20 runs")
