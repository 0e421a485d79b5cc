"""llama.cpp's server: a request sees a token of another one.

    slidefuzz engine checkpoint DIR --arch gemma3 --window 4 --format gguf
    python other_request.py DIR/model.gguf [CHECKPOINTS]

needs xllamacpp==2026.10.11549. One slot; four requests, one after the other, by the
server's own completions. For the last one, [9, 10], the sliding layer's uniform head
sees 10 and 3, which is a token of the first request, instead of 10 and 9. With 0
checkpoints of a context, the second argument, it is right. Exits with 1 if it is wrong.
"""

import sys

import xllamacpp

HEAD_DIM, IDENTITIES, HEADS = 64, 58, 4
ZERO, CONSTANT = IDENTITIES + 1, HEAD_DIM - 1
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel = 1024, 1
params.warmup = params.ui = False
params.verbosity = 0
if len(sys.argv) > 2:
    params.n_ctx_checkpoints = int(sys.argv[2])
server = xllamacpp.Server(params)
for prompt in [3], [3, 4, 5, 6, 7], [9], [9, 10]:
    answer = server.handle_completions({
        "prompt": prompt, "n_predict": 1, "logprobs": HEAD_DIM * (1 + 2 * HEADS),
        "temperature": -1, "samplers": [], "cache_prompt": True,
    })
    top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    logits = {t["id"]: t["logprob"] for t in top}
    whole = logits[HEAD_DIM + CONSTANT] - logits[ZERO]
    seen = [t for t in range(IDENTITIES) if logits[HEAD_DIM + t] - logits[ZERO] > 0.1 * whole]
    print(prompt, "layer 0 sees", seen)
sys.exit(seen != [9, 10])
