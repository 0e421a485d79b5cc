"""An inference engine under slidefuzz: it loads a probe checkpoint and answers with
logits. docs/engines.md says what for. Needs the standard library alone.

An engine that takes tokens step by step is a class with load, forward and drop, served
by serve_model(). One that decodes by itself is a class with load and generate, served
by serve_generator(). Both refuse with an exception.
"""

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Optional, Protocol, Union

from . import Metadata, Refused, Tensor, limits, numbers, replies

__all__ = ["Chunk", "Generator", "Model", "generating", "serve_generator", "serve_model"]


class Chunk(NamedTuple):
    """The tokens of one request in one forward."""

    request: str
    tokens: list[int]
    pad: int
    """How many of the tokens, from the first, are left padding: not to be seen. Not
    zero for the first chunk of a request alone, and only for the capability padding."""
    new: bool
    """The request begins here."""


class Model(Protocol):
    """What serve_model() drives. Capabilities name the methods crop(request, length),
    which keeps the first length tokens that the request was given, padding counted, and
    fork(request, other), which begins other with all the tokens of request."""

    def load(self, path: str, format: str, window: int) -> None:
        """Loads a checkpoint, "hf" a folder or "gguf" a file, and forgets all requests."""

    def forward(self, chunks: list[Chunk], all: bool) -> Any:
        """Gives the requests of one batch their next tokens. Returns a row of logits
        for the last token of each, in their order; with all, which only the capability
        all is asked for, for each token of each. Rows are float32 arrays of numpy or
        torch, or lists of floats. Log-probabilities do as well."""

    def drop(self, requests: list[str]) -> None:
        """Ends requests."""


class Generator(Protocol):
    """What serve_generator() drives."""

    def load(self, path: str, format: str, window: int) -> None:
        """As of a Model."""

    def generate(self, prompts: list[list[int]], steps: int, pads: list[int]) -> Any:
        """Decodes greedily from all prompts as one batch, whatever the tokens mean: no
        end of text, no penalties. The first pads[i] tokens of a prompt are left padding.
        Returns for each prompt, for each of at most steps steps and at least one, the
        row of logits (or log-probabilities, over the whole vocabulary) from which the
        token was chosen."""


def rows(logits: Any) -> list[Any]:
    """The rows of an array of two dimensions, or of a list, each with tobytes() or a
    list of floats."""
    if hasattr(logits, "detach"):  # torch
        logits = logits.detach().float().cpu().numpy()
    return list(logits)


def row_bytes(row: Any) -> bytes:
    """A row of logits as little-endian float32."""
    if hasattr(row, "detach"):
        row = row.detach().float().cpu().numpy()
    if hasattr(row, "astype"):
        return bytes(row.astype("<f4").tobytes())
    numbers_ = array("f", row)
    if sys.byteorder == "big":
        numbers_.byteswap()
    return numbers_.tobytes()


def logits_tensor(logits: Any, want: int) -> Tensor:
    """The tensor of a reply to forward: so many rows."""
    packed = [row_bytes(row) for row in rows(logits)]
    if len(packed) != want or len({len(p) for p in packed}) > 1:
        raise ValueError(f"forward returned {len(packed)} rows of {sorted({len(p) // 4 for p in packed})} logits; want {want} of the vocabulary")
    return "F32", [want, len(packed[0]) // 4], b"".join(packed)


def int64s(tensor: Tensor) -> list[int]:
    """The numbers of a tensor of tokens."""
    tokens = array("q", tensor[2])
    if sys.byteorder == "big":
        tokens.byteswap()
    return tokens.tolist()


def chunks_of(meta: Metadata, tensors: dict[str, Tensor]) -> list[Chunk]:
    """The chunks of a request to forward."""
    names, lens = meta["requests"].split(","), numbers(meta["lens"])
    pads = numbers(meta["pad"]) if "pad" in meta else [0] * len(names)
    new = set(meta["new"].split(",")) if meta.get("new") else set()
    tokens, at, chunks = int64s(tensors["tokens"]), 0, []
    for name, n, pad in zip(names, lens, pads):
        chunks.append(Chunk(name, tokens[at : at + n], pad, name in new))
        at += n
    return chunks


def serve_model(
    model: Model,
    name: str,
    version: str,
    device: str,
    dtypes: Iterable[str] = ("F32",),
    archs: Union[str, Sequence[str], None] = None,
    formats: Union[str, Sequence[str]] = "hf",
    capabilities: Iterable[str] = (),
    max_requests: Optional[int] = None,
    max_context: Optional[int] = None,
    windows: Optional[str] = None,
    variants: Optional[Sequence[str]] = None,
    logits: Optional[int] = None,
) -> None:
    """Answers requests until bye.

    capabilities are some of
      crop, fork: the methods of those names
      chunks:     a request takes several tokens at once after its first forward too
      join:       requests of another number of tokens, or of which some begin and
                  others go on, in one forward
      padding:    Chunk.pad
      all:        logits of every token of a forward
    What is not named is not asked. Limits: dtypes of checkpoints (F32, F16, BF16),
    archs (mistral, gemma2, gemma3; default all), formats, max_requests in one forward,
    max_context tokens of a request, windows as "3-16", from the smallest to the largest,
    logits, how many of each row the engine gives: the largest, the others being -inf.
    variants are the ways in which the engine can run a checkpoint, the first by default:
    load() gets the name of one as variant where one is asked for.
    """
    hello = {"name": name, "version": version, "device": device, "dtypes": ",".join(dtypes)}
    hello["capabilities"] = ",".join(["model", *capabilities])
    hello |= limits(archs=archs, formats=formats, max_requests=max_requests, max_context=max_context, windows=windows, variants=variants, logits=logits)
    asked: dict[str, Callable[[Metadata], None]] = {
        "load": lambda meta: model.load(meta["path"], meta["format"], int(meta["window"]), **{k: meta[k] for k in ("variant",) if k in meta}),
        "crop": lambda meta: model.crop(meta["request"], int(meta["length"])),  # type: ignore[attr-defined]
        "fork": lambda meta: model.fork(meta["request"], meta["as"]),  # type: ignore[attr-defined]
        "drop": lambda meta: model.drop(meta["requests"].split(",")),
        "bye": lambda meta: None,
    }

    def answer(meta: Metadata, tensors: dict[str, Tensor]) -> tuple[Metadata, dict[str, Tensor]]:
        op = meta.get("op", "")
        if op == "hello":
            return hello, {}
        if op == "forward":
            chunks, all_rows = chunks_of(meta, tensors), meta.get("want") == "all"
            want = sum(len(c.tokens) for c in chunks) if all_rows else len(chunks)
            return {}, {"logits": logits_tensor(model.forward(chunks, all_rows), want)}
        if op not in asked:
            raise Refused(f"unknown op {op!r}")
        asked[op](meta)
        return {}, {}

    replies(answer, lambda tensors: {})


class generating:
    """A Model of a Generator: it gives whole prompts, asks ahead for some steps, and
    serves decodes from those as long as the tokens that it is given are the ones that
    the generator chose itself. Otherwise it generates anew, from all tokens."""

    def __init__(self, generator: Generator, ahead: int = 8) -> None:
        self.generator, self.ahead = generator, ahead
        self.forget()

    def forget(self) -> None:
        self.tokens: dict[str, list[int]] = {}
        self.pads: dict[str, int] = {}
        self.batch: list[str] = []  # the requests that queued is of
        self.queued: list[list[Any]] = []  # rows by request; the first was served last

    def load(self, path: str, format: str, window: int) -> None:
        self.forget()
        self.generator.load(path, format, window)

    def forward(self, chunks: list[Chunk], all: bool) -> list[Any]:
        if all:
            raise Refused("a generator gives logits of the last token alone")
        tokens = [([] if c.new else self.tokens[c.request]) + c.tokens for c in chunks]
        pads = [c.pad if c.new else self.pads[c.request] for c in chunks]
        if self.goes_on(chunks):
            for queue in self.queued:
                queue.pop(0)
        else:
            self.batch = []
            got = [rows(r) for r in self.generator.generate(tokens, self.ahead, pads)]
            if len(got) != len(chunks) or min(map(len, got)) == 0:
                raise ValueError(f"generate returned {[len(g) for g in got]} steps; want some for each of {len(chunks)} prompts")
            self.batch, self.queued = [c.request for c in chunks], got
        for c, t, p in zip(chunks, tokens, pads):
            self.tokens[c.request], self.pads[c.request] = t, p
        return [queue[0] for queue in self.queued]

    def goes_on(self, chunks: list[Chunk]) -> bool:
        """Whether the generator has chosen these very tokens already."""
        if [c.request for c in chunks] != self.batch or min(map(len, self.queued)) < 2:
            return False
        return all(not c.new and len(c.tokens) == 1 and c.tokens[0] == best(queue[0]) for c, queue in zip(chunks, self.queued))

    def crop(self, request: str, length: int) -> None:
        self.tokens[request] = self.tokens[request][:length]
        self.batch = []

    def fork(self, request: str, other: str) -> None:
        self.tokens[other], self.pads[other] = self.tokens[request], self.pads[request]

    def drop(self, requests: list[str]) -> None:
        for r in requests:
            del self.tokens[r], self.pads[r]


def best(row: Any) -> int:
    """The token that greedy decoding chooses."""
    if hasattr(row, "argmax"):
        return int(row.argmax())
    return max(range(len(row)), key=row.__getitem__)


def serve_generator(
    generator: Generator,
    name: str,
    version: str,
    device: str,
    ahead: int = 8,
    capabilities: Iterable[str] = ("chunks", "join", "crop", "fork"),
    **given: Any,
) -> None:
    """serve_model() of an engine that decodes by itself. A request that goes on, is
    cropped or is forked comes to it as a longer prompt, which meets its prefix cache
    where it has one. ahead is how many steps it is asked for at once."""
    serve_model(generating(generator, ahead), name, version, device, capabilities=capabilities, **given)
