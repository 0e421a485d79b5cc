"""Shows that the modes of torch_programs.py are on: what Inductor's options were and
whether it saw sizes that it did not know, while it compiled a program as a hunt does, and
how often it compiled for two sizes. Exits with 1 where a mode is not what it says."""

import sys

import torch
import torch._inductor.config as config
from torch._inductor.graph import GraphLowering

from torch_programs import as_hunted


def program(x):
    x[:, :, 1:3] = x[:, :, 0:2].clone()


def compiled(mode, dynamic):
    """What was seen: of each graph whether it was tuned, whether sizes were unknown."""
    graphs, run = [], GraphLowering.run

    def watched(self, *args):
        values = [n.meta.get("val") for n in self.orig_gm.graph.find_nodes(op="placeholder")]
        sizes = [s for v in values for s in (v.shape if isinstance(v, torch.Tensor) else [v])]
        graphs.append((config.max_autotune, config.triton.cudagraphs, any(isinstance(s, torch.SymInt) for s in sizes)))
        return run(self, *args)

    torch._dynamo.reset()
    GraphLowering.run = watched
    try:
        f = as_hunted(program, mode, dynamic)
        for dim in (8, 24):
            x = torch.arange(2 * 3 * 5 * dim, dtype=torch.float32).reshape(2, 3, 5, dim)
            want = x.clone()
            program(want)
            f(x)
            assert torch.equal(x, want), (mode, dynamic, dim)
    finally:
        GraphLowering.run = run
    return graphs


def main():
    bad = False
    for mode, dynamic, tuned in [("default", False, False), ("reduce-overhead", False, False), ("max-autotune", False, True), ("default", True, False), ("max-autotune", True, True)]:
        want = [(tuned, mode != "default", dynamic)] * (1 if dynamic else 2)
        got = compiled(mode, dynamic)
        bad |= got != want
        print(f"{mode}, dynamic={dynamic}: {len(got)} graphs for two sizes;", *(f"max_autotune={a} cudagraphs={c} unknown sizes={d}" for a, c, d in got[:1]), "" if got == want else f"want {want}")
    print(torch.__version__, "WRONG" if bad else "as they should be")
    sys.exit(bad)


if __name__ == "__main__":
    main()
