"""PyTorch's own FlashAttention kernels as an attention of transformers. Without soft caps."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, flash_attention_mask, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


def flash_cpu(*given, **named):
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return sdpa_attention_forward(*given, **named)


def flash_cuda(module, query, key, value, mask, scaling=None, sliding_window=None, **given):
    """FlashAttention takes no mask: a window, and rows without padding, one request after
    the other. mask says which tokens are no padding, [batch, rows], None for all."""
    rows = key.shape[2] if mask is None else mask.shape[1]  # a static cache has more than tokens
    seen = torch.ones(key.shape[0], rows, dtype=torch.bool, device=key.device) if mask is None else mask.bool()
    asks = seen[:, -query.shape[2] :]
    q, k, v = query.transpose(1, 2)[asks], key[:, :, :rows].transpose(1, 2)[seen], value[:, :, :rows].transpose(1, 2)[seen]
    begins = [torch.nn.functional.pad(m.sum(1).cumsum(0), (1, 0)).int() for m in (asks, seen)]
    left = sliding_window - 1 if sliding_window else -1
    packed = torch.ops.aten._flash_attention_forward(
        q, k, v, *begins, query.shape[2], rows, 0.0, True, False, scale=scaling, window_size_left=left, window_size_right=0
    )[0]
    out = query.new_zeros(query.transpose(1, 2).shape)
    out[asks] = packed
    return out, None


def register(name, device):
    gpu = device != "cpu"
    ALL_ATTENTION_FUNCTIONS.register(name, flash_cuda if gpu else flash_cpu)
    ALL_MASK_ATTENTION_FUNCTIONS.register(name, flash_attention_mask if gpu else sdpa_mask)
