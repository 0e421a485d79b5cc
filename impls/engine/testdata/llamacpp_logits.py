"""Loads GGUF files by llama.cpp's server and answers runs with raw log-probabilities.

    llamacpp_logits.py < files.json > logits.f32

The input is that of transformers_logits.py, without padding and without attention; each
entry is a request of its own. The first chunk is prompts, one for each of its tokens,
which the server's prompt cache goes on from; the server decodes what follows by itself.
"""

import array
import json
import os
import sys

import xllamacpp

output = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # llama.cpp's own words
for file in json.load(sys.stdin):
    params = xllamacpp.CommonParams()
    params.model.path = file["path"]
    params.n_ctx, params.n_parallel = 1024, 1
    params.n_batch, params.n_ubatch = 64, 8
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = params.ui = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    for run in file["runs"]:
        for tokens in run["tokens"]:
            first = run["chunks"][0]
            for n in range(1, first + 1):
                steps = 1 if n < first else len(tokens) - first + 1
                answer = server.handle_completions({
                    "prompt": tokens[:n],
                    "n_predict": steps,
                    "logprobs": file["vocabulary"],
                    "temperature": -1,
                    "samplers": [],
                    "cache_prompt": run["cache"],
                })
                steps_of = answer["choices"][0]["logprobs"]["content"]
                assert len(steps_of) == steps, answer
                for place, step in enumerate(steps_of):
                    row = array.array("f", [float("nan")]) * file["vocabulary"]
                    for top in step["top_logprobs"]:
                        row[top["id"]] = top["logprob"]
                    want = tokens[n + place] if place + 1 < steps else step["id"]
                    assert step["id"] == want, (tokens, n, place, step["id"])
                    output.write(row.tobytes())
    del server
