# PaddlePaddle 3.3.1 on a CPU: a write by an index or a mask from the tensor's own rows
# reads what it has written. numpy: [0 1 2 2 3 4].
import numpy as np
import paddle


def by_index(x):
    x[paddle.to_tensor([3, 4, 5])] = x[2:5]


def by_mask(x):
    x[paddle.to_tensor([False] * 3 + [True] * 3)] = x[2:5]


def by_scatter(x):
    paddle.scatter_(x, paddle.to_tensor([3, 4, 5]), x[2:5])


def by_index_put(x):
    x.index_put_((paddle.to_tensor([3, 4, 5]),), x[2:5])


def by_slice(x):
    x[3:6] = x[2:5]


for f in (by_index, by_mask, by_scatter, by_index_put, by_slice):
    wrong = 0
    for run in range(20):
        want = np.arange(6, dtype=np.float32).reshape(6, 1) + run
        x = paddle.to_tensor(want)
        want[[3, 4, 5]] = want[2:5]
        f(x)
        wrong += bool((x.numpy() != want).any())
    print(paddle.__version__, f.__name__, (x - run).numpy().ravel(), f"wrong in {wrong} of 20 runs")
