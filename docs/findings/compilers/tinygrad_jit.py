# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
import numpy as np
import tinygrad
from tinygrad import Tensor, TinyJit


# What it should do, in numpy: every right-hand side is read whole first.
def want(x):
    x[:, :, 1:6] = np.concatenate((x[:, :, 0:4], x[:, :, 0:1],), 2).copy()
    return x,


def index_copy(base, index, rows):
    order = [index.index(i) if i in index else -1 for i in range(base.shape[2])]
    return Tensor.cat(*[base[:, :, i:i+1] if at < 0 else rows[:, :, at:at+1] for i, at in enumerate(order)], dim=2)


def p0(x):
    v0 = x[:, :, 0:4]
    v1 = x[:, :, 0:1]
    v2 = Tensor.cat(v0, v1, dim=2)
    x[:, :, 1:6] = v2
    return x,


def buffers(run):
    return [((np.arange(6) + 1 + 7 * run) % 251).astype(np.uint8).reshape(1, 1, 6, 1)]


run_p0 = TinyJit(lambda *x: [y.realize() for y in p0(*x)])
wrong = 0
for run in range(20):
    got = [y.numpy() for y in run_p0(*[Tensor(b).realize() for b in buffers(run)])]
    cells = sum(int((np.asarray(g) != w).sum()) for g, w in zip(got, want(*buffers(run))))
    wrong += cells > 0
    print(f"run {run}: {cells} wrong cells")
print("tinygrad", f"wrong in {wrong} of 20 runs")
