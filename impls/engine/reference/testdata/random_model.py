"""Writes small checkpoints with random weights, and the logits that transformers
computes of them.

    random_model.py DIR ARCH-DTYPE ...

DIR/ARCH-DTYPE then has config.json, model.safetensors, and expected.json: runs, each
with its tokens, how many of them are left padding, and the logits of the tokens that are
none.
The logits are of the weights as they are stored, computed in float32, by eager
attention, and all tokens at once.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, MistralConfig

VOCABULARY, WINDOW = 53, 5
COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=48, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, sliding_window=WINDOW, max_position_embeddings=512, pad_token_id=0, attn_implementation="eager",
)


def config(arch, dtype):
    if arch == "mistral":
        return MistralConfig(**COMMON, num_hidden_layers=2, dtype=dtype)
    if arch == "gemma2":
        # Caps that are felt.
        return Gemma2Config(**COMMON, num_hidden_layers=3, dtype=dtype, query_pre_attn_scalar=20,
                            attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
    return Gemma3TextConfig(**COMMON, num_hidden_layers=3, dtype=dtype, query_pre_attn_scalar=20,
                            layer_types=["sliding_attention", "full_attention", "sliding_attention"])


def write(directory, arch, dtype):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config(arch, dtype), dtype=torch.float32)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p + 0.3 * torch.randn_like(p)).to(dtype))
    model.to(dtype).save_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    runs = []
    for length, pad in [(1, 0), (4, 0), (17, 0), (13, 4), (9, 8)]:
        tokens = torch.randint(1, VOCABULARY, (1, length))
        mask = torch.ones(1, length, dtype=torch.long)
        tokens[0, :pad] = mask[0, :pad] = 0
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.no_grad():
            logits = model(tokens, attention_mask=mask, position_ids=positions).logits
        runs.append(dict(tokens=tokens[0].tolist(), pad=pad, logits=logits[0, pad:].tolist()))
    (directory / "expected.json").write_text(json.dumps(runs))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        arch, dtype = name.split("-")
        write(pathlib.Path(sys.argv[1], name), arch, getattr(torch, dtype))
