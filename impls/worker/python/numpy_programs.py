"""In-place programs in numpy, whose assignments read their right-hand side whole: a
control, in which a hunt must find nothing."""

import argparse

argparse.ArgumentParser(description=__doc__).parse_args()  # --help wants nothing of what follows
import numpy as np

from slidefuzz_worker.arrays import DTYPES
from slidefuzz_worker.programs import INDEX_COPY, Style, numpy_space, script_text, serve_programs

STYLE = Style()


def build(programs, variant):
    functions = [STYLE.views(p).function(numpy_space()) for p in programs]
    return lambda calls: [f(*buffers) for f, buffers in zip(functions, calls)]


def script(p, variant):
    return script_text(p, INDEX_COPY + "\n\n" + STYLE.views(p).source, "", "p0(*buffers(run))", "np.__version__")


if __name__ == "__main__":
    serve_programs(build, "numpy-programs", f"numpy {np.__version__}", [*DTYPES, "I32"], "cpu", at_once=32, script=script)
