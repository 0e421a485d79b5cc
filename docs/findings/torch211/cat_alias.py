"""Is it the aliasing of a cat (pytorch#177821)? Each program compiled as it is, and with the
parts of a cat copied instead of made views of it. The programs are those of the hunts of
PyTorch 2.11 in docs/findings.md, by seed and number. Written for torch 2.11."""

import torch
from torch._inductor import ir

PROGRAMS = {
    "1-201": ([4, 2], (1, 1, 1), """
def p0(x, y):
    x[:, :, 0:1] = x[:, :, 0:1].clone()
    t = torch.index_copy(torch.cat((x[:, :, 0:4], y[:, :, 0:2],), 2), 2, torch.tensor([2], device=x.device), y[:, :, 0:1])
    x[:, :, [0]] = t[:, :, 0:1].clone()
"""),
    "1-217": ([3], (1, 1, 64), """
def p0(x):
    x[:, :, 0:1] = x[:, :, 0:1].clone()
    u = torch.index_copy(torch.cat((x[:, :, 0:3], x[:, :, 0:3],), 2), 2, torch.tensor([3, 0, 1], device=x.device), x[:, :, 0:3])
    x[:, :, 0:3] = torch.index_copy(torch.roll(u[:, :, 0:3], -2, 2), 2, torch.tensor([0, 1, 2], device=u.device), torch.roll(x[:, :, 0:3], 0, 2))
"""),
    "2-191": ([4, 3], (2, 1, 64), """
def p0(x, y):
    u = torch.cat((y[:, :, 0:2], torch.cat((y[:, :, 0:3], x[:, :, 0:4],), 2)[:, :, [2, 5]],), 2)
    y[:, :, 1:3] = torch.cat((u[:, :, 2:3], x[:, :, 0:1],), 2)
    u = torch.index_copy(torch.index_copy(torch.cat((y[:, :, 0:3], y[:, :, 0:1],), 2), 2, torch.tensor([2], device=y.device), x[:, :, 2:3]), 2, torch.tensor([1, 3, 2], device=y.device), torch.cat((u[:, :, 0:4], u[:, :, 1:4],), 2)[:, :, [4, 3, 6]])
    y[:, :, 0:2] = torch.index_copy(torch.cat((y[:, :, 0:3], u[:, :, 1:2],), 2), 2, torch.tensor([0, 3, 1, 2], device=y.device), x[:, :, 0:4])[:, :, [2, 0]]
"""),
    "2-409": ([4], (1, 1, 2), """
def p0(x):
    x[:, :, 0:1] = x[:, :, 0:1].clone()
    t = torch.index_copy(torch.cat((x[:, :, 0:4], x[:, :, 0:4],), 2), 2, torch.tensor([6, 0], device=x.device), x[:, :, 0:2])
    x[:, :, 1:3] = t[:, :, 3:5].clone()
"""),
    "3-146": ([3, 3], (2, 3, 16), """
def p0(x, y):
    y[:, :, 0:2] = torch.roll(y[:, :, 0:2], -1, 2)
    u = torch.index_copy(y[:, :, 0:1], 2, torch.tensor([0], device=y.device), y[:, :, 0:1])
    x[:, :, 0:3] = torch.index_copy(x[:, :, 0:3], 2, torch.tensor([1, 2], device=x.device), torch.index_copy(torch.index_copy(torch.cat((u[:, :, 0:1], u[:, :, 0:1],), 2), 2, torch.tensor([1, 0], device=u.device), x[:, :, 0:2]), 2, torch.tensor([0], device=u.device), torch.index_copy(u[:, :, 0:1], 2, torch.tensor([0], device=u.device), u[:, :, 0:1])))
"""),
    "3-149": ([2], (2, 2, 48), """
def p0(x):
    t = torch.cat((x[:, :, 0:2], x[:, :, 0:2],), 2)
    u = t[:, :, 0:2]
    t[:, :, 0:4] = torch.roll(t[:, :, 0:4][:, :, [0, 2, 3, 3]], -1, 2)
    u = torch.index_copy(torch.index_copy(torch.cat((t[:, :, 0:4], u[:, :, 0:2],), 2), 2, torch.tensor([4, 3], device=t.device), u[:, :, 0:2]), 2, torch.tensor([1, 5, 0], device=t.device), torch.index_copy(torch.cat((x[:, :, 0:2], t[:, :, 1:2],), 2), 2, torch.tensor([1, 2, 0], device=x.device), t[:, :, 0:3]))
    u[:, :, 0:6] = torch.index_copy(torch.roll(u[:, :, 0:6], -2, 2), 2, torch.tensor([3, 1, 0, 5], device=u.device), t[:, :, 0:4])
    x[:, :, 0:2] = torch.roll(torch.roll(u[:, :, 2:4], -1, 2), 0, 2)
"""),
    "3-669": ([2], (1, 1, 1), """
def p0(y):
    y[:, :, [0]] = y[:, :, 0:1].clone()
    y[:, :, 0:2] = y[:, :, 0:2][:, :, [1, 0]]
"""),
}

may_alias = True
inside = False  # a cat
create, realize_into = ir.ConcatKernel.create.__func__, ir.ConcatKernel.realize_into.__func__


def create_cat(cls, inputs, dim):
    global inside
    before, inside = inside, True
    try:
        return create(cls, inputs, dim)
    finally:
        inside = before


def into_cat(cls, src, dst, *more):
    global inside
    while isinstance(src, ir.TensorBox):
        src = src.data
    if may_alias or not inside or not isinstance(src, ir.StorageBox):
        return realize_into(cls, src, dst, *more)
    src.realize()
    copy = ir.Pointwise.create(device=src.get_device(), dtype=src.get_dtype(), inner_fn=src.make_loader(), ranges=list(src.get_size()))
    inside = False
    try:
        return realize_into(cls, copy, dst, *more)
    finally:
        inside = True


ir.ConcatKernel.create, ir.ConcatKernel.realize_into = classmethod(create_cat), classmethod(into_cat)
torch._inductor.config.fx_graph_cache = False

for name, (rows, (batch, heads, dim), source) in PROGRAMS.items():
    space = {"torch": torch}
    exec(source, space)

    def made():
        return [(torch.arange(batch * heads * n * dim) % 251 + 37 * i).half().reshape(batch, heads, n, dim) for i, n in enumerate(rows)]

    said = []
    for may_alias in (True, False):
        torch._dynamo.reset()
        want, got = made(), made()
        space["p0"](*want)
        torch.compile(space["p0"], fullgraph=True)(*got)
        said.append("right" if all(map(torch.equal, want, got)) else "wrong")
    print(f"seed-number {name}: {said[0]}, without aliasing {said[1]}", flush=True)
print(torch.__version__)
