# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
import torch

def p0(x):
    x[:, :, [0]] = x[:, :, 0:1].clone()
    x[:, :, 0:2] = torch.roll(x[:, :, 0:2], -1, 2)

def buffers():
    return [(torch.arange(1 * 1 * 2 * 1, device="cpu") % 251 + 0).to(torch.float16).reshape(1, 1, 2, 1)]

want, wrong = buffers(), 0
p0(*want)  # eager
compiled = torch.compile(p0, fullgraph=True)
for run in range(20):
    got = buffers()
    compiled(*got)
    cells = sum(int((a != b).sum()) for a, b in zip(want, got))
    wrong += cells > 0
    print(f"run {run}: {cells} wrong cells")
print(torch.__version__, f"wrong in {wrong} of 20 runs")
