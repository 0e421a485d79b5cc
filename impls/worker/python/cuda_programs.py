"""In-place programs on numba-cuda's arrays on the device, which have slices and
assignments to them; the rest is made of these."""

import argparse

argparse.ArgumentParser(description=__doc__).parse_args()  # --help wants nothing of what follows
import numpy as np

# numba-cuda 0.30.4 calls np.row_stack when it compiles, which numpy 2.5 no longer has.
if not hasattr(np, "row_stack"):
    np.row_stack = np.vstack

import numba_cuda
from numba import cuda

from slidefuzz_worker.programs import Style, script_text, serve_programs

STYLE = Style(
    scatter="scatter({x}, {index}, {v})",
    clone="clone({a})",
    cat="cat({all})",
    roll="roll({a}, {k})",
    gather="gather({a}, {index})",
    index_copy="scatter(clone({a}), {index}, {b})",
)
# Each copies into an array of its own; only a program's own assignments are in place.
HELPERS = '''def empty(a, rows):
    return cuda.device_array(a.shape[:2] + (rows,) + a.shape[3:], a.dtype)


def clone(a):
    return cat(a)


def cat(*parts):
    out, at = empty(parts[0], sum(a.shape[2] for a in parts)), 0
    for a in parts:
        out[:, :, at:at + a.shape[2]] = a
        at += a.shape[2]
    return out


def gather(a, index):
    return cat(*[a[:, :, i:i+1] for i in index])


def roll(a, k):
    n = a.shape[2]
    return gather(a, [(i - k) % n for i in range(n)])


def scatter(x, index, rows):
    rows = clone(rows)
    for i, row in enumerate(index):
        x[:, :, row:row+1] = rows[:, :, i:i+1]
    return x
'''


PATCH = 'if not hasattr(np, "row_stack"):\n    np.row_stack = np.vstack\n'


def build(programs, variant):
    space = {"cuda": cuda}
    exec(HELPERS, space)
    functions = [STYLE.views(p).function(space) for p in programs]
    return lambda calls: [[b.copy_to_host() for b in f(*map(cuda.to_device, of))] for f, of in zip(functions, calls)]


def script(p, variant):
    code = HELPERS + "\n\n" + STYLE.views(p).source
    return script_text(p, code, PATCH + "import numba_cuda\nfrom numba import cuda", "[b.copy_to_host() for b in p0(*map(cuda.to_device, buffers(run)))]", "numba_cuda.__version__")


if __name__ == "__main__":
    name = cuda.get_current_device().name
    name = name.decode() if isinstance(name, bytes) else name
    serve_programs(build, "cuda-programs", f"numba-cuda {numba_cuda.__version__}", ["F32", "U8"], f"cuda ({name})", at_once=4, script=script, grammar=1)
