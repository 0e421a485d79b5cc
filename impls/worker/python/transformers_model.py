"""Models of transformers, step by step through forward(), under slidefuzz:

transformers_model.py [--cache none|dynamic|static] [--attention NAME] [--compile]
"""

import argparse
import copy

import torch
import transformers
from slidefuzz_worker import Refused
from slidefuzz_worker.models import serve_model

parser = argparse.ArgumentParser()
parser.add_argument("--cache", default="dynamic", choices=["none", "dynamic", "static"])
parser.add_argument("--attention", default="sdpa")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
args = parser.parse_args()
CONTEXT = 2048  # of a static cache, in tokens


class Group:
    """Requests that began together: one batch, with one cache."""

    tokens, mask, cache = torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 0, dtype=torch.long), None


class Transformers:
    def load(self, path, format, window):
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation=args.attention, dtype="auto").to(args.device).eval()
        self.run = torch.compile(self.model) if args.compile else self.model
        self.groups = {}

    @torch.inference_mode()
    def forward(self, chunks, all):
        if chunks[0].new:
            group = Group()
            if args.cache == "dynamic":
                group.cache = transformers.DynamicCache(config=self.model.config)
            elif args.cache == "static":
                group.cache = transformers.StaticCache(config=self.model.config, max_cache_len=CONTEXT)
            self.groups |= {c.request: group for c in chunks}
        group, n = self.groups[chunks[0].request], len(chunks[0].tokens)
        mask = torch.tensor([[int(i >= c.pad) for i in range(n)] for c in chunks])
        group.tokens = torch.cat([group.tokens.expand(len(chunks), -1), torch.tensor([c.tokens for c in chunks])], 1)
        group.mask = torch.cat([group.mask.expand(len(chunks), -1), mask], 1)
        positions = (group.mask.cumsum(1) - 1).clamp(min=0)
        new = slice(None) if group.cache is None else slice(-n, None)
        given = {"input_ids": group.tokens[:, new], "position_ids": positions[:, new], "attention_mask": group.mask}
        given = {name: tensor.to(args.device) for name, tensor in given.items()}
        logits = self.run(**given, cache=group.cache, use_cache=group.cache is not None).logits[:, -n:]
        return logits.flatten(0, 1) if all else logits[:, -1]

    def crop(self, request, length):
        group = self.groups[request]
        if group.cache is not None:
            if not group.cache.is_croppable:  # callers are to ask, as assisted decoding does
                raise Refused("the cache is not croppable")
            group.cache.crop(length - group.tokens.shape[1])
        group.tokens, group.mask = group.tokens[:, :length], group.mask[:, :length]

    def fork(self, request, other):
        self.groups[other] = copy.deepcopy(self.groups[request])

    def drop(self, requests):
        for r in requests:
            del self.groups[r]


name = f"transformers ({args.cache} cache, {args.attention}{', compiled' if args.compile else ''})"
serve_model(Transformers(), name, transformers.__version__, args.device, dtypes=("F32", "F16", "BF16"), capabilities=["crop", "fork", "chunks", "padding", "all"])
