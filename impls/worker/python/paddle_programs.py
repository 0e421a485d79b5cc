"""In-place programs in PaddlePaddle, on its CPU: eager, with each of its ways to write
rows, and compiled by to_static. A buffer is [rows, what a row has in all lanes], since
scatter_ and writes by an index tensor are made in place along the first axis."""

import argparse
import warnings

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default="eager,scatter,set_value", help="those to run, comma-separated; static alone")
args = parser.parse_args()  # --help wants nothing of what follows

warnings.filterwarnings("ignore", message="No ccache")

import numpy as np
import paddle

from slidefuzz_worker.programs import Style, script_text, serve_programs

EAGER = Style(
    read="{x}[{rows}]",
    write="{x}[{rows}] = {v}",
    scatter="{x}[paddle.to_tensor({index})] = {v}",
    mask="{x}[paddle.to_tensor({mask})] = {v}",
    addto="{x}[{rows}] += {v}",
    plain="{x} = lanes({v}, {batch}, {heads})",
    reshape="{x} = lanes({v}, {batch}, {heads}).reshape([{batch}, {heads}, -1])",
    transpose="{x} = lanes({v}, {batch}, {heads}).transpose([0, 1, 3, 2])",
    clone="{a}.clone()",
    cat="paddle.concat([{all}], 0)",
    roll="paddle.roll({a}, {k}, 0)",
    gather="paddle.gather({a}, paddle.to_tensor({index}))",
    index_copy="index_copy({a}, paddle.to_tensor({index}), {b})",
    flip="paddle.flip({a}, 0)",
)
# A slice is a view in eager mode, and the code that to_static takes need not say when it is read.
VALUES = {**vars(EAGER), "read": "{x}[{rows}].clone()", "new": "{x} = {v}.clone()"}
STYLES = {
    "eager": EAGER,
    "scatter": Style(**{**vars(EAGER), "scatter": "paddle.scatter_({x}, paddle.to_tensor({index}), {v})"}),
    "set_value": Style(**{**vars(EAGER), "write": "{x}[{rows}].set_value({v})"}),
    "static": Style(**VALUES),
}
HELPERS = '''def index_copy(base, index, rows):
    base = base.clone()
    base[index] = rows
    return base


def lanes(rows, batch, heads):
    return paddle.clone(rows).reshape([rows.shape[0], batch, heads, -1]).transpose([1, 2, 0, 3])
'''
AXES = '''def rows_first(b):
    return paddle.to_tensor(np.ascontiguousarray(b.transpose(2, 0, 1, 3).reshape(b.shape[2], -1)))


def rows_back(x, b):
    return x.numpy().reshape(b.shape[2], b.shape[0], b.shape[1], -1).transpose(1, 2, 0, 3)


def call(f, of):
    got = f(*map(rows_first, of))
    return [rows_back(x, b) for x, b in zip(got, of)] + [x.numpy() for x in got[len(of):]]
'''
SPACE = {"paddle": paddle, "np": np}
exec(HELPERS + AXES, SPACE)
COMPILE = {"static": "paddle.jit.to_static(p0, full_graph=True)"}


def code(p, variant):
    style = STYLES[variant]
    return style.values(p) if variant == "static" else style.views(p)


def build(programs, variant):
    functions = []
    for p in programs:
        source = code(p, variant).source
        f = code(p, variant).function(SPACE)
        if variant == "static":
            f = static(f, source)
        functions.append(f)
    return lambda calls: [SPACE["call"](f, of) for f, of in zip(functions, calls)]


def static(f, source):
    """to_static reads the source of what it compiles from its file."""
    import linecache

    name = f"<program {hash(source)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    space = dict(SPACE)
    exec(compile(source, name, "exec"), space)
    return paddle.jit.to_static(space[f.__name__], full_graph=True)


def script(p, variant):
    text = HELPERS + "\n\n" + AXES + "\n\n" + code(p, variant).source
    return script_text(p, text, "import paddle", "call(run_p0, buffers(run))", "paddle.__version__", f"run_p0 = {COMPILE.get(variant, 'p0')}\n")


def main():
    variants = args.variants.split(",")
    # A slice with a negative step is a copy here, so the names of grammar 2 mean another thing.
    grammar = 2 if variants == ["static"] else 1
    serve_programs(build, "paddle-programs", f"paddle {paddle.__version__}", ["F32", "I32"], "cpu", variants, at_once=8, script=script, grammar=grammar)


if __name__ == "__main__":
    main()
