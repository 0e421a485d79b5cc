"""Beam search that can be judged: every beam goes on, and they change places."""

import torch
import transformers


class Beams(transformers.LogitsProcessor):
    """One beam of a request goes on as greedy decoding does, the others from tokens that
    come later; each then gives the token after its own last. Their scores are such that
    they change places from step to step, and the cache must follow. prompt is the number
    of tokens before the first step."""

    def __init__(self, prompt, identities, beams):
        self.prompt, self.identities, self.beams = prompt, identities, beams

    def __call__(self, tokens, scores):
        allowed = torch.full_like(scores, -1e6)
        for row, last in zip(allowed, tokens[:, -1].tolist()):
            for later in range(1, 1 + (self.beams if tokens.shape[1] == self.prompt else 1)):
                token = (last + later) % self.identities
                row[token] = -(token * 37 + tokens.shape[1] * 101) % 17
        return allowed


def rows_of(got, prompt, identities, beams):
    """The logits of the greedy beam of each request, wherever it stood at each step."""
    rows = []
    for k, sequence in enumerate(got.sequences.tolist()):
        if sequence[prompt] == (sequence[prompt - 1] + 1) % identities:
            rows.append([step[b] for step, b in zip(got.logits, got.beam_indices[k].tolist())])
    if len(rows) * beams != len(got.sequences):
        raise RuntimeError(f"{len(rows)} greedy beams among {len(got.sequences)} of {beams} a request")
    return rows
