"""A write by an index is made in the memory of an input that a later write overwrites: its result is read after that."""
import torch

def wrote(x, y):
    x[:, :, [0]] = x[:, :, 0:1].clone()
    y[:, :, 0:3] = x[:, :, 0:3].clone()
    x[:, :, [1]] = x[:, :, 0:1].clone()  # y has this too

def copied(x, y):
    t = torch.index_copy(x[:, :, 0:3], 2, torch.tensor([0]), y[:, :, 0:1])
    x[:, :, 0:3] = y[:, :, 0:3].clone()
    y[:, :, 0:3] = t[:, :, 0:3].clone()  # t is x, as it is by now

for f in wrote, copied:
    made = lambda: [(10 * k + torch.arange(3.0)).reshape(1, 1, 3, 1) for k in (0, 1)]
    want, got = made(), made()
    f(*want)
    torch.compile(f, fullgraph=True)(*got)
    print(torch.__version__, f.__name__, "y is", got[1].flatten().tolist(), "and should be", want[1].flatten().tolist())
