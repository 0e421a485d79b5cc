"""Tensors of the protocol to PyTorch's and back."""

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "U8": torch.uint8, "I32": torch.int32}
NAMES = {d: n for n, d in DTYPES.items()}


def to_torch(tensor, device="cpu"):
    dtype, shape, data = tensor
    if len(data) == 0:
        return torch.empty(shape, dtype=DTYPES[dtype], device=device)
    x = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return x.view(DTYPES[dtype]).reshape(shape).to(device)


def from_torch(x):
    x = x.detach().to("cpu").contiguous()
    data = x.reshape(-1).view(torch.uint8).numpy().tobytes() if x.numel() else b""
    return NAMES[x.dtype], list(x.shape), data


def device_name(device):
    """A device in a worker's hello: "cuda" and which."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
