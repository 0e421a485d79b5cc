"""In-place programs, printed as PyTorch code by slidefuzz, run eager or compiled.

Many independent programs are compiled as one graph, so that a hunt does not
spend its time compiling.
"""

import argparse
import os

# Inductor compiles in as many processes as the machine has cores: no more than this one has
# threads, of which OpenMP takes a list too, for each level of nesting.
threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
if threads:
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", threads)

from slidefuzz_worker import serve

SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
import torch

{source}

def buffers():
    return [{buffers}]

def outcome(f):
    made = buffers()
    return made + list(f(*made) or ())  # and what it returns

want, wrong = outcome(p0), 0  # eager
compiled = torch.compile(p0, fullgraph=True{options})
for run in range({runs}):
    got = outcome(compiled)
    cells = sum(int((a != b).sum()) for a, b in zip(want, got))
    wrong += cells > 0
    print(f"run {{run}}: {{cells}} wrong cell{{'s' * (cells != 1)}}")
print(torch.__version__, f"wrong in {{wrong}} of {runs} runs")
raise SystemExit(wrong > 0)
'''

RUNS = 20  # of a script: as many as slidefuzz counts
# Programs of one graph. A C++ compiler takes seconds for the first loop of a file, Triton
# for each kernel; what fails is looked for in a few that are run alone.
AT_ONCE = {"cpu": 16, "cuda": 8}


def as_hunted(f, mode, dynamic):
    """f compiled as a hunt does; torch_modes.py shows what mode and dynamic change."""
    import torch

    return torch.compile(f, fullgraph=True, dynamic=dynamic, mode=None if mode == "default" else mode)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--mode", choices=["eager", "default", "reduce-overhead", "max-autotune"], default="default")
    p.add_argument("--dynamic", action="store_true", help="compile for sizes that are known at run time alone: torch.compile's dynamic=True")
    p.add_argument("--device", default="cpu")
    p.add_argument("--at-once", type=int, help="programs of one graph")
    p.add_argument("--grammar", type=int, choices=[1, 2], default=2, help="1 leaves out flips, steps, masks, sums and returned values")
    o = p.parse_args()
    if o.dynamic and o.mode == "eager":
        p.error("--dynamic is for what is compiled, not for --mode eager")
    import torch  # --help wants nothing of it

    from torch_tensors import device_name, from_torch, to_torch

    options = "" if o.mode in ("eager", "default") else f', mode="{o.mode}"'
    options += ", dynamic=True" if o.dynamic else ""
    compiled = {}  # by source and shapes: a finding is run again and again

    def functions(source):
        space = {"torch": torch}
        exec(compile(source, "<programs>", "exec"), space)
        return space

    def compile_together(fs):
        def together(*arguments):
            return [f(*a) for f, a in zip(fs, arguments)]

        return together if o.mode == "eager" else as_hunted(together, o.mode, o.dynamic)

    def run(meta, tensors):
        source, count = meta["source"], int(meta["count"])
        buffers = {name: to_torch(t, o.device) for name, t in tensors.items()}
        key = source, tuple((n, tuple(t[1]), t[0]) for n, t in sorted(tensors.items()))
        if key not in compiled:
            if len(compiled) >= 64:
                compiled.clear()
            torch._dynamo.reset()
            space = functions(source)
            fs = [space[f"p{i}"] for i in range(count)]
            names = [[f"{i}.{a}" for a in f.__code__.co_varnames[: f.__code__.co_argcount]] for i, f in enumerate(fs)]
            compiled[key] = compile_together(fs), names
        f, names = compiled[key]
        returned = f(*[[buffers[n] for n in of] for of in names])
        for i, values in enumerate(returned):
            buffers |= {f"{i}.return{k}": x for k, x in enumerate(values or (), 1)}
        return {}, {name: from_torch(x) for name, x in buffers.items()}

    def script(meta):
        case = dict(line.split(" ", 1) for line in meta["case"].splitlines() if line.startswith(("shape ",)))
        shape = dict(f.split("=") for f in case["shape"].split())
        dtype = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "I32": "int32"}[shape["dtype"]]
        made = []
        for line in meta["case"].splitlines():
            if line.startswith("buffer "):
                rows = line.split()[2]
                # The numbers of the cells, small enough for any type; of I32 all of the range, as in a hunt.
                cells = f"* 1640531527 + {len(made)}" if shape["dtype"] == "I32" else f"% 251 + {len(made)}"
                made.append(
                    f'(torch.arange({shape["batch"]} * {shape["heads"]} * {rows} * {shape["dim"]}, device="{o.device}") {cells})'
                    f'.to(torch.{dtype}).reshape({shape["batch"]}, {shape["heads"]}, {rows}, {shape["dim"]})'
                )
        return "repro.py", SCRIPT.format(source=meta["source"].rstrip(), buffers=", ".join(made), options=options, runs=RUNS)

    if o.mode != "eager":  # what the first one takes is part of the start, and no program's
        as_hunted(lambda x: x + 1, o.mode, o.dynamic)(torch.zeros(1, device=o.device))

    def no_cache(**shape):
        raise NotImplementedError("this worker runs programs, not a cache")

    dtypes = ["F32", "BF16", "F16"] + (["I32"] if o.grammar > 1 else [])  # I32 for sums
    serve(
        no_cache, f"torch-programs-{o.mode}{'-dynamic' if o.dynamic else ''}", f"torch {torch.__version__}", "single", dtypes, device_name(o.device),
        script=script, programs=run, programs_at_once=o.at_once or AT_ONCE.get(o.device, 8), grammar=o.grammar if o.grammar > 1 else None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
