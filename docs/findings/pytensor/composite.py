"""PyTensor's Python linker raises OverflowError where an int32 wraps with every other linker:
a Composite, which fusion makes, is computed in Python's integers.

pip install pytensor
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile import Mode

x = pt.vector("x", dtype="int32")
modes = {
    "py, fast_run": Mode("py", "fast_run"),
    "py, fast_run without fusion": Mode("py", "fast_run").excluding("fusion"),
    "FAST_COMPILE": "FAST_COMPILE",
    "CVM": "CVM",
    "NUMBA": "NUMBA",
}
for name, mode in modes.items():
    f = pytensor.function([x], x * x + x, mode=mode)
    raised = 0
    for _ in range(20):
        try:
            got = f(np.array([2**30], "int32"))
        except OverflowError as e:
            raised, got = raised + 1, str(e).splitlines()[0]
    print(pytensor.__version__, name, f"raised in {raised} of 20 runs:", got)
