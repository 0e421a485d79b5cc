# A batch of RotatingKVCache, saved and loaded.
import mlx.core as mx
import mlx_lm
from mlx_lm.models.cache import RotatingKVCache, load_prompt_cache, save_prompt_cache

print("mlx", mx.__version__, "mlx-lm", mlx_lm.__version__)
mx.set_default_device(mx.cpu)
cache = RotatingKVCache.merge([RotatingKVCache(max_size=4)])
token = mx.zeros((1, 1, 1, 1))
cache.update_and_fetch(token, token)
save_prompt_cache("batch.safetensors", [cache])
(cache,) = load_prompt_cache("batch.safetensors")
cache.update_and_fetch(token, token)
