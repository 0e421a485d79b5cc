"""The worker protocol of slidefuzz, in Python's standard library alone.

A worker is a file that calls serve() with a function that makes a cache. See
docs/workers.md; examples/ring_cache.py is one with numpy. A tensor here is the
tuple (dtype, shape, data): a safetensors name, a list of ints, bytes; the module
arrays makes numpy arrays of them.
"""

import json
import os
import struct
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Optional, Protocol, Union

__all__ = ["Cache", "Metadata", "Refused", "Tensor", "blocks", "booleans", "int64", "read_message", "serve", "write_message"]

MAX_HEADER = 1 << 20

Tensor = tuple[str, list[int], bytes]
"""A safetensors dtype (F32, BF16 …), the shape, the bytes in row-major order."""

Metadata = dict[str, str]
"""The __metadata__ of a message: strings only."""

Limit = Union[int, str, Sequence[Union[int, str]], None]


class Refused(Exception):
    """The cache does not take the request, and is as it was."""


class Cache(Protocol):
    """What make() of serve() returns. serve() says which methods more a cache has
    whose capabilities name them."""

    def update(self, keys: Tensor, values: Tensor) -> Sequence[Any]:
        """Appends a chunk of [batch, heads, q, dim]. Returns (keys, values), (keys,
        values, positions) or (keys, values, positions or None, visible or None)."""

    def reset(self) -> None:
        """Empties the cache."""


def read_message(f: BinaryIO) -> Optional[tuple[Metadata, dict[str, Tensor]]]:
    """(metadata, {name: tensor}), or None at the end of the input."""
    head = f.read(8)
    if not head:
        return None
    (n,) = struct.unpack("<Q", head)
    if n > MAX_HEADER:
        raise ValueError(f"a header of {n} bytes; want at most {MAX_HEADER}")
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


def write_message(f: BinaryIO, meta: Mapping[str, str], tensors: Optional[Mapping[str, Tensor]] = None) -> None:
    """Writes what read_message reads, and flushes."""
    header: dict[str, Any] = {"__metadata__": dict(meta)}
    at, parts = 0, []
    for name, (dtype, shape, data) in (tensors or {}).items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    f.flush()


def int64(values: Any) -> Tensor:
    """A tensor of positions, from a list or a list of lists, or an array of one or
    two dimensions with tolist()."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    rows = values if values and isinstance(values[0], list) else [values]
    flat = [v for row in rows for v in row]
    shape = [len(rows), len(rows[0])] if rows is values else [len(values)]
    return "I64", shape, struct.pack(f"<{len(flat)}q", *flat)


def booleans(visible: Any, rows: int) -> Tensor:
    """The tensor that says which of so many rows each query attends to: [batch or
    1][q][rows], nested lists or an array with shape and tobytes(), a byte an
    element, or tolist()."""
    if hasattr(visible, "tobytes"):
        shape, data = [int(n) for n in visible.shape], visible.tobytes()
    else:
        entries = visible.tolist() if hasattr(visible, "tolist") else visible
        queries = [query for entry in entries for query in entry]
        # No query, and the lists do not say how many rows it would have had.
        shape = [len(entries), len(entries[0]) if entries else 0, len(queries[0]) if queries else rows]
        data = bytes(bool(sees) for query in queries for sees in query)
        if any(len(entry) != shape[1] for entry in entries) or any(len(query) != shape[2] for query in queries):
            raise ValueError("visible: lists of unequal length; want [batch or 1][q][rows]")
    if len(shape) != 3 or len(data) != shape[0] * shape[1] * shape[2]:
        raise ValueError(f"visible: shape {shape} in {len(data)} bytes; want [batch or 1, q, rows] of bool")
    return "BOOL", shape, data


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]


def blocks(order: Sequence[int], n: int) -> list[int]:
    """The order of n blocks that an update asks for: of its numbers those below n, then
    the others, ascending."""
    first = [b for b in order if b < n]
    taken = set(first)
    return first + [b for b in range(n) if b not in taken]


def update_reply(got: Sequence[Any]) -> dict[str, Tensor]:
    """The tensors of a reply to update, from what a cache returned."""
    keys, values, positions, visible = (*got, None, None)[:4]
    reply = {"keys": keys, "values": values}
    if positions is not None:
        reply["positions"] = int64(positions)
    if visible is not None:
        reply["visible"] = booleans(visible, keys[1][2])
    return reply


def limits(**given: Limit) -> Metadata:
    """What hello says of the limits that are set: texts as in the protocol,
    numbers, or lists."""
    return {k: ",".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v) for k, v in given.items() if v is not None}


def serve(
    make: Callable[..., Cache],
    name: str,
    version: str,
    contract: str,
    dtypes: Iterable[str],
    device: str,
    sinks: int = 0,
    capabilities: Iterable[str] = (),
    script: Optional[Callable[[Metadata], tuple[str, str]]] = None,
    programs: Optional[Callable[[Metadata, dict[str, Tensor]], tuple[Metadata, dict[str, Tensor]]]] = None,
    max_chunk: Union[int, str, None] = None,
    without: Union[str, Sequence[str], None] = None,
    dims: Union[str, Sequence[int], None] = None,
    batches: Union[str, Sequence[int], None] = None,
    slack: Optional[int] = None,
    variants: Union[str, Sequence[str], None] = None,
    programs_at_once: Optional[int] = None,
    grammar: Optional[int] = None,
    runs: Optional[int] = None,
) -> None:
    """Answers requests until bye.

    make(batch=, heads=, window=, dim=, dtype=) returns a new cache, with
      update(keys, values) -> (keys, values), (keys, values, positions) or
        (keys, values, positions or None, visible or None)
      reset()
      and, where capabilities say so,
      crop:            crop(length)
      ragged:          update_each(keys, values, lens) -> as update
      crop and ragged: crop_each(lengths)
      select:          select(entries)
      snapshot:        snapshot(id), restore(id)
      order:           an attribute order, set before each update to the numbers of
        its blocks, or to None where the order is the cache's own; see blocks
    entries, lengths and lens are lists of ints, one for each batch entry.
    positions is a list of ints, or one for each batch entry; visible says which
    rows each query attends to: lists [batch or 1][q][rows] of bools, or a boolean
    array of that shape.
    An exception refuses the request: the cache must then be as it was. What
    update returns in another form ends the worker: it refuses nothing.
    script(meta) -> (file name, text), programs(meta, tensors) -> (meta, tensors)
    are optional, and so are the limits that a maintainer chose: max_chunk (rows,
    "W" or "W+1"), without (kinds of chunk), dims (a list, or "8*"), batches (a
    list), slack (rows). variants, programs_at_once, grammar and runs are of programs:
    the module programs has what a compiler needs.
    """
    cache: Any = None  # by its capabilities it has methods that Cache has not
    offers = list(capabilities)
    offers += [c for c, f in (("script", script), ("programs", programs)) if f]
    hello = {"name": name, "version": version, "contract": contract, "dtypes": ",".join(dtypes), "device": device}
    if offers:
        hello["capabilities"] = ",".join(offers)
    if sinks:
        hello["sinks"] = str(sinks)
    hello |= limits(max_chunk=max_chunk, without=without, dims=dims, batches=batches, slack=slack)
    hello |= limits(variants=variants, programs_at_once=programs_at_once, grammar=grammar, runs=runs)

    def answer(meta: Metadata, tensors: dict[str, Tensor]) -> tuple[Metadata, Any]:
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
            chunk = tensors["keys"], tensors["values"]
            if "order" in offers:
                cache.order = numbers(meta["order"]) if "order" in meta else None
            return {}, cache.update_each(*chunk, numbers(meta["lens"])) if "lens" in meta else cache.update(*chunk)
        if op == "reset":
            cache.reset()
        elif op == "crop" and "lengths" in meta:
            cache.crop_each(numbers(meta["lengths"]))
        elif op == "crop":
            cache.crop(int(meta["length"]))
        elif op == "select":
            cache.select(numbers(meta["entries"]))
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

    replies(answer, update_reply)


def own_output() -> BinaryIO:
    """Standard output for replies alone: what a library prints goes to standard
    error from now on."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def replies(answer: Callable[[Metadata, dict[str, Tensor]], tuple[Metadata, Any]], update: Callable[[Any], dict[str, Tensor]]) -> None:
    """Answers each request with answer's metadata and tensors, until bye. Those of an
    update go through update first: what it cannot read ends the worker, for it refuses
    nothing."""
    out = own_output()
    while True:
        message = read_message(sys.stdin.buffer)
        if message is None:
            return
        op = message[0].get("op")
        try:
            meta, tensors = answer(*message)
        except Exception as e:  # a refusal, in words
            if not isinstance(e, Refused):
                traceback.print_exc()
            meta, tensors = {"error": f"{type(e).__name__}: {e}".split("\n")[0][:500]}, {}
        if op == "update" and "error" not in meta:
            tensors = update(tensors)
        write_message(out, meta, tensors)
        if op == "bye":
            return
