"""Two prompts as one batch: which tokens the last query of each sees.

leak.py FOLDER: a visible Mistral checkpoint of head dim 64, as a hunt writes it.
"""
import json, sys
import ctranslate2
import numpy as np

folder = sys.argv[1]
config = json.load(open(folder + "/config.json"))
ctranslate2.converters.TransformersConverter(folder).convert("leak.ct2", force=True)
g = ctranslate2.Generator("leak.ct2", "cpu", intra_threads=1)
names = json.load(open("leak.ct2/vocabulary.json"))
W, D = config["sliding_window"], 64
print("ctranslate2", ctranslate2.__version__, "window", W)
def sees(prompts):
    got = g.generate_batch([[names[t] for t in p] for p in prompts], max_length=1, sampling_topk=1, end_token=[], include_prompt_in_result=False, return_logits_vocab=True)
    out = []
    for r in got:
        row = np.asarray(r.logits[0][0], np.float64).ravel()
        head = row[D:2 * D] - row[D - 6 + 1]
        share = head[:D - 6] / head[D - 1]
        out.append({t: round(float(s), 2) for t, s in enumerate(share) if s > .05})
    return out
a, b = list(range(20, 20 + W + 2)), list(range(5, 5 + W + 2))
print("alone", sees([a]), sees([b]))
runs = [sees([a, b]) for _ in range(20)]
print("together", runs[0], "wrong in", sum(r != [sees([a])[0], sees([b])[0]] for r in runs), "of 20")
runs = [sees([a[:-1], b[:-1]]) for _ in range(20)]
print("W+1 together", runs[0], "wrong in", sum(r != [sees([a[:-1]])[0], sees([b[:-1]])[0]] for r in runs), "of 20")
