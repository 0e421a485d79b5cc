# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
import torch

def p0(x, y):
    y[:, :, 0:2] = y[:, :, 0:2][:, :, [1, 0]]
    x[:, :, 0:1] = torch.index_copy(torch.cat((y[:, :, 0:2], y[:, :, 0:2],), 2), 2, torch.tensor([1], device=y.device), y[:, :, 0:1])[:, :, [0]]

def buffers():
    return [(torch.arange(1 * 1 * 1 * 1, device="cpu") % 251 + 0).to(torch.float16).reshape(1, 1, 1, 1), (torch.arange(1 * 1 * 2 * 1, device="cpu") % 251 + 1).to(torch.float16).reshape(1, 1, 2, 1)]

def outcome(f):
    made = buffers()
    return made + list(f(*made) or ())  # and what it returns

want, wrong = outcome(p0), 0  # eager
compiled = torch.compile(p0, fullgraph=True)
for run in range(20):
    got = outcome(compiled)
    cells = sum(int((a != b).sum()) for a, b in zip(want, got))
    wrong += cells > 0
    print(f"run {run}: {cells} wrong cells")
print(torch.__version__, f"wrong in {wrong} of 20 runs")
