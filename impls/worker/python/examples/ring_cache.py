"""A ring of W rows in numpy: token n is written over token n-W, in its row."""

import numpy as np
from slidefuzz_worker import Refused, Tensor, serve
from slidefuzz_worker.arrays import DTYPES, dtype_of, from_array, to_array


class Ring:
    def __init__(self, batch: int, heads: int, window: int, dim: int, dtype: str) -> None:
        self.dtype = dtype
        self.keys, self.values = np.zeros((2, batch, heads, window, dim), dtype_of(dtype))
        self.reset()

    def reset(self) -> None:
        self.tokens = 0
        self.positions = np.full(self.keys.shape[2], -1)  # of each row; -1 is empty

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        batch, heads, window, dim = self.keys.shape
        q = keys[1][2]
        for dtype, shape, _ in (keys, values):
            if dtype != self.dtype or shape != [batch, heads, q, dim]:
                raise Refused(f"a chunk {shape} of {dtype}")
        if q > 1 and self.tokens + q > window:
            raise Refused(f"{q} tokens after {self.tokens} cross the end of the window")
        new = self.tokens + np.arange(q)
        self.keys[:, :, new % window] = to_array(keys)
        self.values[:, :, new % window] = to_array(values)
        self.positions[new % window] = new
        self.tokens += q
        return from_array(self.keys, self.dtype), from_array(self.values, self.dtype), self.positions.tolist()


if __name__ == "__main__":
    serve(Ring, "ring", "1", "chunks", DTYPES, "cpu", without=["crossing", "long"])
