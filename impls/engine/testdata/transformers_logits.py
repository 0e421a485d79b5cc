"""Loads folders by transformers and answers runs with raw logits.

    transformers_logits.py < folders.json > logits.f32

Standard input is a list of objects, each a path and runs. A run is an object: tokens, a
list of equally long lists of ids; pad, how many of each are left padding; chunks, the
lengths of the forwards; cache, whether one is kept (else each forward gets all tokens
so far); attention, as transformers names it. For each run the logits follow as float32,
[entries, length, vocabulary].
"""

import json
import sys

import torch
import transformers

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
for folder in json.load(sys.stdin):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder["path"])
    models = {}
    for run in folder["runs"]:
        if run["attention"] not in models:
            models[run["attention"]] = transformers.AutoModelForCausalLM.from_pretrained(
                folder["path"], attn_implementation=run["attention"]
            )
        model = models[run["attention"]]
        tokens = torch.tensor(run["tokens"])
        assert tokenizer.decode(tokens[0, -1:]).strip() == f"t{tokens[0, -1]}"
        mask = torch.ones_like(tokens)
        for entry, pad in enumerate(run["pad"]):
            mask[entry, :pad] = 0
        position = (mask.cumsum(1) - 1).clamp(min=0)
        cache, at = None, 0
        with torch.no_grad():
            for n in run["chunks"]:
                start = at if run["cache"] else 0
                out = model(
                    tokens[:, start : at + n],
                    attention_mask=mask[:, : at + n],
                    position_ids=position[:, start : at + n],
                    past_key_values=cache,
                    use_cache=run["cache"],
                )
                cache = out.past_key_values
                logits = out.logits[:, -n:].float()
                rows = logits if at == 0 else torch.cat([rows, logits], 1)
                at += n
        sys.stdout.buffer.write(rows.contiguous().numpy().tobytes())
