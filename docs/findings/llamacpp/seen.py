"""Which tokens the last query of a prompt sees in llama.cpp's server, one slot, requests
one after the other. Needs Python alone.

    llama-server -m model.gguf -np 1 -c 1024 --port 8080 [flags of the table below]
    python seen.py http://127.0.0.1:8080 NAME

model.gguf is a checkpoint of Gemma 2 or 3 with a window of 4, two layers, the first
sliding, whose logits say which tokens each query attended to:

    slidefuzz engine checkpoint DIR --arch gemma3 --window 4 --format gguf

| NAME | flags | wrong where | right with |
| other_request | | the last query sees a token of another request | --ctx-checkpoints 0 |
| missing | | the last query sees W-1 tokens | --ctx-checkpoints 0 |
| swa_full | --swa-full | the same | --swa-full --cache-ram 0 |

Exits with 1 where it is wrong.
"""

import json
import sys
import urllib.request

# Prompts, and how many tokens are decoded after each.
REQUESTS = {
    "other_request": [([3], 1), ([3, 4, 5, 6, 7], 1), ([9], 1), ([9, 10], 1)],
    "missing": [(list(range(10)), 1), (list(range(5)), 1)],
    "swa_full": [([0, 1, 2], 3), ([30], 3), ([0, 1, 2], 3)],
}
WINDOW, HEAD_DIM, IDENTITIES = 4, 64, 58
ZERO, CONSTANT = IDENTITIES + 1, HEAD_DIM - 1
if len(sys.argv) != 3:
    sys.exit(__doc__)
url, name = sys.argv[1:]
seen = prompt = []
for prompt, steps in REQUESTS[name]:
    question = {"prompt": prompt, "n_predict": steps, "n_probs": 1 << 20, "cache_prompt": True, "samplers": ["top_k"], "top_k": 1, "ignore_eos": True}
    request = urllib.request.Request(url + "/completion", json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        answer = json.load(reply)
    logits = {t["id"]: t["logprob"] for t in answer["completion_probabilities"][0]["top_logprobs"]}
    # The first head of layer 0 attends to all that it sees alike. Slot t is t's share of it.
    whole = logits[HEAD_DIM + CONSTANT] - logits[ZERO]
    seen = [t for t in range(IDENTITIES) if logits[HEAD_DIM + t] - logits[ZERO] > 0.1 * whole]
    print(prompt, "sees", seen, "of", answer["timings"]["cache_n"], "cached")
want = prompt[-WINDOW:]
print("right" if seen == want else f"WRONG: must see {want}")
sys.exit(seen != want)
