"""mlx-lm's Gemma 2 and Mistral have no window: the first of 12 tokens changes the logits of the
last in one sliding layer of a window of 4, where it must not. Gemma 3 is right.

pip install 'mlx[cpu]' mlx-lm
"""

import mlx.core as mx
import mlx_lm
from mlx_lm.utils import _get_classes

mx.set_default_device(mx.cpu)
sizes = dict(num_hidden_layers=1, hidden_size=32, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1)
rest = dict(head_dim=16, rms_norm_eps=1e-6, vocab_size=50, sliding_window=4, query_pre_attn_scalar=16)
kinds = {"gemma2": {}, "mistral": {}, "gemma3_text": {"sliding_window_pattern": 2}}
for kind, more in kinds.items():
    config = dict(model_type=kind, **sizes, **rest, **more)
    Model, Args = _get_classes(config)
    wrong = 0
    for seed in range(20):
        mx.random.seed(seed)
        model = Model(Args.from_dict(config))
        first, other = (model(mx.array([[t] + [5] * 11]), cache=[None, None])[0, -1] for t in (1, 2))
        wrong += not mx.array_equal(first, other).item()
    print(mlx_lm.__version__, kind, f"sees the first token in {wrong} of 20 models")
