"""Gemma 3: the bases of the rotary embedding that the converter writes, and the logits
against transformers; then with the bases of the configuration put in.

gemma3.py FOLDER: `slidefuzz engine checkpoint FOLDER --arch gemma3 --window 4 --heads 2 --kv 1`.
"""
import json, sys
import ctranslate2
import numpy as np
import torch, transformers

torch.set_num_threads(1)
config = transformers.AutoConfig.from_pretrained(sys.argv[1])
print("ctranslate2", ctranslate2.__version__, "transformers", transformers.__version__)
print("configuration", {kind: p["rope_theta"] for kind, p in config.rope_parameters.items()}, "has rope_theta:", hasattr(config, "rope_theta"))
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], attn_implementation="eager", dtype="auto").eval()

class Mended(ctranslate2.converters.TransformersConverter):
    def _load(self):
        spec = super()._load()
        for layer, kind in zip(spec.decoder.layer, config.layer_types):
            layer.self_attention.rotary_base = np.float32(config.rope_parameters[kind]["rope_theta"])
        return spec

def worst(converter):
    spec = converter._load()
    print("converted", [(kind, float(l.self_attention.rotary_base)) for kind, l in zip(config.layer_types, spec.decoder.layer)])
    converter.convert("gemma3.ct2", force=True)
    g = ctranslate2.Generator("gemma3.ct2", "cpu", intra_threads=1)
    names = json.load(open("gemma3.ct2/vocabulary.json"))
    off = []
    for n in range(1, 26):
        got = g.generate_batch([[names[t] for t in range(n)]], max_length=1, sampling_topk=1, end_token=[], include_prompt_in_result=False, return_logits_vocab=True)
        with torch.inference_mode():
            want = model(torch.tensor([list(range(n))])).logits[0, -1].numpy()
        off.append(float(np.abs(np.asarray(got[0].logits[0][0], np.float32).ravel() - want).max()))
    return max(off)

wrong = worst(ctranslate2.converters.TransformersConverter(sys.argv[1]))
print(f"prompts of 1 to 25 tokens: logits {wrong:.4f} off; with the bases of the configuration {worst(Mended(sys.argv[1])):.6f} off")
sys.exit(wrong > 1e-3)
