"""The worker protocol of slidefuzz, in Python's standard library alone.

A worker is a file that calls serve() with a function that makes a cache. See
docs/workers.md; torch_cache.py is an example. A tensor here is the tuple
(dtype, shape, data): a safetensors name, a list of ints, bytes.
"""

import json
import os
import struct
import sys
import traceback

MAX_HEADER = 1 << 20


class Refused(Exception):
    """The cache does not take the request, and is as it was."""


def read_message(f):
    """(metadata, {name: tensor}), or None at the end of the input."""
    head = f.read(8)
    if not head:
        return None
    (n,) = struct.unpack("<Q", head)
    if n > MAX_HEADER:
        raise ValueError(f"a header of {n} bytes")
    header = json.loads(f.read(n))
    meta = header.pop("__metadata__", {})
    total = max((e["data_offsets"][1] for e in header.values()), default=0)
    data = f.read(total)
    if len(data) != total:
        raise ValueError("the input ends in the middle of a message")
    tensors = {}
    for name, e in header.items():
        lo, hi = e["data_offsets"]
        tensors[name] = (e["dtype"], e["shape"], data[lo:hi])
    return meta, tensors


def write_message(f, meta, tensors=None):
    header, at, parts = {"__metadata__": meta}, 0, []
    for name, (dtype, shape, data) in (tensors or {}).items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    f.flush()


def int64(values):
    """A tensor of positions, from a list or a list of lists."""
    rows = values if values and isinstance(values[0], list) else [values]
    flat = [v for row in rows for v in row]
    shape = [len(rows), len(rows[0])] if rows is values else [len(values)]
    return "I64", shape, struct.pack(f"<{len(flat)}q", *flat)


def serve(make, name, version, contract, dtypes, device, sinks=0, capabilities=(), script=None, programs=None):
    """Answers requests until bye.

    make(batch=, heads=, window=, dim=, dtype=) returns a new cache, with
      update(keys, values) -> (keys, values) or (keys, values, positions)
      reset()
      and, where capabilities say so, crop(length), snapshot(id), restore(id).
    An exception refuses the request: the cache must then be as it was.
    script(meta) -> (file name, text), programs(meta, tensors) -> (meta, tensors)
    are optional.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not a reply
    requests = sys.stdin.buffer
    cache = None
    capabilities = list(capabilities)
    capabilities += [c for c, f in (("script", script), ("programs", programs)) if f]
    hello = {"name": name, "version": version, "contract": contract, "dtypes": ",".join(dtypes), "device": device}
    if capabilities:
        hello["capabilities"] = ",".join(capabilities)
    if sinks:
        hello["sinks"] = str(sinks)

    def answer(meta, tensors):
        nonlocal cache
        op = meta.get("op")
        if op == "hello":
            return hello, {}
        if op == "new":
            shape = {k: int(meta[k]) for k in ("batch", "heads", "window", "dim")}
            cache = None
            cache = make(dtype=meta["dtype"], **shape)
            return {}, {}
        if op == "update":
            got = cache.update(tensors["keys"], tensors["values"])
            reply = {"keys": got[0], "values": got[1]}
            if len(got) > 2 and got[2] is not None:
                reply["positions"] = int64(got[2])
            return {}, reply
        if op == "reset":
            cache.reset()
        elif op == "crop":
            cache.crop(int(meta["length"]))
        elif op == "snapshot":
            cache.snapshot(meta["id"])
        elif op == "restore":
            cache.restore(meta["id"])
        elif op == "script" and script:
            file, text = script(meta)
            return {"name": file, "script": text}, {}
        elif op == "programs" and programs:
            return programs(meta, tensors)
        elif op != "bye":
            raise Refused(f"unknown op {op!r}")
        return {}, {}

    while True:
        message = read_message(requests)
        if message is None:
            return
        try:
            meta, tensors = answer(*message)
        except Exception as e:  # a refusal, in words
            if not isinstance(e, Refused):
                traceback.print_exc()
            meta, tensors = {"error": f"{type(e).__name__}: {e}".split("\n")[0][:500]}, {}
        write_message(out, meta, tensors)
        if message[0].get("op") == "bye":
            return
