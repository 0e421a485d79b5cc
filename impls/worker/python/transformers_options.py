"""What the drivers of transformers' models share: which cache, which attention."""

import argparse
import inspect

CONTEXT = 2048  # of a static cache, in tokens
FLASH = "pytorch_kernels"  # transformers looks for names with flash in its hub of kernels
ATTENTION = {"eager": "eager", "sdpa": "sdpa", "flex": "flex_attention", "flash": FLASH}
parser = argparse.ArgumentParser()
parser.add_argument("--cache", default="dynamic", choices=["none", "dynamic", "recording", "static", "hybrid"])
parser.add_argument("--attention", default="sdpa", choices=list(ATTENTION))
parser.add_argument("--compile", action="store_true")
parser.add_argument("--cuda-graphs", action="store_true", help="compiled in the mode reduce-overhead, on a GPU alone")
parser.add_argument("--device", help="cuda where there is a GPU, else cpu")


def parse():
    """The flags. What is imported here --help does without."""
    args = parser.parse_args()
    import torch
    import transformers_attention

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if args.cuda_graphs and args.device == "cpu":
        parser.error("--cuda-graphs: CUDA graphs need a GPU: --device cuda")
    if args.cuda_graphs and args.cache not in ("static", "hybrid"):
        parser.error("--cuda-graphs: what a graph returns is overwritten when it runs again, so that only --cache static keeps its rows")
    torch.set_num_threads(1)  # the models are so small that threads wait for each other
    transformers_attention.register(FLASH, args.device)
    return args


def described(name, args, *more):
    words = [f"{args.cache} cache", args.attention, *more]
    return f"{name} ({', '.join(words + ['compiled'] * args.compile + ['CUDA graphs'] * args.cuda_graphs)})"


def load(path, args):
    """The model, for the first forward of a request, and what is called for the later ones.

    A static cache is laid out in the first, which transformers says is not to be compiled: a
    CUDA graph would write over the cache's memory when it is run again.
    """
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation=ATTENTION[args.attention], dtype="auto").to(args.device).eval()
    if args.compile or args.cuda_graphs:
        # Beyond its limit of 8 Dynamo runs what is new uncompiled, and a hunt has many shapes.
        torch._dynamo.config.recompile_limit = 64
        return model, torch.compile(model, mode="reduce-overhead" if args.cuda_graphs else None)
    return model, model


def named(model, cache):
    """The cache as forward() calls it: older releases say past_key_values."""
    word = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    return {word: cache, "use_cache": cache is not None}


def make_cache(model, args):
    """A cache of one batch. Since transformers 5 a static cache is hybrid by itself: its
    layers are of full attention or have a window as the model's do."""
    import transformers

    if args.cache == "none":
        return None
    if args.cache in ("static", "hybrid"):
        return transformers.StaticCache(config=model.config, max_cache_len=CONTEXT)
    cache = transformers.DynamicCache(config=model.config)
    if args.cache == "recording":
        cache.activate_past_recording()
    return cache


def limits(args):
    """What serve_model() is told of the variant: neither sdpa nor flash has soft caps."""
    archs = ["gemma2", "gemma3"] if args.cache == "hybrid" else ["mistral", "gemma2", "gemma3"]
    if args.attention in ("sdpa", "flash"):
        archs.remove("gemma2")
    dtypes = ("F16", "BF16") if args.attention == "flash" and args.device != "cpu" else ("F32", "F16", "BF16")
    return {"archs": archs, "dtypes": dtypes, "max_context": CONTEXT}
