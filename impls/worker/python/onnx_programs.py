"""In-place programs as ONNX graphs, for ONNX Runtime and OpenVINO: a write is ScatterND,
or the rows before, the new ones and the rows after, concatenated."""

import argparse
from functools import reduce

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variants", default="scatter,concat,openvino-scatter,openvino-concat", help="those to run, comma-separated")
args = parser.parse_args()  # --help wants nothing of what follows
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from slidefuzz_worker.programs import serve_programs

TYPES = {"F32": TensorProto.FLOAT, "U8": TensorProto.UINT8, "I32": TensorProto.INT32}


class Graph:
    """A graph under way; a value is the name of its tensor."""

    def __init__(self):
        self.nodes, self.constants, self.n = [], [], 0

    def op(self, kind, *inputs, **attributes):
        self.n += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"n{self.n}"], **attributes))
        return f"n{self.n}"

    def ints(self, numbers):
        self.n += 1
        self.constants.append(onnx.numpy_helper.from_array(np.array(numbers, np.int64), f"n{self.n}"))
        return f"n{self.n}"

    def rows(self, x, first, n, step=1):
        end = first + n * step
        return self.op("Slice", x, self.ints([first]), self.ints([end if end >= 0 else -(2**31)]), self.ints([2]), self.ints([step]))

    def gather(self, x, index):
        return self.op("Gather", x, self.ints(index), axis=2)

    def put(self, x, index, v):
        """ScatterND writes along the first axes: the rows come first meanwhile."""
        front = [2, 0, 1, 3]
        a, b = self.op("Transpose", x, perm=front), self.op("Transpose", v, perm=front)
        made = self.op("ScatterND", a, self.ints(np.array(index).reshape(-1, 1)), b)
        return self.op("Transpose", made, perm=[1, 2, 0, 3])


def model(p, variant):
    g, names, rows = Graph(), {n: n for n in p.buffers}, dict(p.buffers)
    value = {}
    returned = []
    for s in p.steps:
        args = [value.get(a, "") for a in s.args]
        first, n, step = s.rows
        if s.op == "read":
            value[s.out], rows[s.out] = g.rows(names[s.args[0]], first, n, step), n
        elif s.op == "cat":
            value[s.out], rows[s.out] = g.op("Concat", *args, axis=2), sum(rows[a] for a in s.args)
        elif s.op in ("roll", "gather", "flip"):
            n = rows[s.args[0]]
            index = {"gather": list(s.index), "roll": [(i - s.k) % n for i in range(n)], "flip": list(range(n))[::-1]}[s.op]
            value[s.out], rows[s.out] = g.gather(args[0], index), len(index)
        elif s.op == "index_copy":
            value[s.out], rows[s.out] = g.put(args[0], s.index, args[1]), rows[s.args[0]]
        elif s.op == "clone":
            value[s.out], rows[s.out] = g.op("Identity", args[0]), rows[s.args[0]]
        elif s.op == "add":
            value[s.out], rows[s.out] = reduce(lambda a, b: g.op("Add", a, b), args), rows[s.args[0]]
        elif s.op == "new":
            names[s.out], rows[s.out] = args[0], rows[s.args[0]]
        elif s.op in ("return", "reshape", "transpose"):
            shape = [p.batch, p.heads, rows[s.args[0]], p.dim]
            if s.op == "reshape":
                returned.append((g.op("Reshape", args[0], g.ints([p.batch, p.heads, -1])), [*shape[:2], shape[2] * shape[3]]))
            elif s.op == "transpose":
                returned.append((g.op("Transpose", args[0], perm=[0, 1, 3, 2]), [*shape[:2], shape[3], shape[2]]))
            else:
                returned.append((args[0], shape))
        elif s.op == "write" and step == 1 and variant.endswith("concat"):
            x, end = names[s.out], rows[s.out]
            names[s.out] = g.op("Concat", g.rows(x, 0, first), args[0], g.rows(x, first + n, end - first - n), axis=2)
        else:
            index = {"scatter": s.index, "mask": [i for i, m in enumerate(s.mask) if m]}.get(s.op, [first + i * step for i in range(n)])
            v = g.op("Add", g.gather(names[s.out], index), args[0]) if s.op == "addto" else args[0]
            names[s.out] = g.put(names[s.out], index, v)
    outputs = []
    for b in p.buffers:
        g.nodes.append(helper.make_node("Identity", [names[b]], [f"out_{b}"]))
        outputs.append(helper.make_tensor_value_info(f"out_{b}", TYPES[p.dtype], p.shape(b)))
    for i, (x, shape) in enumerate(returned):
        g.nodes.append(helper.make_node("Identity", [x], [f"returned_{i}"]))
        outputs.append(helper.make_tensor_value_info(f"returned_{i}", TYPES[p.dtype], shape))
    inputs = [helper.make_tensor_value_info(b, TYPES[p.dtype], p.shape(b)) for b in p.buffers]
    graph = helper.make_graph(g.nodes, "program", inputs, outputs, g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def alone():
    """Options of a session that runs in its caller's thread. Each session has a pool, whose
    threads spin while they wait, and a hunt keeps many sessions: hundreds of threads, for
    tensors that are too small to be divided among two."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def compiled(p, variant):
    if variant.startswith("openvino"):
        import openvino

        one = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        made = openvino.Core().compile_model(openvino.Core().read_model(model(p, variant)), "CPU", one)
        return lambda x: list(made(x).values())
    session = onnxruntime.InferenceSession(model(p, variant), alone(), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, dict(zip(p.buffers, x)))


def build(programs, variant):
    all = [compiled(p, variant) for p in programs]
    return lambda calls: [f(x) for f, x in zip(all, calls)]


if __name__ == "__main__":
    version = f"onnxruntime {onnxruntime.__version__}"
    serve_programs(build, "onnx-programs", version, list(TYPES), "cpu", args.variants.split(","), at_once=32)
