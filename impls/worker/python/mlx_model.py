"""mlx-lm under slidefuzz, each request with the prompt cache that mlx-lm makes for it:

mlx_model.py [--prefill-step-size N] [--batch] [--max-context N] [--archs LIST]

mlx-lm trims a rotating cache until it is full: --max-context 15 with hunt's --window 16 keeps
requests where every crop is taken. Of Gemma 2 and Mistral it leaves out the window.
"""

import argparse
import copy
import pathlib

from slidefuzz_worker.models import serve_model

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prefill-step-size", type=int, default=5, help="tokens of a prompt at once")
parser.add_argument("--batch", action="store_true", help="requests that are given one token each are merged, as BatchGenerator does")
parser.add_argument("--max-context", type=int, help="the most tokens of a request")
parser.add_argument("--archs", default="gemma3", help="of gemma3, gemma2 and mistral")
args = parser.parse_args()  # --help wants nothing of what follows
import mlx.core as mx
import mlx_lm
import numpy as np
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
from mlx_lm.utils import load_model

mx.set_default_device(mx.cpu)


class MLX:
    def load(self, path, format, window):
        self.model, _ = load_model(pathlib.Path(path))
        self.caches, self.lengths = {}, {}

    def run(self, tokens, cache):
        return np.array(self.model(mx.array(tokens), cache=cache).astype(mx.float32))

    def forward(self, chunks, all):
        for c in chunks:
            if c.new:
                self.caches[c.request], self.lengths[c.request] = make_prompt_cache(self.model), 0
            self.lengths[c.request] += len(c.tokens)
        if args.batch and len(chunks) > 1 and not any(c.new or len(c.tokens) > 1 for c in chunks):
            merged = [layer[0].merge(layer) for layer in zip(*(self.caches[c.request] for c in chunks))]
            rows = self.run([c.tokens for c in chunks], merged)[:, 0]
            for i, c in enumerate(chunks):
                self.caches[c.request] = [layer.extract(i) for layer in merged]
            return list(rows)
        return [row for c in chunks for row in self.single(c)[0 if all else -1 :]]

    def single(self, c):
        # As generate_step has it: a prompt in steps, but for its last token, which comes alone.
        last, step = len(c.tokens) - 1, args.prefill_step_size
        parts = [c.tokens[i : min(i + step, last)] for i in range(0, last, step)] + [c.tokens[last:]]
        return [row for part in parts for row in self.run([part], self.caches[c.request])[0]]

    def crop(self, request, length):
        if not can_trim_prompt_cache(self.caches[request]):
            raise ValueError("can_trim_prompt_cache says no")
        trim_prompt_cache(self.caches[request], self.lengths[request] - length)
        self.lengths[request] = length

    def fork(self, request, other):
        self.caches[other], self.lengths[other] = copy.deepcopy(self.caches[request]), self.lengths[request]

    def drop(self, requests):
        for r in requests:
            del self.caches[r], self.lengths[r]


serve_model(MLX(), "mlx-lm", mlx_lm.__version__, "cpu", archs=args.archs.split(","), max_context=args.max_context, capabilities=["chunks", "join", "all", "crop", "fork"])
