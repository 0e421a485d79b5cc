"""transformers' generate() under slidefuzz, judged by the logits that it returns:

transformers_generate.py [--cache NAME] [--attention NAME] [--compile] [--cuda-graphs]
    [--beams N | --assisted] [--ahead STEPS]
"""

from slidefuzz_worker.models import serve_generator
from transformers_options import CONTEXT, described, limits, load, parse, parser

parser.add_argument("--beams", type=int, default=1)
parser.add_argument("--assisted", action="store_true", help="by a draft that is wrong now and then; one request at a time")
parser.add_argument("--ahead", type=int, default=8, help="steps of one call of generate")
args = parse()  # --help wants nothing of what follows
import torch
import transformers
from transformers_beams import Beams, rows_of


class Generate:
    def load(self, path, format, window):
        self.model, _ = load(path, args)
        self.draft, self.calls = load(path, args)[0] if args.assisted else None, 0
        if args.assisted:
            self.draft.register_forward_hook(self.err)

    def err(self, module, given, out):
        """Has the draft choose another token at every third call."""
        self.calls += 1
        if self.calls % 3 == 0:
            out.logits[:, -1] = out.logits[:, -1].roll(1, -1)

    @torch.inference_mode()
    def generate(self, prompts, steps, pads):
        longest, config = max(map(len, prompts)), self.model.config
        tokens = torch.tensor([[config.pad_token_id] * (longest - len(p)) + p for p in prompts], device=args.device)
        seen = torch.tensor([[int(i >= longest - len(p) + pad) for i in range(longest)] for p, pad in zip(prompts, pads)], device=args.device)
        more = {} if args.cache == "dynamic" else {"use_cache": False} if args.cache == "none" else {"cache_implementation": args.cache, "max_cache_len": CONTEXT}
        if args.compile or args.cuda_graphs:
            more["compile_config"] = transformers.CompileConfig(mode="reduce-overhead" if args.cuda_graphs else None)
            more["compile_config"]._compile_all_devices = True
        if args.beams > 1:
            more |= {"num_beams": args.beams, "num_return_sequences": args.beams, "logits_processor": [Beams(longest, config.pad_token_id, args.beams)]}
        got = self.model.generate(
            tokens, attention_mask=seen, do_sample=False, max_new_tokens=steps, assistant_model=self.draft, return_dict_in_generate=True, output_logits=True, **more
        )
        return rows_of(got, longest, config.pad_token_id, args.beams) if args.beams > 1 else torch.stack(got.logits, 1)


serve_generator(
    Generate(), described("generate", args, *[f"{args.beams} beams"] * (args.beams > 1), *["assisted"] * args.assisted), transformers.__version__, args.device,
    ahead=args.ahead, capabilities=("chunks", "join", "crop", "fork", "padding"), max_requests=1 if args.assisted else None, **limits(args),
)
