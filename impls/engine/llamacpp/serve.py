"""llama.cpp's own server as the wheel xllamacpp has it, with the flags of llama-server
that are of use here. It answers until it is killed."""

import argparse
import threading

TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "bf16": 30}  # of ggml

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--parallel", type=int, default=2, help="slots")
parser.add_argument("--ctx-size", type=int, default=4096, help="of all slots together")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--ubatch-size", type=int, default=16)
parser.add_argument("--cache-type-k", default="f32", choices=list(TYPES))
parser.add_argument("--cache-type-v", default="f32", choices=list(TYPES))
parser.add_argument("--cache-reuse", type=int, default=0)
parser.add_argument("--flash-attn", default="auto", choices=["on", "off", "auto"])
parser.add_argument("--swa-full", action="store_true")
parser.add_argument("--kv-unified", action="store_true")
parser.add_argument("--context-shift", action="store_true")
parser.add_argument("--keep", type=int, default=0, help="tokens at the front that a context shift leaves")
parser.add_argument("--ctx-checkpoints", type=int, default=-1, help="of the sliding layers, for each slot; the server's own number if it is not given")
parser.add_argument("--cache-ram", type=int, default=-2, help="MiB of prompts that are kept beside the slots; the server's own number if it is not given")
args = parser.parse_args()  # --help wants nothing of what follows
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = args.model
params.hostnames = [args.host]
params.port = args.port
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
params.n_parallel = args.parallel
params.n_ctx = args.ctx_size
params.n_batch = args.batch_size
params.n_ubatch = args.ubatch_size
params.cache_type_k = xllamacpp.ggml_type(TYPES[args.cache_type_k])
params.cache_type_v = xllamacpp.ggml_type(TYPES[args.cache_type_v])
params.n_cache_reuse = args.cache_reuse
params.flash_attn_type = xllamacpp.llama_flash_attn_type({"auto": -1, "off": 0, "on": 1}[args.flash_attn])
params.swa_full = args.swa_full
params.kv_unified = args.kv_unified
params.ctx_shift = args.context_shift
params.n_keep = args.keep
if args.ctx_checkpoints >= 0:
    params.n_ctx_checkpoints = args.ctx_checkpoints
if args.cache_ram >= -1:
    params.cache_ram_mib = args.cache_ram
params.fit_params = False
params.warmup = False
params.verbosity = 0
server = xllamacpp.Server(params)
threading.Event().wait()
