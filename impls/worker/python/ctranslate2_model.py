"""CTranslate2's Generator under slidefuzz:

ctranslate2_model.py [--ahead STEPS] [--static N] [--forced]
"""

import argparse
import json
import os

import ctranslate2
import numpy as np
from slidefuzz_worker.models import serve_generator

parser = argparse.ArgumentParser()
parser.add_argument("--ahead", type=int, default=8, help="steps of one call of generate_batch")
parser.add_argument("--static", type=int, default=0, help="so many first tokens are a cached static prompt, where a batch shares them")
parser.add_argument("--forced", action="store_true", help="prompts are decoded token by token, not prefilled")
args = parser.parse_args()


class CTranslate2:
    def load(self, path, format, window):
        folder = path + ".ct2"
        if not os.path.exists(os.path.join(folder, "model.bin")):
            ctranslate2.converters.TransformersConverter(path).convert(folder, force=True)
        self.generator = ctranslate2.Generator(folder, "cpu", inter_threads=1, intra_threads=1)
        with open(os.path.join(folder, "vocabulary.json")) as f:
            self.names = json.load(f)

    def generate(self, prompts, steps, pads):
        texts = [[self.names[t] for t in p] for p in prompts]
        given = {}
        n = min(args.static, min(map(len, prompts)) - 1)
        if n > 0 and all(p[:n] == prompts[0][:n] for p in prompts):
            given["static_prompt"], texts = texts[0][:n], [t[n:] for t in texts]
        got = self.generator.generate_batch(
            texts,
            max_length=steps + (max(map(len, texts)) if args.forced else 0),
            sampling_topk=1,
            end_token=[],
            include_prompt_in_result=args.forced,
            return_logits_vocab=True,
            **given,
        )
        return [[np.asarray(row, np.float32).ravel() for row in g.logits[0]][len(t) - 1 if args.forced else 0 :][:steps] for g, t in zip(got, texts)]


serve_generator(CTranslate2(), "CTranslate2", ctranslate2.__version__, "cpu", ahead=args.ahead, archs=["mistral", "gemma3"])
