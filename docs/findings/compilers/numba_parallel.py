# numba 0.68.1: an assignment between overlapping rows, in parallel, reads what it has
# written. numpy: [0 0 1 2 3 4].
import numba
import numpy as np


@numba.njit(parallel=True)
def shift(x):
    x[1:6] = x[0:5]


wrong = 0
for run in range(20):
    want = np.arange(6, dtype=np.float32) + run
    x = want.copy()
    want[1:6] = want[0:5].copy()
    shift(x)
    wrong += bool((x != want).any())
print(numba.__version__, x - run, f"wrong in {wrong} of 20 runs")
