"""The test of pytorch#159855 in transformers, through generate() with a static cache:

transformers_issue.py --attention eager|sdpa|flex|flash

Its variants are the ways in which a full sliding layer takes its next token, eager and
compiled: those of the report, and that which transformers has today. The canary is a
shift that PyTorch 2.11 compiles wrongly in one lane (pytorch#197829).
"""

from slidefuzz_worker.models import serve_model
from transformers_options import ATTENTION, named, parse

args = parse()  # --help wants nothing of what follows
import torch
import transformers
from transformers.cache_utils import StaticSlidingWindowLayer

STEPS = 21  # the token after the prompt, and 20 more
today = StaticSlidingWindowLayer.update


def cat(x, new):
    x.copy_(torch.cat((x[:, :, 1:, :], new), dim=-2))


def shift_index(x, new):
    w = x.shape[2]
    indices = (torch.arange(w, device=x.device) + 1) % w
    last = torch.tensor([w - 1], device=x.device)
    x.copy_(x[:, :, indices].index_copy(2, last, new))


@torch.compile(fullgraph=True, dynamic=False)
def shift(rows):
    rows[:-1] = rows[1:].clone()


@torch.compile(fullgraph=True, dynamic=False)
def shift_up(rows):
    rows[1:] = rows[:-1].clone()


def canary(x, new):
    rows = x.view(x.shape[2], x.shape[3])
    if x.is_cuda:
        shift(rows)
    else:
        # A CPU writes row after row: down it reads each in time, up it does not. So the
        # rows go up, and down again.
        last = rows[-1].clone()
        shift_up(rows)
        rows[:-1] = rows[1:].clone()
        rows[-1] = last
        rows[:-1] = rows[1:].clone()
    x[:, :, -1:] = new


def instead(write):
    """The update with another one where the window is full and one token comes. The code
    of the issue is the same for what comes before."""

    def update(self, keys, values, *given, **more):
        if not self.is_initialized or self.cumulative_length_int < self.max_cache_len or keys.shape[-2] > 1:
            return today(self, keys, values, *given, **more)
        self.cumulative_length_int += 1
        write(self.keys, keys)
        write(self.values, values)
        return self.keys, self.values

    return update


# "roll" is today's: a roll, then a write by an index tensor.
UPDATES = {"roll": today, "cat": instead(cat), "shift-index": instead(shift_index), "canary": instead(canary)}
VARIANTS = [f"{name} {mode}" for name in UPDATES if name != "canary" for mode in ("eager", "compiled")] + ["canary"]


class Issue:
    def load(self, path, format, window, variant="roll eager"):
        torch._dynamo.reset()
        self.name, _, self.mode = variant.partition(" ")
        StaticSlidingWindowLayer.update = UPDATES[self.name]
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation=ATTENTION[args.attention], dtype="auto").to(args.device).eval()
        self.cache, self.rows = None, []

    def generate(self, chunks):
        tokens, config = torch.tensor([c.tokens for c in chunks], device=args.device), self.model.config
        mask = torch.tensor([[int(i >= c.pad) for i in range(len(c.tokens))] for c in chunks], device=args.device)
        more = {"disable_compile": True}
        if self.mode == "compiled":  # as in the report; kernels of FlashAttention break the graph
            mode = "default" if args.device == "cpu" else "reduce-overhead"
            compiling = transformers.CompileConfig(fullgraph=args.attention != "flash", mode=mode)
            compiling._compile_all_devices = True
            more = {"compile_config": compiling}
        # One cache for all runs: with another the decode would be compiled anew.
        if self.cache is None:
            self.cache = transformers.StaticCache(config=config, max_cache_len=tokens.shape[1] + STEPS)
        else:
            self.cache.reset()
        given = named(self.model, self.cache)
        got = self.model.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=STEPS, eos_token_id=[], return_dict_in_generate=True, output_logits=True, **given, **more
        )
        return list(torch.stack(got.logits).cpu())

    @torch.inference_mode()
    def forward(self, chunks, all):
        """The whole batch is decoded at its prompts; what the engine decoded is answered
        step by step, whatever tokens it is given."""
        if chunks[0].new:
            self.rows = self.generate(chunks)
        return self.rows.pop(0)

    def drop(self, requests):
        pass


# No soft cap matters to a visible checkpoint, whose scores are equal; FlashAttention takes
# them with an error.
on_gpu, flash = args.device != "cpu", args.attention == "flash"
serve_model(
    Issue(), args.attention, f"transformers {transformers.__version__}, torch {torch.__version__}", torch.cuda.get_device_name() if on_gpu else "cpu",
    dtypes=("F16", "BF16") if flash and on_gpu else ("F32", "F16", "BF16"), archs=("gemma3",) if flash else ("gemma2", "gemma3"),
    capabilities=["padding"], variants=VARIANTS,
)
