"""In-place programs: a worker for a compiler is a table of templates and one call.

A Program is parsed from the lines of a request. A Style prints it as Python code: as
statements between views, for frameworks that have them (views), or with every name
resolved to its storage, for those that have none (values). serve_programs() answers
requests with what the framework makes of that code. Needs numpy.

    STYLE = Style(write="{x} = {x}.at[:, :, {rows}].set({v})", …)

    def build(programs, variant):
        functions = [jax.jit(STYLE.values(p).function({"jnp": jnp})) for p in programs]
        return lambda calls: [f(*buffers) for f, buffers in zip(functions, calls)]

    serve_programs(build, "jax", jax.__version__, ["F32"], "cpu")
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Optional

import numpy as np

from . import Metadata, Tensor, serve
from .arrays import dtype_of, from_array, to_array

__all__ = ["Code", "Expr", "Program", "Skipped", "Stmt", "Style", "parse", "reference", "script_text", "serve_programs"]


class Skipped(Exception):
    """The framework's documentation says that it need not run this program: no
    finding, but counted. The text says where."""


@dataclass(frozen=True)
class Expr:
    """A value of some rows. op is view, cat, roll, gather, index_copy or clone."""

    op: str
    args: tuple["Expr", ...] = ()
    name: str = ""  # view: a buffer, or a name defined before
    rows: tuple[int, int] = (0, 0)  # view: from, and up to
    index: tuple[int, ...] = ()  # gather: rows to take; index_copy: rows to write
    k: int = 0  # roll: row i goes to row i+k, modulo the rows


@dataclass(frozen=True)
class Stmt:
    """t = e, x[lo:hi] = e or x[[i, …]] = e."""

    target: str
    value: Expr
    rows: Optional[tuple[int, int]] = None
    index: Optional[tuple[int, ...]] = None


@dataclass(frozen=True)
class Step:
    """A line of ir.N: out is a value, or for new, write and scatter a storage."""

    op: str
    out: str
    args: tuple[str, ...] = ()  # values; of read a storage
    rows: tuple[int, int, int] = (0, 0, 1)  # first, how many, step
    index: tuple[int, ...] = ()
    k: int = 0


@dataclass(frozen=True)
class Program:
    """A program of a request, and the shape of its buffers."""

    buffers: Mapping[str, int]  # rows by name, in their order
    stmts: Sequence[Stmt]
    steps: Sequence[Step] = ()
    text: str = ""
    batch: int = 1
    heads: int = 1
    dim: int = 1
    dtype: str = "F32"

    def shape(self, name: str) -> tuple[int, int, int, int]:
        return self.batch, self.heads, self.buffers[name], self.dim


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.words = re.findall(r"[A-Za-z_]\w*|-?\d+|\S", text)
        self.at = 0

    def fail(self, want: str) -> NoReturn:
        found = self.words[self.at] if self.at < len(self.words) else "the end"
        raise ValueError(f"{self.text!r}: want {want} at {found!r}")

    def accept(self, word: str) -> bool:
        if self.at < len(self.words) and self.words[self.at] == word:
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            self.fail(repr(word))

    def match(self, pattern: str, what: str) -> str:
        if self.at >= len(self.words) or not re.fullmatch(pattern, self.words[self.at]):
            self.fail(what)
        self.at += 1
        return str(self.words[self.at - 1])

    def name(self) -> str:
        return self.match(r"[A-Za-z_]\w*", "a name")

    def number(self) -> int:
        return int(self.match(r"-?\d+", "a number"))

    def numbers(self) -> tuple[int, ...]:
        self.expect("[")
        all: list[int] = []
        while not self.accept("]"):
            if all:
                self.expect(",")
            all.append(self.number())
        return tuple(all)

    def rows(self) -> tuple[int, int]:
        lo = self.number()
        self.expect(":")
        return lo, self.number()

    def expr(self) -> Expr:
        name = self.name()
        if self.accept("["):
            rows = self.rows()
            self.expect("]")
            return Expr("view", name=name, rows=rows)
        if name not in ("cat", "roll", "gather", "clone", "index_copy"):
            raise ValueError(f"{self.text!r}: {name} is of another grammar; this package knows 2")
        self.expect("(")
        args, k = [self.expr()], 0
        index: tuple[int, ...] = ()
        while self.accept(","):
            if self.at < len(self.words) and self.words[self.at] == "[":
                index = self.numbers()
            elif name == "roll":
                k = self.number()
            else:
                args.append(self.expr())
        self.expect(")")
        return Expr(name, tuple(args), index=index, k=k)

    def stmt(self) -> Stmt:
        target, rows, index = self.name(), None, None
        if self.accept("["):
            if self.at < len(self.words) and self.words[self.at] == "[":
                index = self.numbers()
            else:
                rows = self.rows()
            self.expect("]")
        self.expect("=")
        s = Stmt(target, self.expr(), rows, index)
        if self.at < len(self.words):
            self.fail("the end of the line")
        return s


def _step(line: str) -> Step:
    """%4 = index_copy %2 [0, 1] %3, write x 0 2 1 %3 …: see docs/workers.md."""
    head, bracket, tail = line.partition("[")
    index: tuple[int, ...] = ()
    if bracket:
        inside, _, tail = tail.partition("]")
        index = tuple(int(n) for n in inside.split(",") if n.strip())
    words = head.split() + tail.split()
    if words[1] == "=":
        out, op, rest = words[0], words[2], words[3:]
    else:
        op, out, rest = words[0], words[1], words[2:]
    args = [w for w in rest if not re.fullmatch(r"-?\d+", w)]
    numbers = [int(w) for w in rest if re.fullmatch(r"-?\d+", w)]
    rows = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else (0, 0, 1)
    return Step(op, out, tuple(args), rows, index, numbers[0] if op == "roll" else 0)


def parse(text: str, ir: str = "") -> Program:
    """The program of program.N, which begins with its buffers, and of ir.N."""
    buffers, stmts = {}, []
    for line in text.splitlines():
        if line.startswith("buffer "):
            _, name, rows = line.split()
            buffers[name] = int(rows)
        elif line:
            stmts.append(_Parser(line).stmt())
    return Program(buffers, stmts, [_step(line) for line in ir.splitlines() if line], text)


@dataclass(frozen=True)
class Code:
    """A Python function f of a program's buffers, which returns them as a tuple."""

    name: str
    source: str

    def function(self, space: Mapping[str, Any]) -> Callable[..., Any]:
        names = dict(space)
        exec(compile(self.source, "<program>", "exec"), names)
        made: Callable[..., Any] = names[self.name]
        return made


def _slice(first: int, rows: int, step: int) -> str:
    end = first + rows * step
    text = f"{first}:{'' if end < 0 else end}"
    return text if step == 1 else f"{text}:{step}"


@dataclass(frozen=True)
class Style:
    """How a framework writes each operation on buffers [batch, heads, rows, dim]: the
    defaults are those of numpy. {x} is a storage or a view, {rows} a slice, {first} its
    first row, {index} a list of rows, {a}, {b} and {v} are values, {all} some with commas between them."""

    read: str = "{x}[:, :, {rows}]"
    write: str = "{x}[:, :, {rows}] = {v}"
    scatter: str = "{x}[:, :, {index}] = {v}"
    new: str = "{x} = {v}"
    clone: str = "{a}.copy()"
    cat: str = "np.concatenate(({all},), 2)"
    roll: str = "np.roll({a}, {k}, 2)"
    gather: str = "{a}[:, :, {index}]"
    index_copy: str = "index_copy({a}, {index}, {b})"
    decorator: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def views(self, p: Program, name: str = "p0") -> Code:
        """The program between views: a name of a view writes what it views."""
        lines = []
        for s in p.stmts:
            v = self._expr(s.value)
            if s.rows is not None:
                lines.append(self.write.format(x=s.target, rows=f"{s.rows[0]}:{s.rows[1]}", first=s.rows[0], v=v))
            elif s.index is not None:
                lines.append(self.scatter.format(x=s.target, index=list(s.index), v=v))
            else:
                lines.append(f"{s.target} = {v}")
        return self._code(p, name, lines)

    def _expr(self, e: Expr) -> str:
        if e.op == "view":
            return self.read.format(x=e.name, rows=f"{e.rows[0]}:{e.rows[1]}")
        return self._op(e.op, [self._expr(a) for a in e.args], list(e.index), e.k)

    def _op(self, op: str, args: list[str], index: list[int], k: int) -> str:
        template: str = getattr(self, op)
        return template.format(a=args[0], b=args[-1], all=", ".join(args), index=index, k=k)

    def values(self, p: Program, name: str = "p0") -> Code:
        """The program of its steps: no name is a view, and writes may replace what a
        storage is called by."""
        lines: list[str] = []
        value: dict[str, str] = {}
        for s in p.steps:
            storage = s.out.replace(".", "_")
            args = [value.get(a, a.replace(".", "_")) for a in s.args]
            if s.op == "write":
                lines.append(self.write.format(x=storage, rows=_slice(*s.rows), first=s.rows[0], v=args[0]))
            elif s.op == "scatter":
                lines.append(self.scatter.format(x=storage, index=list(s.index), v=args[0]))
            elif s.op == "new":
                lines.append(self.new.format(x=storage, v=args[0]))
            else:
                value[s.out] = "v" + s.out[1:]
                made = self.read.format(x=args[0], rows=_slice(*s.rows)) if s.op == "read" else self._op(s.op, args, list(s.index), s.k)
                lines.append(f"{value[s.out]} = {made}")
        return self._code(p, name, lines)

    def _code(self, p: Program, name: str, lines: list[str]) -> Code:
        body = "".join(f"    {line}\n" for text in lines for line in text.split("\n"))
        buffers = ", ".join(p.buffers)
        return Code(name, f"{self.decorator}def {name}({buffers}):\n{body}    return {buffers},\n")


INDEX_COPY = '''def index_copy(base, index, rows):
    base = base.copy()
    base[:, :, index] = rows
    return base
'''

# Its helper has a name of its own, since in a script it stands beside the framework's.
REFERENCE_COPY = INDEX_COPY.replace("def index_copy", "def numpy_index_copy")
REFERENCE = Style(
    write="{x}[:, :, {rows}] = {v}.copy()",
    scatter="{x}[:, :, {index}] = {v}.copy()",
    index_copy="numpy_index_copy({a}, {index}, {b})",
)
"""The reference: numpy, every right-hand side read whole before anything is written."""


def numpy_space() -> dict[str, Any]:
    """What code in numpy's style needs."""
    space: dict[str, Any] = {"np": np}
    exec(INDEX_COPY + REFERENCE_COPY, space)
    return space


def reference(p: Program, buffers: Sequence[Any]) -> tuple[Any, ...]:
    """What value semantics makes of arrays [batch, heads, rows, dim], in the order of
    the program's buffers. They stay as they are."""
    made: tuple[Any, ...] = REFERENCE.views(p).function(numpy_space())(*[b.copy() for b in buffers])
    return made


Run = Callable[[list[list[Any]]], Optional[Sequence[Sequence[Any]]]]
"""Runs programs on their buffers, numpy arrays of each program in its order: in place,
or it returns what the buffers are afterwards."""

Build = Callable[[list[Program], str], Run]
"""Compiles independent programs, as one where it can, in a variant."""

REMEMBERED = 64  # compilations: a finding is run again and again


def serve_programs(
    build: Build,
    name: str,
    version: str,
    dtypes: Iterable[str],
    device: str,
    variants: Sequence[str] = (),
    at_once: int = 1,
    runs: int = 1,
    script: Optional[Callable[[Program, str], str]] = None,
) -> None:
    """Answers requests to run programs until bye.

    build(programs, variant) returns a function of the buffers: a list for each program
    of numpy arrays [batch, heads, rows, dim], writable, BF16 as the bits. It changes
    them, or returns such lists; what is no numpy array is turned into one. Skipped
    skips a program; any other exception refuses it. Where several fail together each
    is tried alone. runs is how often it is called for one build, with other buffers.
    script(program, variant) is a file in Python that shows a fault without slidefuzz.
    """
    built: dict[Any, Run] = {}

    def made(all: list[Program], variant: str) -> Run:
        key = variant, tuple((p.text, p.batch, p.heads, p.dim, p.dtype) for p in all)
        if key not in built:
            if len(built) >= REMEMBERED:
                built.clear()
            built[key] = build(all, variant)
        return built[key]

    def calls(all: list[Program], variant: str, buffers: list[list[list[Any]]]) -> list[list[list[Any]]]:
        """By call, then by program."""
        run = made(all, variant)
        results = []
        for call in buffers:
            mine = [[b.copy() for b in of] for of in call]
            got = run(mine)
            results.append([[np.asarray(b) for b in of] for of in (mine if got is None else got)])
        return results

    def programs(meta: Metadata, tensors: dict[str, Tensor]) -> tuple[Metadata, dict[str, Tensor]]:
        variant = meta.get("variant", variants[0] if variants else "")
        many = int(meta.get("runs", "1"))
        all, buffers = [], []
        for i in range(int(meta["count"])):
            p = parse(meta[f"program.{i}"], meta.get(f"ir.{i}", ""))
            names = [[f"{i}.{n}" if many == 1 else f"{i}.{n}.{r}" for n in p.buffers] for r in range(many)]
            dtype, (batch, heads, _, dim), _ = tensors[names[0][0]]
            all.append(Program(p.buffers, p.stmts, p.steps, p.text, batch, heads, dim, dtype))
            buffers.append((names, [[to_array(tensors[n]) for n in of] for of in names]))
        reply: Metadata = {}
        out: dict[str, Tensor] = {}

        def attempt(which: list[int]) -> None:
            try:
                got = calls([all[i] for i in which], variant, [[buffers[i][1][r] for i in which] for r in range(many)])
            except Exception as e:
                if len(which) > 1:
                    for i in which:
                        attempt([i])
                    return
                kind = "skip" if isinstance(e, Skipped) else "error"
                text = str(e) if isinstance(e, Skipped) else f"{type(e).__name__}: {e}"
                reply[f"{kind}.{which[0]}"] = text.strip().split("\n")[0][:500] or type(e).__name__
                return
            for r, call in enumerate(got):
                for i, of in zip(which, call):
                    for tensor, b in zip(buffers[i][0][r], of):
                        out[tensor] = from_array(b, all[i].dtype)

        attempt(list(range(len(all))))
        return reply, out

    def print_script(meta: Metadata) -> tuple[str, str]:
        assert script is not None
        shape = dict(f.split("=") for f in re.findall(r"^shape (.*)$", meta["case"], re.M)[0].split())
        p = parse(meta["program"], meta.get("ir", ""))
        p = Program(p.buffers, p.stmts, p.steps, p.text, int(shape["batch"]), int(shape["heads"]), int(shape["dim"]), shape["dtype"])
        return "repro.py", script(p, meta.get("variant", variants[0] if variants else ""))

    def no_cache(**_: Any) -> NoReturn:
        raise NotImplementedError("this worker runs programs, not a cache")

    serve(
        no_cache, name, version, "single", dtypes, device,
        script=print_script if script else None, programs=programs,
        grammar=2, variants=variants or None, programs_at_once=at_once, runs=runs if runs > 1 else None,
    )  # fmt: skip


SCRIPT = '''# Found and shrunk by slidefuzz (https://github.com/slidefuzz/slidefuzz).
{imports}


# What it should do, in numpy: every right-hand side is read whole first.
{want}

{code}

def buffers(run):
    return [{buffers}]


{setup}wrong = 0
for run in range({runs}):
    got = {call}
    cells = sum(int((np.asarray(g) != w).sum()) for g, w in zip(got, want(*buffers(run))))
    wrong += cells > 0
    print(f"run {{run}}: {{cells}} wrong cells")
print({version}, f"wrong in {{wrong}} of {runs} runs")
'''

SCRIPT_RUNS = 20  # as many as slidefuzz counts


def script_text(p: Program, code: str, imports: str, call: str, version: str, setup: str = "", runs: int = SCRIPT_RUNS) -> str:
    """A script that runs code and compares with numpy. call is an expression that gives
    the buffers afterwards, of buffers(run), numpy arrays; version one for its last line."""
    want = REFERENCE.views(p, "want").source.rstrip() + "\n"
    if "index_copy(" in want:
        want = REFERENCE_COPY + "\n\n" + want
    made = []
    for i, name in enumerate(p.buffers):
        shape = p.shape(name)
        # The numbers of the cells, small enough for any type.
        made.append(f"((np.arange({int(np.prod(shape))}) + {i + 1} + 7 * run) % 251).astype(np.{dtype_of(p.dtype).name}).reshape{shape}")
    imports = "import numpy as np\n" + imports.strip()
    return SCRIPT.format(imports=imports, want=want, code=code.rstrip() + "\n", buffers=", ".join(made), setup=setup, call=call, version=version, runs=runs)
