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
    """A value of some rows. op is view, cat, roll, gather, index_copy, clone, flip or add."""

    op: str
    args: tuple["Expr", ...] = ()
    name: str = ""  # view: a buffer, or a name defined before
    rows: tuple[int, int] = (0, 0)  # view: from, and up to; -1 is before the first row
    step: int = 1  # view
    index: tuple[int, ...] = ()  # gather: rows to take; index_copy: rows to write
    k: int = 0  # roll: row i goes to row i+k, modulo the rows


@dataclass(frozen=True)
class Stmt:
    """t = e, x[lo:hi] = e, x[lo:hi:step] = e, x[lo:hi] += e, x[[i, …]] = e, x[mask 01…] = e,
    return e, return reshape(e) or return transpose(e)."""

    target: str  # of what is returned: return1, return2 …
    value: Expr
    rows: Optional[tuple[int, int]] = None
    index: Optional[tuple[int, ...]] = None
    step: int = 1  # of rows
    mask: Optional[tuple[bool, ...]] = None
    add: bool = False  # to the rows
    form: str = ""  # return, reshape or transpose


@dataclass(frozen=True)
class Step:
    """A line of ir.N: out is a value, or for new, write, addto, scatter and mask a storage;
    for return, reshape and transpose it is return1, return2 …."""

    op: str
    out: str
    args: tuple[str, ...] = ()  # values; of read a storage
    rows: tuple[int, int, int] = (0, 0, 1)  # first, how many, step
    index: tuple[int, ...] = ()
    k: int = 0
    mask: tuple[bool, ...] = ()


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

    @property
    def returns(self) -> list[str]:
        """The names of what it returns, after its buffers: return1, return2 …."""
        return [s.target for s in self.stmts if s.form]


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

    def rows(self) -> tuple[tuple[int, int], int]:
        """lo:hi, lo:hi:step, or lo::step with a negative step, through the first row."""
        lo = self.number()
        self.expect(":")
        if self.accept(":"):
            return (lo, -1), self.number()
        hi = self.number()
        return (lo, hi), self.number() if self.accept(":") else 1

    def peek(self, word: str) -> bool:
        return self.at < len(self.words) and self.words[self.at] == word

    def expr(self) -> Expr:
        terms = [self.term()]
        while self.accept("+"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else Expr("add", tuple(terms))

    def term(self) -> Expr:
        if self.accept("("):
            e = self.expr()
            self.expect(")")
            return e
        name = self.name()
        if self.accept("["):
            rows, step = self.rows()
            self.expect("]")
            return Expr("view", name=name, rows=rows, step=step)
        if name not in ("cat", "roll", "gather", "clone", "index_copy", "flip"):
            raise ValueError(f"{self.text!r}: {name} is of another grammar; this package knows 2")
        self.expect("(")
        args, k = [self.expr()], 0
        index: tuple[int, ...] = ()
        while self.accept(","):
            if self.peek("["):
                index = self.numbers()
            elif name == "roll":
                k = self.number()
            else:
                args.append(self.expr())
        self.expect(")")
        return Expr(name, tuple(args), index=index, k=k)

    def stmt(self, returned: int) -> Stmt:
        """A statement after so many that return something."""
        target = self.name()
        if target == "return":
            s = self.returned(f"return{returned + 1}")
        else:
            s = self.assignment(target)
        if self.at < len(self.words):
            self.fail("the end of the line")
        return s

    def assignment(self, target: str) -> Stmt:
        rows, index, step, mask, add = None, None, 1, None, False
        if self.accept("["):
            if self.peek("["):
                index = self.numbers()
            elif self.accept("mask"):
                mask = tuple(c == "1" for c in self.match(r"[01]+", "a digit for each row"))
            else:
                rows, step = self.rows()
            self.expect("]")
            add = self.accept("+")
        self.expect("=")
        return Stmt(target, self.expr(), rows, index, step, mask, add)

    def returned(self, name: str) -> Stmt:
        for form in ("reshape", "transpose"):
            if self.accept(form):
                self.expect("(")
                s = Stmt(name, self.expr(), form=form)
                self.expect(")")
                return s
        return Stmt(name, self.expr(), form="return")


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
    mask: tuple[bool, ...] = ()
    if op == "mask":
        mask = tuple(c == "1" for c in rest.pop(0))
    args = [w for w in rest if not re.fullmatch(r"-?\d+", w)]
    numbers = [int(w) for w in rest if re.fullmatch(r"-?\d+", w)]
    rows = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else (0, 0, 1)
    return Step(op, out, tuple(args), rows, index, numbers[0] if op == "roll" else 0, mask)


def parse(text: str, ir: str = "") -> Program:
    """The program of program.N, which begins with its buffers, and of ir.N."""
    buffers: dict[str, int] = {}
    stmts: list[Stmt] = []
    for line in text.splitlines():
        if line.startswith("buffer "):
            _, name, rows = line.split()
            buffers[name] = int(rows)
        elif line:
            stmts.append(_Parser(line).stmt(sum(bool(s.form) for s in stmts)))
    return Program(buffers, stmts, [_step(line) for line in ir.splitlines() if line], text)


@dataclass(frozen=True)
class Code:
    """A Python function f of a program's buffers, which returns them, and then what the
    program returns, as a tuple."""

    name: str
    source: str

    def function(self, space: Mapping[str, Any]) -> Callable[..., Any]:
        names = dict(space)
        exec(compile(self.source, "<program>", "exec"), names)
        made: Callable[..., Any] = names[self.name]
        return made


def _slice(first: int, rows: int, step: int) -> str:
    """A slice as Python writes it; a negative step may go through the first row."""
    end = first + (rows - 1) * step + (1 if step > 0 else -1) if rows > 0 else first
    text = f"{first}:{'' if end < 0 else end}"
    return text if step == 1 else f"{text}:{step}"


def _view_rows(rows: tuple[int, int], step: int) -> str:
    """The rows of a view in a statement as a slice."""
    lo, hi = rows
    if step == 1:
        return f"{lo}:{hi}"
    return f"{lo}:{'' if hi < 0 else hi}:{step}"


@dataclass(frozen=True)
class Style:
    """How a framework writes each operation on buffers [batch, heads, rows, dim]: the
    defaults are those of numpy. {x} is a storage or a view, {rows} a slice, {first} its
    first row, {step} its step, {index} a list of rows, {mask} one of True and False, {a},
    {b} and {v} are values, {all} some with commas between them. A returned value, {x}, is a
    copy: [batch, heads, rows, dim], reshaped [batch, heads, rows·dim], transposed [batch,
    heads, dim, rows]; {batch} and {heads} are there for it. Every value but a read is one
    of its own, which no later write changes.

    An index is never empty, since an empty list has no type: a gather of no rows is a read
    of 0:0, an index_copy of none is a clone, and a write by an index or mask of none is left
    out."""

    read: str = "{x}[:, :, {rows}]"
    write: str = "{x}[:, :, {rows}] = {v}"
    scatter: str = "{x}[:, :, {index}] = {v}"
    mask: str = "{x}[:, :, {mask}] = {v}"
    addto: str = "{x}[:, :, {rows}] += {v}"
    plain: str = "{x} = {v}.copy()"
    reshape: str = "{x} = {v}.copy().reshape({batch}, {heads}, -1)"
    transpose: str = "{x} = {v}.swapaxes(2, 3).copy()"
    new: str = "{x} = {v}"
    clone: str = "{a}.copy()"
    cat: str = "np.concatenate(({all},), 2)"
    roll: str = "np.roll({a}, {k}, 2)"
    gather: str = "{a}[:, :, {index}]"
    index_copy: str = "index_copy({a}, {index}, {b})"
    flip: str = "{a}[:, :, ::-1].copy()"
    add: str = "({a} + {b})"
    decorator: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def views(self, p: Program, name: str = "p0") -> Code:
        """The program between views: a name of a view writes what it views."""
        lines = []
        for s in p.stmts:
            v = self._expr(s.value)
            if s.form:
                lines.append(self._returned(p, s.form, s.target, v))
            elif s.rows is not None:
                template = self.addto if s.add else self.write
                lines.append(template.format(x=s.target, rows=_view_rows(s.rows, s.step), first=s.rows[0], step=s.step, v=v))
            elif s.mask is not None:
                if any(s.mask):
                    lines.append(self.mask.format(x=s.target, mask=list(s.mask), v=v))
            elif s.index is not None:
                if s.index:
                    lines.append(self.scatter.format(x=s.target, index=list(s.index), v=v))
            else:
                lines.append(f"{s.target} = {v}")
        return self._code(p, name, lines)

    def _expr(self, e: Expr) -> str:
        if e.op == "view":
            return self.read.format(x=e.name, rows=_view_rows(e.rows, e.step), first=e.rows[0], step=e.step)
        return self._op(e.op, [self._expr(a) for a in e.args], list(e.index), e.k)

    def _op(self, op: str, args: list[str], index: list[int], k: int) -> str:
        template: str = getattr(self, op)
        if op == "add":
            total = args[0]
            for a in args[1:]:
                total = template.format(a=total, b=a)
            return total
        if op == "gather" and not index:
            return self.read.format(x=args[0], rows="0:0", first=0, step=1)
        if op == "index_copy" and not index:
            return self.clone.format(a=args[0])
        return template.format(a=args[0], b=args[-1], all=", ".join(args), index=index, k=k)

    def values(self, p: Program, name: str = "p0") -> Code:
        """The program of its steps: no name is a view, and writes may replace what a
        storage is called by."""
        lines: list[str] = []
        value: dict[str, str] = {}
        for s in p.steps:
            storage = s.out.replace(".", "_")
            args = [value.get(a, a.replace(".", "_")) for a in s.args]
            if s.op in ("write", "addto"):
                template = self.write if s.op == "write" else self.addto
                lines.append(template.format(x=storage, rows=_slice(*s.rows), first=s.rows[0], step=s.rows[2], v=args[0]))
            elif s.op == "mask":
                if any(s.mask):
                    lines.append(self.mask.format(x=storage, mask=list(s.mask), v=args[0]))
            elif s.op in ("return", "reshape", "transpose"):
                lines.append(self._returned(p, s.op, s.out, args[0]))
            elif s.op == "scatter":
                if s.index:
                    lines.append(self.scatter.format(x=storage, index=list(s.index), v=args[0]))
            elif s.op == "new":
                lines.append(self.new.format(x=storage, v=args[0]))
            else:
                value[s.out] = "v" + s.out[1:]
                made = self.read.format(x=args[0], rows=_slice(*s.rows), first=s.rows[0], step=s.rows[2]) if s.op == "read" else self._op(s.op, args, list(s.index), s.k)
                lines.append(f"{value[s.out]} = {made}")
        return self._code(p, name, lines)

    def _returned(self, p: Program, form: str, name: str, v: str) -> str:
        template = {"return": self.plain, "reshape": self.reshape, "transpose": self.transpose}[form]
        return template.format(x=name, v=v, batch=p.batch, heads=p.heads)

    def _code(self, p: Program, name: str, lines: list[str]) -> Code:
        body = "".join(f"    {line}\n" for text in lines for line in text.split("\n"))
        buffers = ", ".join(p.buffers)
        outputs = ", ".join([*p.buffers, *p.returns])
        return Code(name, f"{self.decorator}def {name}({buffers}):\n{body}    return {outputs},\n")


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
    mask="{x}[:, :, {mask}] = {v}.copy()",
    addto="{x}[:, :, {rows}] += {v}.copy()",
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
    the program's buffers, and then what it returns. They stay as they are."""
    made: tuple[Any, ...] = REFERENCE.views(p).function(numpy_space())(*[b.copy() for b in buffers])
    return made


Run = Callable[[list[list[Any]]], Optional[Sequence[Sequence[Any]]]]
"""Runs programs on their buffers, numpy arrays of each program in its order: in place,
or it returns what the buffers are afterwards, and after them what the program returns. In
place is for those that return nothing."""

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
    grammar: int = 2,
    dims: Optional[str] = None,
    batches: Optional[str] = None,
) -> None:
    """Answers requests to run programs until bye.

    build(programs, variant) returns a function of the buffers: a list for each program
    of numpy arrays [batch, heads, rows, dim], writable, BF16 as the bits. It changes
    them, or returns such lists, with what the program returns after its buffers; what is
    no numpy array is turned into one. Skipped
    skips a program; any other exception refuses it. Where several fail together each
    is tried alone. runs is how often it is called for one build, with other buffers.
    script(program, variant) is a file in Python that shows a fault without slidefuzz.
    grammar 1 is for what has no flips, steps, masks, sums and returned values; its
    programs have no steps, so that they are printed between views.
    dims and batches are the elements of a row and the batch sizes that most programs have,
    as in serve(): for those that take long for each.
    """
    built: dict[Any, Run] = {}

    def made(all: list[Program], variant: str) -> Run:
        # The text of grammar 1 does not say which buffers there are.
        key = variant, tuple((p.text, tuple(p.buffers.items()), p.batch, p.heads, p.dim, p.dtype) for p in all)
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
            outputs = [[np.asarray(b) for b in of] for of in (mine if got is None else got)]
            for p, of in zip(all, outputs):
                if len(of) != len(p.buffers) + len(p.returns):
                    raise TypeError(f"{len(of)} arrays; want the buffers {list(p.buffers)}, then {p.returns}")
            results.append(outputs)
        return results

    def programs(meta: Metadata, tensors: dict[str, Tensor]) -> tuple[Metadata, dict[str, Tensor]]:
        variant = meta.get("variant", variants[0] if variants else "")
        many = int(meta.get("runs", "1"))
        all, buffers = [], []
        for i in range(int(meta["count"])):
            p = parse(meta[f"program.{i}"], meta.get(f"ir.{i}", ""))
            if not p.buffers:  # grammar 1: what the tensors say
                mine = [name.split(".")[1] for name in tensors if name.split(".")[0] == str(i)]
                p = Program({name: tensors[f"{i}.{name}"][1][2] for name in mine}, p.stmts, text=p.text)
            names = [[f"{i}.{n}" if many == 1 else f"{i}.{n}.{r}" for n in [*p.buffers, *p.returns]] for r in range(many)]
            dtype, (batch, heads, _, dim), _ = tensors[names[0][0]]
            all.append(Program(p.buffers, p.stmts, p.steps, p.text, batch, heads, dim, dtype))
            buffers.append((names, [[to_array(tensors[n]) for n in of[: len(p.buffers)]] for of in names]))
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
        p = parse(meta.get("program") or _program_of(meta["case"]), meta.get("ir", ""))
        p = Program(p.buffers, p.stmts, p.steps, p.text, int(shape["batch"]), int(shape["heads"]), int(shape["dim"]), shape["dtype"])
        return "repro.py", script(p, meta.get("variant", variants[0] if variants else ""))

    def no_cache(**_: Any) -> NoReturn:
        raise NotImplementedError("this worker runs programs, not a cache")

    serve(
        no_cache, name, version, "single", dtypes, device,
        script=print_script if script else None, programs=programs,
        grammar=grammar if grammar > 1 else None, variants=variants or None, programs_at_once=at_once, runs=runs if runs > 1 else None,
        dims=dims, batches=batches,
    )  # fmt: skip


def _program_of(case: str) -> str:
    """The buffers and statements of a case file, which a worker of grammar 1 gets no other
    way: its lines from the first buffer on, but for its outcome."""
    lines = case.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("buffer "))
    return "\n".join(line for line in lines[first:] if not line.startswith(("expect ", "#")))


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
    print(f"run {{run}}: {{cells}} wrong cell{{'s' * (cells != 1)}}")
print({version}, f"wrong in {{wrong}} of {runs} runs")
raise SystemExit(wrong > 0)
'''

SCRIPT_RUNS = 20  # as many as slidefuzz counts


def script_text(p: Program, code: str, imports: str, call: str, version: str, setup: str = "", runs: int = SCRIPT_RUNS) -> str:
    """A script that runs code and compares with numpy. call is an expression that gives
    the buffers afterwards, of buffers(run), numpy arrays; version one for its last line. It exits with 1 where a run is wrong."""
    want = REFERENCE.views(p, "want").source.rstrip() + "\n"
    if "index_copy(" in want:
        want = REFERENCE_COPY + "\n\n" + want
    made = []
    for i, name in enumerate(p.buffers):
        shape = p.shape(name)
        number = f"(np.arange({int(np.prod(shape))}) + {i + 1} + 7 * run)"
        if p.dtype == "I32":  # all of the range, so that sums wrap round as those of a hunt do
            cells = f"({number} * 1640531527 % 2**32).astype(np.uint32).view(np.int32)"
        else:  # small enough for any type
            cells = f"({number} % 251).astype(np.{dtype_of(p.dtype).name})"
        made.append(f"{cells}.reshape{shape}")
    imports = "import numpy as np\n" + imports.strip()
    return SCRIPT.format(imports=imports, want=want, code=code.rstrip() + "\n", buffers=", ".join(made), setup=setup, call=call, version=version, runs=runs)
