"""In-place programs in numba: numpy's own code, compiled, and compiled in parallel."""

import argparse
import os
import re

parser = argparse.ArgumentParser(description=__doc__)
# Compiling takes all of a hunt's time, for each element type anew, and njit alone runs the
# statements one by one. Each column is a call, in whose loops threads wait for each other.
parser.add_argument("--variants", default="parallel", help="those to run, comma-separated: parallel, njit")
args = parser.parse_args()  # --help wants nothing of what follows

# A hunt compiles, and LLVM takes most of that. A script that it prints has none of this.
os.environ.setdefault("NUMBA_OPT", "0")

import numba
import numpy as np

from slidefuzz_worker.programs import Code, Style, script_text, serve_programs

# numba runs assignments to slices of one axis in parallel, so a program is run on each
# column, the rows of one element of one lane.
# numba has np.roll along no axis, and takes an index as an array. What makes a value of its
# own is a function that is compiled once, not in each program, and not in parallel.
STYLE = Style(
    read="{x}[{rows}]",
    write="{x}[{rows}] = {v}",
    scatter="{x}[np.array({index})] = {v}",
    cat="cat(({all},))",
    gather="gather({a}, np.array({index}))",
    roll="roll({a}, {k})",
    index_copy="index_copy({a}, np.array({index}), {b})",
)
HELPERS = '''@numba.njit
def cat(parts):
    return np.concatenate(parts, 0)


@numba.njit
def gather(a, index):
    return a[index]


@numba.njit
def roll(a, k):
    out = np.empty_like(a)
    for i in range(a.shape[0]):
        out[(i + k) % a.shape[0]] = a[i]
    return out


@numba.njit
def index_copy(base, index, rows):
    out = base.copy()
    for i in range(len(index)):
        out[index[i]] = rows[i]
    return out


'''
COLUMNS = '''def columns(f, buffers):
    for lane in np.ndindex(*buffers[0].shape[:2]):
        for e in range(buffers[0].shape[3]):
            made = [np.ascontiguousarray(b[lane][:, e]) for b in buffers]
            for b, rows in zip(buffers, f(*made)):
                b[lane][:, e] = rows
    return buffers
'''
SPACE = {"numba": numba, "np": np}
exec(HELPERS + COLUMNS, SPACE)
columns = SPACE["columns"]
COMPILE = {"njit": "numba.njit(p0)", "parallel": "numba.njit(parallel=True)(p0)"}


def function(p):
    """The program as a function. Its indices are constants, for which nothing is compiled."""
    constants = []

    def named(literal):
        constants.append(np.array(eval(literal[1])))
        return f"index_{len(constants) - 1}"

    code = STYLE.views(p)
    source = re.sub(r"np\.array\((\[[^]]*\])\)", named, code.source)
    return Code(code.name, source).function({**SPACE, **{f"index_{i}": c for i, c in enumerate(constants)}})


def build(programs, variant):
    compiled = [eval(COMPILE[variant], {"numba": numba, "p0": function(p)}) for p in programs]

    def run(calls):
        for f, x in zip(compiled, calls):
            columns(f, x)

    return run


def script(p, variant):
    setup = f"run_p0 = {COMPILE[variant]}\n"
    return script_text(p, HELPERS + COLUMNS + "\n\n" + STYLE.views(p).source, "import numba", "columns(run_p0, buffers(run))", "numba.__version__", setup)


def main():
    serve_programs(build, "numba-programs", f"numba {numba.__version__}", ["F32"], "cpu", args.variants.split(","), script=script, grammar=1, dims="1", batches="1")


if __name__ == "__main__":
    main()
