"""In-place programs in MLX, whose arrays are values: a control."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default="lazy,compile", help="those to run, comma-separated")
args = parser.parse_args()  # --help wants nothing of what follows
import mlx.core as mx
import numpy as np

from slidefuzz_worker.programs import Style, script_text, serve_programs

STYLE = Style(
    scatter="{x}[:, :, mx.array({index})] = {v}",
    clone="mx.array({a})",
    cat="mx.concatenate([{all}], 2)",
    roll="mx.roll({a}, {k}, 2)",
    gather="{a}[:, :, mx.array({index})]",
    mask="{x}[:, :, mx.array([i for i, m in enumerate({mask}) if m])] = {v}",
    addto="{x}[:, :, {rows}] = {x}[:, :, {rows}] + {v}",
    plain="{x} = mx.array({v})",
    reshape="{x} = mx.array({v}).reshape({batch}, {heads}, -1)",
    transpose="{x} = mx.array({v}).swapaxes(2, 3)",
    flip="mx.array({a}[:, :, ::-1])",
    index_copy="index_copy({a}, {index}, {b})",
)
INDEX_COPY = '''def index_copy(base, index, rows):
    base = mx.array(base)
    base[:, :, mx.array(index)] = rows
    return base
'''
SPACE = {"mx": mx}
exec(INDEX_COPY, SPACE)


def build(programs, variant):
    functions = [STYLE.values(p).function(SPACE) for p in programs]
    if variant == "compile":
        functions = [mx.compile(f) for f in functions]
    return lambda calls: [[np.array(b) for b in f(*map(mx.array, x))] for f, x in zip(functions, calls)]


def script(p, variant):
    run = "run_p0 = mx.compile(p0)\n" if variant == "compile" else "run_p0 = p0\n"
    call = "[np.array(b) for b in run_p0(*map(mx.array, buffers(run)))]"
    return script_text(p, INDEX_COPY + "\n\n" + STYLE.values(p).source, "import mlx.core as mx", call, "mx.__version__", run)


if __name__ == "__main__":
    serve_programs(build, "mlx-programs", f"mlx {mx.__version__}", ["F32", "F16", "U8"], "cpu", args.variants.split(","), at_once=8, script=script)
