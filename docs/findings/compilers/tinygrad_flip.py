# tinygrad 0.14.0: a write through a flipped view from the tensor's own rows reads rows that it
# has written. The same rows to the right of the "=", flipped there, are right.
import numpy as np
from tinygrad import Tensor


def new():
    return Tensor(np.array([1, 2, 3], np.float32)).realize()


def reversed_slice():  # x[::-1] = x
    x = new()
    x[::-1] = x
    return x.tolist(), [3, 2, 1]


def flip_assign():  # the same by assign
    x = new()
    x.flip(0).assign(x)
    return x.tolist(), [3, 2, 1]


def flip_assign_contiguous():  # contiguous() of a buffer copies nothing
    x = new()
    x.flip(0).assign(x.contiguous())
    return x.tolist(), [3, 2, 1]


def flip_assign_sum():
    x = new()
    x.flip(0).assign(x + 1)
    return x.tolist(), [4, 3, 2]


def permute_assign():  # a transposed view
    x = Tensor(np.array([[1, 2], [3, 4]], np.float32)).realize()
    x.permute(1, 0).assign(x)
    return x.flatten().tolist(), [1, 3, 2, 4]


def assign_flip():  # the flip to the right: right
    x = new()
    x.assign(x.flip(0))
    return x.tolist(), [3, 2, 1]


def flip_assign_clone():  # from a copy: right
    x = new()
    x.flip(0).assign(x.clone())
    return x.tolist(), [3, 2, 1]


for write in (reversed_slice, flip_assign, flip_assign_contiguous, flip_assign_sum, permute_assign, assign_flip, flip_assign_clone):
    wrong = 0
    for run in range(20):
        got, want = write()
        wrong += got != want
    print(write.__name__, got, f"wrong in {wrong} of 20 runs, want", [float(w) for w in want])
