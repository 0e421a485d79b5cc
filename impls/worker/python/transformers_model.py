"""Models of transformers, step by step through forward(): transformers_model.py --help"""

import copy

from slidefuzz_worker import Refused
from slidefuzz_worker.models import serve_model
from transformers_options import described, limits, load, make_cache, named, parse

args = parse()  # --help wants nothing of what follows
import torch
import transformers


class Group:
    """Requests that began together: one batch, with one cache."""

    tokens = mask = torch.zeros(1, 0, dtype=torch.long)
    cache, new = None, 0  # new: the tokens of the last forward, 0 after a crop


class Transformers:
    def load(self, path, format, window):
        (self.model, self.run), self.groups = load(path, args), {}

    @torch.inference_mode()
    def forward(self, chunks, all):
        if chunks[0].new:
            group = Group()
            group.cache = make_cache(self.model, args)
            self.groups |= {c.request: group for c in chunks}
        group, n = self.groups[chunks[0].request], len(chunks[0].tokens)
        if args.cache == "recording" and group.new:
            group.cache.crop(0)  # as assisted decoding does after each forward
        mask = torch.tensor([[int(i >= c.pad) for i in range(n)] for c in chunks])
        group.tokens = torch.cat([group.tokens.expand(len(chunks), -1), torch.tensor([c.tokens for c in chunks])], 1)
        group.mask, group.new = torch.cat([group.mask.expand(len(chunks), -1), mask], 1), n
        new = slice(None) if group.cache is None else slice(-n, None)
        given = group.tokens[:, new], group.mask, (group.mask.cumsum(1) - 1).clamp(min=0)[:, new]
        given = dict(zip(["input_ids", "attention_mask", "position_ids"], [tensor.to(args.device) for tensor in given]))
        run = self.model if chunks[0].new else self.run  # see load
        logits = run(**given, **named(self.model, group.cache)).logits[:, -n:]
        return logits.flatten(0, 1) if all else logits[:, -1]

    def crop(self, request, length):
        group, cut = self.groups[request], self.groups[request].tokens.shape[1] - length
        if group.cache is not None and cut:
            if not group.cache.is_croppable or args.cache == "recording" and cut > group.new:
                raise Refused("the cache is not croppable, or what is recorded is cut already")
            group.cache.crop(-cut)
            group.new = 0
        group.tokens, group.mask = group.tokens[:, :length], group.mask[:, :length]

    def fork(self, request, other):
        self.groups[other] = copy.deepcopy(self.groups[request])

    def drop(self, requests):
        self.groups = {name: group for name, group in self.groups.items() if name not in requests}


serve_model(Transformers(), described("transformers", args), transformers.__version__, args.device, capabilities=["crop", "fork", "chunks", "padding", "all"], **limits(args))
