"""In-place programs in JAX, compiled: buffers are values, and an update makes a new
one, which the compiler puts where the old one was if it can."""

import argparse
import os

# How the program, a function f of buffers, is compiled.
WRAP = {
    # A result with one axis more: a reshape after the last write.
    "lifted": "jax.jit(lambda *x: tuple(y[None] for y in f(*x)))",
    "jit": "jax.jit(f)",
    "donated": "jax.jit(f, donate_argnums=tuple(range({n})))",
    "slice": "jax.jit(f)",
    # The number of rounds is an argument, so that the loop stays one.
    # What a program returns goes through the loop as zeros that each round replaces.
    "while": "jax.jit(lambda *x: lax.fori_loop(0, x[-1], lambda _, y: f(*y[:{n}]), start(f, x[:-1])))",
    "scan": "jax.jit(lambda *x: lax.scan(lambda y, go: (lax.cond(go, lambda: f(*y[:{n}]), lambda: y), None), start(f, x[:-1]), jnp.arange(2) < x[-1])[0])",
    "cond": "jax.jit(lambda *x: lax.cond(x[-1] > 0, lambda: f(*x[:-1]), lambda: start(f, x[:-1])))",
}
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default=",".join(WRAP), help="those to run, comma-separated")
args = parser.parse_args()  # --help wants nothing of what follows

# A hunt compiles; LLVM takes most of that, and what is looked for is decided before it.
# A script that a hunt prints has none of this.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import jax.numpy as jnp
from jax import lax

from slidefuzz_worker.programs import Style, script_text, serve_programs

AT = Style(
    write="{x} = {x}.at[:, :, {rows}].set({v})",
    scatter="{x} = {x}.at[:, :, jnp.array({index})].set({v})",
    clone="jnp.copy({a})",
    cat="jnp.concatenate([{all}], 2)",
    roll="jnp.roll({a}, {k}, 2)",
    gather="{a}[:, :, jnp.array({index})]",
    mask="{x} = {x}.at[:, :, jnp.array([i for i, m in enumerate({mask}) if m])].set({v})",
    addto="{x} = {x}.at[:, :, {rows}].add({v})",
    plain="{x} = jnp.copy({v})",
    reshape="{x} = jnp.reshape({v}, ({batch}, {heads}, -1))",
    transpose="{x} = jnp.swapaxes({v}, 2, 3)",
    flip="jnp.flip({a}, 2)",
    index_copy="{a}.at[:, :, jnp.array({index})].set({b})",
)
SLICE = Style(**{**vars(AT), "write": "{x} = lax.dynamic_update_slice_in_dim({x}, {v}, {first}, 2) if {step} == 1 else {x}.at[:, :, {rows}].set({v})"})

START = '''def start(f, x):
    return tuple(x) + tuple(jnp.zeros(o.shape, o.dtype) for o in jax.eval_shape(f, *x)[len(x):])
'''
SPACE = {"jax": jax, "jnp": jnp, "lax": lax}
exec(START, SPACE)
ROUNDS = ("while", "scan", "cond")  # take the number of rounds, 1, as their last argument


AT_ONCE = 8  # XLA takes as long for each program of a graph as for one alone


def source(p, variant):
    return (SLICE if variant == "slice" else AT).values(p)


def build(programs, variant):
    functions = [source(p, variant).function(SPACE) for p in programs]
    wrapped = [eval(WRAP[variant].format(n=len(p.buffers)), {**SPACE, "f": f}) for f, p in zip(functions, programs)]
    more = [1] if variant in ROUNDS else []
    # One graph of all: what is donated is donated from outside.
    together = jax.jit(lambda calls, more: [f(*x, *more) for f, x in zip(wrapped, calls)], donate_argnums=0 if variant == "donated" else ())

    def run(calls):
        got = jax.device_get(together([[jnp.array(b) for b in x] for x in calls], more))
        return [[g[0] for g in of] for of in got] if variant == "lifted" else got

    return run


def script(p, variant):
    call = "run_p0(*map(jnp.array, buffers(run)){})".format(", 1" if variant in ROUNDS else "")
    if variant == "lifted":
        call = f"[g[0] for g in {call}]"
    setup = f"f = p0\nrun_p0 = {WRAP[variant].format(n=len(p.buffers))}\n"
    return script_text(p, (START + "\n\n" if variant in ROUNDS else "") + source(p, variant).source, "import jax\nimport jax.numpy as jnp\nfrom jax import lax", call, "jax.__version__", setup)


def main():
    device = jax.devices()[0]
    name = "cpu" if device.platform == "cpu" else f"gpu ({device.device_kind})"
    serve_programs(build, "jax-programs", f"jax {jax.__version__}", ["F32", "F16", "U8", "I32"], name, args.variants.split(","), at_once=AT_ONCE, script=script)


if __name__ == "__main__":
    main()
