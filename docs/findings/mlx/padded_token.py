# A batch in which one prompt has one token more than the others, which have none
# but the last: PromptProcessingBatch.prompt pads a chunk of one row.
import mlx.core as mx
import mlx_lm
from mlx_lm.generate import PromptProcessingBatch
from mlx_lm.models import gemma3_text
from mlx_lm.models.cache import make_prompt_cache

print("mlx", mx.__version__, "mlx-lm", mlx_lm.__version__)
mx.set_default_device(mx.cpu)
args = gemma3_text.ModelArgs(
    model_type="gemma3_text", hidden_size=16, num_hidden_layers=2, intermediate_size=16, num_attention_heads=1, head_dim=16,
    num_key_value_heads=1, vocab_size=32, sliding_window=4, sliding_window_pattern=2,
)
model = gemma3_text.Model(args)
for tokens in ([[1, 2, 3], [4]], [[1, 2], [4]]):
    batch = PromptProcessingBatch(model, [0, 1], [make_prompt_cache(model) for _ in tokens])
    try:
        batch.generate(tokens).next()
        print(tokens, "generates")
    except Exception as e:
        print(tokens, f"{type(e).__name__}: {e}")
