"""A prompt that is longer than the window, alone, on random weights: logits of the next
token by CTranslate2 and by transformers, and what generate_batch gives where the prompt is
decoded token by token (include_prompt_in_result). forward_batch refuses such prompts.

prefill.py FOLDER: a Mistral checkpoint of `slidefuzz engine checkpoint FOLDER`, whose
tokenizer is used; its weights are not.
"""
import glob, json, shutil, sys
import ctranslate2
import numpy as np
import torch, transformers

W = 4
torch.set_num_threads(1)
torch.manual_seed(0)
size = json.load(open(sys.argv[1] + "/config.json"))["vocab_size"]
config = transformers.MistralConfig(vocab_size=size, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, sliding_window=W, max_position_embeddings=512, initializer_range=0.3)
model = transformers.MistralForCausalLM(config).eval()
model.save_pretrained("prefill")
for name in glob.glob(sys.argv[1] + "/*token*"):
    shutil.copy(name, "prefill")
ctranslate2.converters.TransformersConverter("prefill").convert("prefill.ct2", force=True)
g = ctranslate2.Generator("prefill.ct2", "cpu", intra_threads=1)
names = json.load(open("prefill.ct2/vocabulary.json"))
print("ctranslate2", ctranslate2.__version__, "transformers", transformers.__version__, "window", W)
wrong = False
for n in range(1, 3 * W + 1):
    prompt = [(7 * i + 3) % 58 for i in range(n)]
    with torch.inference_mode():
        want = model(torch.tensor([prompt])).logits[0, -1].numpy()
    def off(**given):
        got = g.generate_batch([[names[t] for t in prompt]], sampling_topk=1, end_token=[], return_logits_vocab=True, **given)
        return float(np.abs(np.asarray(got[0].logits[0][-1], np.float32).ravel() - want).max())
    prefilled, stepped = off(max_length=1, include_prompt_in_result=False), off(max_length=n, include_prompt_in_result=True)
    wrong = wrong or prefilled > 1e-3
    print(f"{n} tokens: prefilled {prefilled:.5f} off, token by token {stepped:.5f} off", "WRONG" if prefilled > 1e-3 else "")
try:
    g.forward_batch([[names[t] for t in prompt]])
except ValueError as e:
    print("forward_batch:", e)
sys.exit(wrong)
