"""In-place programs in tinygrad: lazily, step by step, by assign, and under TinyJit, which
records what the second call does and replays it from the third on."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default="lazy,step,assign,jit", help="those to run, comma-separated")
args = parser.parse_args()  # --help wants nothing of what follows
import tinygrad
from tinygrad import Tensor, TinyJit, dtypes
from tinygrad.engine.jit import JitError

from slidefuzz_worker.programs import Skipped, Style, script_text, serve_programs

LAZY = Style(
    clone="{a}.clone()",
    cat="Tensor.cat({all}, dim=2)",
    roll="{a}.roll({k}, 2)",
    gather="{a}[:, :, {index}]",
    flip="{a}.flip(2)",
    mask="rows = ({v}).clone()\nfor i, row in enumerate(i for i, m in enumerate({mask}) if m): {x}[:, :, row:row+1] = rows[:, :, i:i+1]",
    addto="{x}[:, :, {rows}] = {x}[:, :, {rows}] + {v}",
    plain="{x} = ({v}).clone()",
    reshape="{x} = ({v}).clone().reshape({batch}, {heads}, -1)",
    transpose="{x} = ({v}).transpose(2, 3).clone()",
    # By rows: a copy, and each row in its place. Without the copy a row that was written could
    # be read again, as of a view in PyTorch, and the fault would be this worker's.
    index_copy="index_copy({a}, {index}, {b})",
    scatter="rows = ({v}).clone()\nfor i, row in enumerate({index}): {x}[:, :, row:row+1] = rows[:, :, i:i+1]",
)
STYLES = {
    "lazy": LAZY,
    "step": Style(**{**vars(LAZY), "write": LAZY.write + "\n{x}.realize()", "scatter": LAZY.scatter + "\n{x}.realize()"}),
    "assign": Style(**{**vars(LAZY), "write": "{x}[:, :, {rows}].assign({v})"}),
    "jit": LAZY,
}
INDEX_COPY = '''def index_copy(base, index, rows):
    order = [index.index(i) if i in index else -1 for i in range(base.shape[2])]
    return Tensor.cat(*[base[:, :, i:i+1] if at < 0 else rows[:, :, at:at+1] for i, at in enumerate(order)], dim=2)
'''
TYPES = {"float32": dtypes.float32, "float16": dtypes.float16, "uint8": dtypes.uint8, "int32": dtypes.int32}
RUN = {"jit": "TinyJit(lambda *x: [y.realize() for y in p0(*x)])", "": "lambda *x: [y.realize() for y in p0(*x)]"}
OUTCOME = '''

def outcome(x):
    more = run_p0(*x)[len(x):]
    return [y.numpy() for y in (*x, *more)]
'''


def build(programs, variant):
    runs = []
    for p in programs:
        space = {"Tensor": Tensor, "TinyJit": TinyJit}
        exec(INDEX_COPY, space)
        space["p0"] = STYLES[variant].values(p).function(space)
        runs.append(eval(RUN.get(variant, RUN[""]), space))

    def run(calls):
        made = [[Tensor(b, dtype=TYPES[b.dtype.name]).realize() for b in of] for of in calls]
        try:
            # The buffers are read from the tensors of this call: of an input that is returned,
            # TinyJit gives back that of the call which it recorded.
            returned = [f(*x)[len(x) :] for f, x in zip(runs, made)]
            return [[y.numpy() for y in (*x, *more)] for x, more in zip(made, returned)]
        except (RuntimeError, JitError) as e:
            # tinygrad's own checks, which say what it does not take.
            if "can't setitem on a tensor with other uses" in str(e) or "didn't JIT anything" in str(e):
                raise Skipped(str(e)) from e
            raise

    return run


def script(p, variant):
    code = INDEX_COPY + "\n\n" + STYLES[variant].values(p).source
    return script_text(
        p, code, "import tinygrad\nfrom tinygrad import Tensor, TinyJit",
        "outcome([Tensor(b).realize() for b in buffers(run)])",
        '"tinygrad"', f"run_p0 = {RUN.get(variant, RUN[''])}\n{OUTCOME}",
    )  # fmt: skip


def main():
    version = getattr(tinygrad, "__version__", "0.14.0")
    serve_programs(build, "tinygrad-programs", f"tinygrad {version}", ["F32", "F16", "U8", "I32"], "cpu", args.variants.split(","), runs=4, script=script)


if __name__ == "__main__":
    main()
