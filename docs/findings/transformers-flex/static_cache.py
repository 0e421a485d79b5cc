# transformers 5.24.0, flex attention with a static cache, a layer without a window: after the
# first forward each query sees as many tokens too many as the forward has. A tensor that
# counts the tokens is what the mask is made from, and the cache adds to it in place before the
# mask is asked. With a copy of that tensor the answers are those of eager attention.
# TORCHDYNAMO_DISABLE=1 shows the same without compiling. Exits with 1 where it is wrong.
import sys

import torch
import transformers
from transformers import MistralConfig, MistralForCausalLM, StaticCache
from transformers.cache_utils import StaticLayer

config = MistralConfig(
    vocab_size=50, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=32, sliding_window=None
)
as_released = StaticLayer.get_seq_length


def copied(self):
    return self.cumulative_length.clone() if self.is_initialized else 0


def logits(attention, chunks):
    """The logits of all tokens, given so many at a time."""
    torch.manual_seed(0)
    model = MistralForCausalLM._from_config(config, attn_implementation=attention).eval()
    cache, at, out = StaticCache(config=config, max_cache_len=64), 0, []
    for n in chunks:
        with torch.inference_mode():
            out.append(model(input_ids=torch.arange(at, at + n)[None], cache=cache).logits)
        at += n
    return torch.cat(out, 1)


wrong = {}
for name, length in (("as released", as_released), ("with a copy", copied)):
    StaticLayer.get_seq_length = length
    for chunks in ([3], [3, 1], [3, 1, 1], [3, 4]):
        off = (logits("flex_attention", chunks) - logits("eager", chunks)).abs().amax((0, 2))
        wrong[name] = wrong.get(name, 0) + int((off > 1e-5).sum())
        print(name, chunks, "off by", [f"{x:.2g}" for x in off.tolist()])
print(torch.__version__, transformers.__version__, "tokens with wrong logits:", wrong)
sys.exit(wrong["as released"] > 0)
