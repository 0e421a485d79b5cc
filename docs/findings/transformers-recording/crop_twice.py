# A layer that records its past is cropped by three tokens, and by one and two.
import torch
import transformers
from transformers.cache_utils import DynamicSlidingWindowLayer

print("transformers", transformers.__version__)
for crops in ([-3], [-1, -2]):
    layer = DynamicSlidingWindowLayer(sliding_window=3)
    layer.activate_past_recording()
    tokens = torch.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    layer.update(tokens, tokens)
    for crop in crops:
        layer.crop(crop)
    length, offset = layer.get_mask_sizes(1)
    token = torch.full((1, 1, 1, 1), 9.0)
    keys, _ = layer.update(token, token)
    print(f"crops {crops}: a mask for {length} rows, returned {keys.flatten().tolist()}")
