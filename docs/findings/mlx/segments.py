# A prompt of three segments, alone and beside a longer one: the log probabilities
# of its first token. The second segments bring one token each to a full window,
# and the third are chunks.
import mlx.core as mx
import mlx_lm
from mlx_lm.generate import BatchGenerator
from mlx_lm.models import gemma3_text

print("mlx", mx.__version__, "mlx-lm", mlx_lm.__version__)
mx.set_default_device(mx.cpu)
mx.random.seed(0)
args = gemma3_text.ModelArgs(
    model_type="gemma3_text", hidden_size=16, num_hidden_layers=2, intermediate_size=16, num_attention_heads=1, head_dim=16,
    num_key_value_heads=1, vocab_size=32, sliding_window=4, sliding_window_pattern=2,
)
model = gemma3_text.Model(args)
mx.eval(model.parameters())


def first(*prompts):
    """The log probabilities of the first prompt's first token."""
    generator = BatchGenerator(model, max_tokens=1)
    uid = generator.insert_segments([[list(s) for s in p] for p in prompts])[0]
    while True:
        for response in generator.next()[1]:
            if response.uid == uid:
                return response.logprobs


prompt = [[1, 2], [3], [4, 5, 6]]
alone = first(prompt)
for middle in ([7], [7, 7]):
    beside = first(prompt, [[1, 2, 3, 4, 5, 6], middle, [8, 9, 10]])
    print("beside segments of 6,", len(middle), "and 3 tokens they differ by at most", float(mx.abs(alone - beside).max()))
