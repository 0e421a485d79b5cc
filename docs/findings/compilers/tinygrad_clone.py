# tinygrad 0.14.0 on a CPU: a clone of a tensor's rows, made before rows of it are written,
# has in it what was written afterwards. A swap of two rows through a copy loses one of them.
import numpy as np
from tinygrad import Tensor


def swapped(realize):
    x = Tensor(np.array([1, 2], np.float32)).realize()
    rows = x.clone()
    if realize:
        rows.realize()
    x[1:2] = rows[0:1]
    x[0:1] = rows[1:2]
    return x.numpy().tolist()


wrong = 0
for run in range(20):
    got = swapped(realize=False)
    wrong += got != [2, 1]
print("the copy not realized", got, f"wrong in {wrong} of 20 runs, want [2.0, 1.0]")
print("the copy realized", swapped(realize=True))
