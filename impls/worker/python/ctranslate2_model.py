"""CTranslate2's Generator under slidefuzz:

ctranslate2_model.py [--ahead STEPS] [--static N] [--forced] [--split] [--rotary-bases]

The last two leave out what docs/findings.md has of 4.8.5.
"""

import argparse
import json
import os

from slidefuzz_worker.models import serve_generator

parser = argparse.ArgumentParser()
parser.add_argument("--ahead", type=int, default=8, help="steps of one call of generate_batch")
parser.add_argument("--static", type=int, default=0, help="so many first tokens are a cached static prompt, where a batch shares them")
parser.add_argument("--forced", action="store_true", help="prompts are decoded token by token, not prefilled")
parser.add_argument("--split", action="store_true", help="prompts that are all longer than W+1 tokens are not given as one batch, where one sees another's")
parser.add_argument("--rotary-bases", action="store_true", help="give Gemma 3 those of its configuration, which the converter does not find")
args = parser.parse_args()  # --help wants nothing of what follows
import ctranslate2
import numpy as np
from ctranslate2_converter import convert


class CTranslate2:
    def load(self, path, format, window):
        self.window, folder = window, convert(path, args.rotary_bases)
        self.generator = ctranslate2.Generator(folder, "cpu", inter_threads=1, intra_threads=1)
        with open(os.path.join(folder, "vocabulary.json")) as f:
            self.names = json.load(f)

    def generate(self, prompts, steps, pads):
        if args.split and len(prompts) > 1 and min(map(len, prompts)) > self.window + 1:
            return [self.generate([p], steps, [0])[0] for p in prompts]
        texts = [[self.names[t] for t in p] for p in prompts]
        given = {}
        n = min(args.static, min(map(len, prompts)) - 1)
        if n > 0 and all(p[:n] == prompts[0][:n] for p in prompts):
            given["static_prompt"], texts = texts[0][:n], [t[n:] for t in texts]
        # Where the shortest prompt has one token, those of the others come back as if they had
        # been decoded, and count for max_length: docs/findings/ctranslate2/one_token.py.
        whole = args.forced or min(map(len, texts)) == 1
        got = self.generator.generate_batch(
            texts,
            max_length=steps + (max(map(len, texts)) if whole else 0),
            sampling_topk=1,
            end_token=[],
            include_prompt_in_result=args.forced,
            return_logits_vocab=True,
            **given,
        )
        # Before the rows of decoded tokens are some of what a prompt has more than the shortest.
        first = [len(t) - 1 if whole else len(g.logits[0]) - len(g.sequences_ids[0]) for g, t in zip(got, texts)]
        return [[np.asarray(row, np.float32).ravel() for row in g.logits[0][n : n + steps]] for g, n in zip(got, first)]


serve_generator(CTranslate2(), "CTranslate2", ctranslate2.__version__, "cpu", ahead=args.ahead, archs=["mistral", "gemma3"])
