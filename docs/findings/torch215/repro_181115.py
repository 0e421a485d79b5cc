"""Two shifts of rows do not compile, of one size and without dynamic shapes."""
import torch

def f(x):
    x[1:3] = torch.roll(x[0:2], -1, 0)
    x[1:4] = torch.roll(x[0:3], 0, 0)

try:
    torch.compile(f, fullgraph=True)(torch.arange(4.0))
    print(torch.__version__, "compiles")
except Exception as e:
    print(torch.__version__, str(e).splitlines()[0])
