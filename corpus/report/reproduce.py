

def encoding(dtype, lanes, heads, dim):
    """put(tensor, lane, serial): the bytes of a row, whose cells name their origin.
    tensor is 0 for keys and 1 for values; serial is the number of the token in the
    whole case, -1 for left padding."""
    if dtype == "F32":  # every normal number of one sign has an origin of its own
        codes = 254 << 23

        def put(tensor, lane, serial):
            n = ((serial + 1) * lanes + lane) * dim
            return struct.pack(f"<{dim}I", *(tensor << 31 | (n + e) % codes + (1 << 23) for e in range(dim)))

        return put
    if dtype == "U8":
        table = list(range(1, 255))
    else:
        bits, mantissa, exponents = {"BF16": (16, 7, 254), "F16": (16, 10, 30), "F8_E4M3": (8, 3, 15)}[dtype]
        table = [sign << (bits - 1) | c for sign in (0, 1) for c in range(1 << mantissa, (exponents + 1) << mantissa)]
        if dtype == "F8_E4M3":
            table = [c for c in table if c & 127 != 127]  # not a number

    def mix(x):
        mask = (1 << 64) - 1
        x = (x + 0x9E3779B97F4A7C15) & mask
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
        return x ^ x >> 31

    codes = len(table)
    offsets = [
        2 * (mix(i) % (codes // 2)) + (i // dim // lanes + i // dim % lanes // heads + i // dim % lanes % heads + i % dim) % 2
        for i in range(2 * lanes * dim)
    ]
    letter = "B" if dtype in ("U8", "F8_E4M3") else "H"

    def put(tensor, lane, serial):
        at, step = (tensor * lanes + lane) * dim, (serial + 1) * 101
        return struct.pack(f"<{dim}{letter}", *(table[(o + step) % codes] for o in offsets[at:at + dim]))

    return put


class Failed(Exception):
    pass


class Worker:
    """The worker's process, and the messages to and from it."""

    def __init__(self):
        self.process = subprocess.Popen(COMMAND, env={**os.environ, **ENV}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("hello", protocol="1")

    def ask(self, op, tensors=None, **meta):
        """(metadata, tensors) of the reply. A tensor is (dtype, shape, bytes)."""
        header, at = {"__metadata__": {"op": op, **{k: str(v) for k, v in meta.items()}}}, 0
        for name, (dtype, shape, data) in (tensors or {}).items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
        text = json.dumps(header).encode()
        timer = threading.Timer(TIMEOUT, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(struct.pack("<Q", len(text)) + text + b"".join(x[2] for x in (tensors or {}).values()))
            self.process.stdin.flush()
            header = json.loads(self.read(struct.unpack("<Q", self.read(8))[0]))
            reply = header.pop("__metadata__", {})
            data = self.read(max((e["data_offsets"][1] for e in header.values()), default=0))
        except (OSError, ValueError, struct.error) as e:
            raise Failed(f"{op}: no reply that can be read ({e}); the worker ended, or did not answer within {TIMEOUT} s") from e
        finally:
            timer.cancel()
        return reply, {name: (e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for name, e in header.items()}

    def read(self, n):
        data = self.process.stdout.read(n)
        if len(data) != n:
            raise ValueError("the reply ends early")
        return data


def numbers(all):
    return ",".join(map(str, all))


class Case:
    """The operations, and what the cache should hold: for each entry of the batch its
    tokens, oldest first, each (serial, the entry that it was appended to)."""

    def __init__(self, worker):
        self.worker, self.serial, self.saved = worker, 0, {}
        self.put = encoding(DTYPE, LANES, SHAPE["heads"], SHAPE["dim"])
        self.entries = [[] for _ in range(SHAPE["batch"])]
        worker.ask("new", dtype=DTYPE, **SHAPE)

    def row(self, tensor, lane, token):
        serial, entry = token
        return self.put(tensor, entry * SHAPE["heads"] + lane % SHAPE["heads"], serial)

    def tensor(self, tensor, op):
        """The keys or values of an append, [batch, heads, tokens, dim]."""
        q, heads, dim, dtype = op["n"], op.get("heads") or SHAPE["heads"], op.get("dim") or SHAPE["dim"], op.get("dtype") or DTYPE
        batch = op.get("batch") or len(op.get("each") or self.entries)
        put, of = self.put, (len(self.entries), SHAPE["heads"], SHAPE["dim"])
        if dtype != DTYPE:
            put, of = encoding(dtype, batch * heads, heads, dim), (batch, heads, dim)
        size, rows = {"F32": 4, "BF16": 2, "F16": 2}.get(dtype, 1), []
        for b in range(batch):
            pad = max((op.get("pad") or [0] * batch)[b], q - (op.get("each") or [q] * batch)[b])
            for head in range(heads):
                for i in range(q):
                    row = put(tensor, b % of[0] * of[1] + head % of[1], -1 if i < pad else self.serial + i)
                    rows.append((row * (dim // of[2] + 1))[:dim * size])
        return dtype, [batch, heads, q, dim], b"".join(rows)

    def do(self, kind, op):
        if kind == "append":
            return self.append(op)
        what = {"crop": "length", "snapshot": "id", "restore": "id"}
        meta = {}
        if op.get("each"):
            meta = {"entries" if kind == "select" else "lengths": numbers(op["each"])}
        elif kind in what:
            meta = {what[kind]: op["n"]}
        reply, _ = self.worker.ask(kind, **meta)
        if "error" in reply:
            return reply["error"]
        if kind == "reset":
            self.entries = [[] for _ in range(SHAPE["batch"])]
        elif kind == "crop":
            self.entries = [e[:n] for e, n in zip(self.entries, op.get("each") or [op["n"]] * len(self.entries))]
        elif kind == "select":
            self.entries = [list(self.entries[b]) for b in op["each"]]
        elif kind == "snapshot":
            self.saved[op["n"]] = [list(e) for e in self.entries]
        elif kind == "restore":
            self.entries = [list(e) for e in self.saved[op["n"]]]
        return None

    def append(self, op):
        q, batch = op["n"], len(self.entries)
        tensors = {"keys": self.tensor(0, op), "values": self.tensor(1, op)}
        meta = {"lens": numbers(op["each"])} if op.get("each") else {}
        reply, got = self.worker.ask("update", tensors, **meta)
        first = self.serial
        self.serial += q
        if "error" in reply:
            return reply["error"]
        if tensors["keys"][:2] != (DTYPE, [batch, SHAPE["heads"], q, SHAPE["dim"]]):
            return None  # a chunk of another shape: MUST says that it was to be refused
        lens, pads = op.get("each") or [q] * batch, op.get("pad") or [0] * batch
        for b, tokens in enumerate(self.entries):
            tokens += [(-1 if i < pads[b] else first + i, b) for i in range(q - lens[b], q)]
        self.check(got, q, lens)
        return None

    def check(self, got, q, lens):
        """The rows that an update returned are those of the tokens that its queries see."""
        w, long = SHAPE["window"], q > SHAPE["window"]
        positions, visible = (self.list(got.get(name)) for name in ("positions", "visible"))
        for t, name in enumerate(("keys", "values")):
            dtype, shape, data = got[name]
            rows = shape[2]
            fixed = CONTRACT == "single" and not positions
            want = [len(self.entries), SHAPE["heads"], (q if long else w) if fixed else rows, SHAPE["dim"]]
            if dtype != DTYPE or shape != want:
                raise Failed(f"{name} are {dtype} {shape}, expected {DTYPE} {want}")
            most = max(map(len, self.entries))
            if CONTRACT == "chunks" and visible is None and most > 4 * w and rows > w - 1 + max(1, q) + SLACK + SINKS:
                raise Failed(f"{name}: {rows} rows after {most} tokens in a window of {w}")
            size = len(data) // max(1, shape[0] * shape[1] * rows)
            for lane in range(shape[0] * shape[1]):
                b = lane // shape[1]
                tokens = self.entries[b]
                n = len(tokens)
                claims = positions[b % len(positions)] if positions else [n - min(n, rows) + i if i < n else None for i in range(rows)]
                masks = visible[b % len(visible)][q - lens[b]:] if visible else None
                for i, p in enumerate(claims):
                    if p is not None and p >= n and masks is None:
                        raise Failed(f"{name}, lane {lane}, row {i} claims position {p} of {n} tokens")
                    if masks is not None and not any(m[i] for m in masks) or positions and p < 0 or p is not None and p >= n:
                        continue  # it may hold anything
                    row = data[(lane * rows + i) * size:(lane * rows + i + 1) * size]
                    if row != (bytes(size) if p is None else self.row(t, lane, tokens[p])):
                        raise Failed(f"{name}, lane {lane}, row {i}: expected {self.name(tokens[p] if p is not None else None)}, found {self.find(row)}")
                if CONTRACT == "single" and long:
                    if positions and not set(range(n - lens[b], n)) <= set(claims):
                        raise Failed(f"{name}, entry {b}: the chunk's own positions are not all there, among {claims}")
                elif lane % shape[1] == 0:
                    self.sees(f"{name}, entry {b}", n, lens[b], claims, masks)

    @staticmethod
    def sees(where, n, q, claims, masks):
        """Each of the last q of n positions sees its window and the sinks, once."""
        queries = range(n - q, n) if masks is not None else range(n - 1, n - 1 + min(q, 1))
        for k, p in enumerate(queries):
            oldest = p if masks is not None or CONTRACT == "single" else n - q
            first = max(0, oldest - SHAPE["window"] + 1)
            must = set(range(first, p + 1)) | set(range(min(SINKS, p + 1)))
            held = [c for i, c in enumerate(claims) if c is not None and c >= 0 and (masks is None or masks[k][i])]
            if len(held) != len(set(held)):
                raise Failed(f"{where}: a position is there twice, among {sorted(held)}")
            if not must <= set(held) or masks is not None and set(held) != must:
                raise Failed(f"{where}: the query at position {p} must see the positions {sorted(must)}, and is given {sorted(held)}")

    @staticmethod
    def list(tensor):
        """Nested lists of a tensor of positions or booleans; None where there is none."""
        if tensor is None:
            return None
        dtype, shape, data = tensor
        flat = list(data) if dtype == "BOOL" else list(struct.unpack(f"<{len(data) // 8}q", data))
        if len(shape) == 1:
            return [flat]
        for n in reversed(shape[1:]):
            flat = [flat[i:i + n] for i in range(0, len(flat), n)] if n else [[]] * shape[0]
        return flat

    @staticmethod
    def name(token):
        return "nothing (zeros)" if token is None else "padding" if token[0] < 0 else f"token {token[0]}"

    def find(self, row):
        if not any(row):
            return self.name(None)
        for serial in range(self.serial - 1, -2, -1):
            for tensor in (0, 1):
                for lane in range(LANES):
                    if self.put(tensor, lane, serial) == row:
                        return f"{self.name((serial, 0))} of {('keys', 'values')[tensor]}, lane {lane}"
        return "bits of no token"


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), FOLDER)
    if os.path.isdir(folder):  # a script that was moved alone runs the command where it is called
        os.chdir(folder)
    worker = Worker()
    try:
        for run in range(RUNS):
            at = "new"
            try:
                case = Case(worker)
                for i, (kind, op) in enumerate(OPS):
                    at = f"operation {i + 1} ({kind} {op})"
                    error = case.do(kind, op)
                    must = MUST.get(i)
                    if must == "accept" and error:
                        raise Failed(f"refused: {error}")
                    if must == "refuse" and not error:
                        raise Failed("accepted, and must be refused")
            except Failed as e:
                print(f"FAILED in run {run + 1}: {at}: {e}")
                return 1
    finally:
        worker.process.kill()
        worker.process.wait()
    print(f"{RUNS} runs, and nothing was wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
