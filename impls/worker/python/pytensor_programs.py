"""In-place programs in PyTensor, whose graphs are values that its rewrites make destroy their
inputs: buffers as shared variables with updates, as mutable inputs, or as inputs that are kept.

The linker py has a Composite overflow in Python, docs/findings/pytensor; unfused leaves it out."""

import argparse
import inspect

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default="c-shared,c-mutable,unfused-shared,unfused-mutable", help="a linker, c, numba, py or unfused, and shared, mutable or kept")
parser.add_argument("--static", action="store_true", help="shapes are known when compiling")
args = parser.parse_args()  # --help wants nothing of what follows
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor import In, Out
from pytensor.link.vm import VMLinker

from slidefuzz_worker.programs import Style, script_text, serve_programs

STYLE = Style(
    write="{x} = pt.set_subtensor({x}[:, :, {rows}], {v})",
    scatter="{x} = pt.set_subtensor({x}[:, :, {index}], {v})",
    mask="{x} = pt.set_subtensor({x}[:, :, np.array({mask})], {v})",
    addto="{x} = pt.inc_subtensor({x}[:, :, {rows}], {v})",
    reshape="{x} = {v}.reshape(({batch}, {heads}, -1))",
    transpose="{x} = {v}.swapaxes(2, 3)",
    plain="{x} = {v}",
    clone="{a}.copy()",
    cat="pt.concatenate([{all}], 2)",
    roll="pt.roll({a}, {k}, 2)",
    flip="{a}[:, :, ::-1]",
    index_copy="pt.set_subtensor({a}[:, :, {index}], {b})",
)
TYPES = {"F32": "float32", "F16": "float16", "I32": "int32", "U8": "uint8"}


def compiled(p, shapes, dtype, variant, static):
    linker, how = variant.split("-")
    py = pytensor.compile.Mode(VMLinker(use_cloop=False, c_thunks=False), "fast_run")
    mode = {"c": "CVM", "numba": "NUMBA", "py": py, "unfused": py.excluding("fusion")}[linker]
    known = [shape if static else (None,) * 4 for shape in shapes]
    if how == "shared":
        buffers = [pytensor.shared(np.zeros(shape, dtype), shape=k) for shape, k in zip(shapes, known)]
        outs = p(*buffers)
        n = len(buffers)
        f = pytensor.function([], [Out(x, borrow=True) for x in outs[n:]], updates=list(zip(buffers, outs)), mode=mode)

        def run(*arrays):
            for b, a in zip(buffers, arrays):
                b.set_value(a, borrow=True)
            returned = [np.array(x) for x in f()]
            return [b.get_value() for b in buffers] + returned

        return run
    mutable = how == "mutable"
    buffers = [pt.tensor(dtype=dtype, shape=k) for k in known]
    outs = [Out(x, borrow=mutable) for x in p(*buffers)]
    f = pytensor.function([In(b, mutable=mutable, borrow=mutable) for b in buffers], outs, mode=mode)
    return lambda *arrays: [np.array(x) for x in f(*arrays)]


def given(p, variant):
    return [p.shape(n) for n in p.buffers], TYPES[p.dtype], variant, args.static


def build(programs, variant):
    functions = [compiled(STYLE.values(p).function({"pt": pt, "np": np}), *given(p, variant)) for p in programs]
    return lambda calls: [f(*buffers) for f, buffers in zip(functions, calls)]


def script(p, variant):
    imports = "import pytensor\nimport pytensor.tensor as pt\nfrom pytensor import In, Out\nfrom pytensor.link.vm import VMLinker"
    shapes = ", ".join(map(repr, given(p, variant)))
    setup = inspect.getsource(compiled) + f"\n\nrun_p0 = compiled(p0, {shapes})\n"
    return script_text(p, STYLE.values(p).source, imports, "run_p0(*buffers(run))", "pytensor.__version__", setup)


serve_programs(build, "pytensor-programs", f"pytensor {pytensor.__version__}", TYPES, "cpu", args.variants.split(","), at_once=4, runs=3, script=script)
