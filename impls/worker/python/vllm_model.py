"""vLLM's offline engine under slidefuzz:

vllm_model.py [--no-prefix-cache] [--tokens N] [--ahead STEPS]
"""

import argparse
import gc
import os

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

from slidefuzz_worker.models import serve_generator

parser = argparse.ArgumentParser()
parser.add_argument("--no-prefix-cache", action="store_true")
parser.add_argument("--tokens", type=int, default=16, help="of one batch of the scheduler, so that prompts are taken in chunks")
parser.add_argument("--block", type=int, default=16, help="tokens of a block of the cache")
parser.add_argument("--ahead", type=int, default=8, help="steps of one call of generate")
args = parser.parse_args()  # --help wants nothing of what follows
import numpy as np
import vllm


class VLLM:
    llm = None

    def load(self, path, format, window):
        self.llm = None
        gc.collect()
        self.llm = vllm.LLM(
            path,
            skip_tokenizer_init=True,
            dtype="auto",
            enforce_eager=True,
            max_model_len=2048,
            max_num_seqs=4,
            max_num_batched_tokens=args.tokens,
            enable_chunked_prefill=True,
            enable_prefix_caching=not args.no_prefix_cache,
            block_size=args.block,
            max_logprobs=-1,
            logprobs_mode="raw_logits",
        )

    def generate(self, prompts, steps, pads):
        params = vllm.SamplingParams(temperature=0, max_tokens=steps, logprobs=-1, ignore_eos=True, detokenize=False)
        got = self.llm.generate([{"prompt_token_ids": p} for p in prompts], params, use_tqdm=False)
        return [[self.row(step) for step in g.outputs[0].logprobs] for g in got]

    def row(self, step):
        row = np.empty(len(step), np.float32)
        row[list(step)] = [one.logprob for one in step.values()]
        return row


serve_generator(VLLM(), "vLLM", vllm.__version__, "cpu", ahead=args.ahead, dtypes=("F32", "BF16", "F16"))
