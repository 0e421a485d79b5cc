"""In-place programs in CuPy, which takes the code of numpy as it is."""

import argparse

argparse.ArgumentParser(description=__doc__).parse_args()  # --help wants nothing of what follows
import cupy as cp

from slidefuzz_worker.programs import INDEX_COPY, Style, script_text, serve_programs

STYLE = Style(
    scatter="{x}[:, :, cp.array({index})] = {v}",
    mask="{x}[:, :, cp.array({mask})] = {v}",
    cat="cp.concatenate(({all},), 2)",
    roll="cp.roll({a}, {k}, 2)",
    gather="{a}[:, :, cp.array({index})]",
    index_copy="index_copy({a}, cp.array({index}), {b})",
)


def build(programs, variant):
    space = {"cp": cp}
    exec(INDEX_COPY, space)
    functions = [STYLE.views(p).function(space) for p in programs]
    return lambda calls: [[cp.asnumpy(b) for b in f(*map(cp.asarray, of))] for f, of in zip(functions, calls)]


def script(p, variant):
    return script_text(p, INDEX_COPY + "\n\n" + STYLE.views(p).source, "import cupy as cp", "[cp.asnumpy(b) for b in p0(*map(cp.asarray, buffers(run)))]", "cp.__version__")


if __name__ == "__main__":
    device = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    serve_programs(build, "cupy-programs", f"cupy {cp.__version__}", ["F32", "F16", "U8"], f"cuda ({device})", at_once=4, script=script)
