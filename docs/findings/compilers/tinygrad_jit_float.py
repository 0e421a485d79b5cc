# tinygrad 0.14.0: of two writes into an input of a TinyJit only the first is made in the input,
# from the third call on, where its type is a float one. With integers both are.
import numpy as np
from tinygrad import Tensor, TinyJit


def swapped_into(dtype):
    @TinyJit
    def f(x, y):
        y[0:1] = x[1:2]
        y[1:2] = x[0:1]
        return y.realize()

    wrong = []
    for call in range(1, 11):
        x = Tensor(np.array([call, call + 10], dtype)).realize()
        y = Tensor(np.array([100, 200], dtype)).realize()
        f(x, y)
        if y.tolist() != [call + 10, call]:
            wrong.append((call, y.tolist()))
    return wrong


for dtype in (np.float32, np.float16, np.int32, np.uint8):
    wrong = swapped_into(dtype)
    print(dtype.__name__, f"wrong in {len(wrong)} of 10 calls", "first call %d: y is %s, want %s" % (*wrong[0], [wrong[0][0] + 10, wrong[0][0]]) if wrong else "")
