# Compiled flex attention on a CPU: the second forward of a small Gemma 3 does not compile
# in torch 2.15.0 with transformers 5.24.0: 'cur_kvSplitSize0' was not declared.
import torch
import transformers

print("torch", torch.__version__, "transformers", transformers.__version__)
torch.manual_seed(0)
config = transformers.Gemma3TextConfig(
    vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
    sliding_window=8, layer_types=["sliding_attention", "full_attention"], attn_implementation="flex_attention",
)
model = transformers.Gemma3ForCausalLM(config).eval()
cache = transformers.DynamicCache(config=config)
with torch.inference_mode():
    for tokens in (20, 1):
        print(tokens, model(torch.randint(64, (2, tokens)), cache=cache, use_cache=True).logits.shape)
