"""Writes an encoder as the ONNX graph that ONNX Runtime's CPU provider runs fastest.

What makes it fast, each found by measurement (docs/performance.md has the figures):

- No attention mask. redkite runs one text or pair at a time, so there is no padding to mask; MultiHeadAttention then
  takes its flash kernel. Rows of one batch must be equally long.
- The last layer computes only what is read: [CLS] alone asks, and only its feed-forward is run. Keys and values are still
  made of every token. Exact, and 5/6 of a layer's products saved. (A mean-pooled encoder needs every token.)
- Query, key and value are one product.
- Add and LayerNormalization, not SkipLayerNormalization: the fused operator's CPU kernel is scalar, and cost a fifth of the
  whole int8 model.
- Pooling and unit length are inside.

int8 products are DynamicQuantizeMatMul: signed weights, one scale a column, one activation scale a tensor taken at run
time. That is the form ONNX Runtime's VNNI kernels are fastest at.
"""

import dataclasses
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from encoder import Encoder, Layer, Linear, Norm

MICROSOFT = "com.microsoft"
EPSILON = 1e-12


@dataclasses.dataclass
class Quantised:
    """An int8 product: y = ((x / smooth) @ (weight * scale)) + bias."""

    weight: np.ndarray  # int8 [inputs, outputs]
    scale: np.ndarray  # [outputs]
    bias: np.ndarray
    smooth: np.ndarray | None  # [inputs], or None where it is in the product before


class Writer:
    """Collects nodes and constants. Every product goes through linear, under a name such as '3.up'."""

    def __init__(self, encoder: Encoder, kind: str, pooling: str, quantised: dict[str, Quantised] | None):
        self.encoder, self.kind, self.pooling, self.quantised = encoder, kind, pooling, quantised or {}
        self.nodes, self.constants = [], []
        self.inputs_of: dict[str, str] = {}  # product -> tensor that it reads, for calibration

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def node(self, kind: str, inputs: list[str], outputs: int = 1, domain: str = "", **attributes):
        name = f"{kind}_{len(self.nodes)}"
        made = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name, domain=domain, **attributes))
        return made[0] if outputs == 1 else made

    def linear(self, name: str, x: str, full: Linear) -> str:
        self.inputs_of[name] = x
        q = self.quantised.get(name)
        if q is None:
            return self.node("Add", [self.node("MatMul", [x, self.constant(full.weight)]), self.constant(full.bias)])
        if q.smooth is not None:
            x = self.node("Mul", [x, self.constant((1 / q.smooth).astype(np.float32))])
        inputs = [x, self.constant(q.weight), self.constant(q.scale), "", self.constant(q.bias)]
        return self.node("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)

    def normed(self, x: str, norm: Norm) -> str:
        weights = [self.constant(norm.weight), self.constant(norm.bias)]
        return self.node("LayerNormalization", [x, *weights], axis=-1, epsilon=EPSILON)

    def rows(self, table: np.ndarray, indices: str) -> str:
        """Rows of an embedding table, which an int8 model keeps in int8 with one scale a row."""
        if not self.quantised:
            return self.node("Gather", [self.constant(table), indices])
        whole, scale = rounded(table, axis=1)
        row = self.node("Cast", [self.node("Gather", [self.constant(whole), indices])], to=TensorProto.FLOAT)
        return self.node("Mul", [row, self.node("Gather", [self.constant(scale), indices])])

    def embeddings(self) -> str:
        e = self.encoder
        width = self.node("Gather", [self.node("Shape", ["input_ids"]), self.ints(1)])
        words, positions = self.rows(e.words, "input_ids"), e.positions
        if self.kind == "bi-encoder":  # one text: every token is of type 0
            positions = positions + e.types[0]
        else:
            words = self.node("Add", [words, self.node("Gather", [self.constant(e.types), "token_type_ids"])])
        positions = self.node("Slice", [self.constant(positions), self.ints(0), width, self.ints(0)])
        return self.normed(self.node("Add", [words, positions]), e.norm)

    def layer(self, n: int, x: str, layer: Layer, cls_only: bool) -> str:
        asks = x
        if cls_only:
            asks = self.node("Slice", [x, self.ints(0), self.ints(1), self.ints(1)])
            query = self.linear(f"{n}.query", asks, layer.query)
            both = self.linear(f"{n}.key_value", x, stacked(layer.key, layer.value))
            key, value = self.node("Split", [both], outputs=2, axis=2, num_outputs=2)
        else:
            all_three = self.linear(f"{n}.query_key_value", x, stacked(layer.query, layer.key, layer.value))
            query, key, value = self.node("Split", [all_three], outputs=3, axis=2, num_outputs=3)
        seen = self.node("MultiHeadAttention", [query, key, value], domain=MICROSOFT, num_heads=self.encoder.heads)
        x = self.node("Add", [self.linear(f"{n}.output", seen, layer.output), asks])
        x = self.normed(x, layer.attention_norm)
        wide = self.node("Gelu", [self.linear(f"{n}.up", x, layer.up)], domain=MICROSOFT)
        x = self.node("Add", [self.linear(f"{n}.down", wide, layer.down), x])
        return self.normed(x, layer.norm)

    def pooled(self, x: str) -> str:
        if self.pooling == "mean":
            x = self.node("ReduceMean", [x, self.ints(1)], keepdims=0)
        else:
            x = self.node("Reshape", [x, self.ints(-1, self.encoder.hidden)])
        if self.kind == "bi-encoder":
            return self.node("Div", [x, self.node("ReduceL2", [x, self.ints(-1)], keepdims=1)])
        *before, last = self.encoder.head
        for linear in before:
            x = self.node("Tanh", [self.node("Gemm", [x, self.constant(linear.weight), self.constant(linear.bias)])])
        return self.node("Gemm", [x, self.constant(last.weight), self.constant(last.bias)])

    def model(self, taps: bool = False) -> onnx.ModelProto:
        """The whole graph; with taps it also gives what every product reads."""
        x = self.embeddings()
        for n, layer in enumerate(self.encoder.layers):
            x = self.layer(n, x, layer, first_only(self.encoder, self.pooling, n))
        self.pooled(x)
        bi = self.kind == "bi-encoder"
        name, width = ("embedding", self.encoder.hidden) if bi else ("logits", self.encoder.head[-1].weight.shape[1])
        self.nodes[-1].output[0] = name
        inputs = [helper.make_tensor_value_info(i, TensorProto.INT64, ["batch", "tokens"])
                  for i in (["input_ids"] if bi else ["input_ids", "token_type_ids"])]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])]
        if taps:
            outputs += [helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in dict.fromkeys(self.inputs_of.values())]
        graph = helper.make_graph(self.nodes, self.kind, inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="redkite")


def rounded(weight: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and their scales, one for each line along the axis."""
    scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def first_only(encoder: Encoder, pooling: str, n: int) -> bool:
    """Of layer n only [CLS] is read: the last one's, where [CLS] is the text's vector."""
    return pooling == "cls" and n == len(encoder.layers) - 1


def stacked(*linears: Linear) -> Linear:
    return Linear(np.concatenate([l.weight for l in linears], axis=1), np.concatenate([l.bias for l in linears]))


def products(encoder: Encoder, pooling: str) -> dict[str, Linear]:
    """Every product of the graph by its name."""
    out = {}
    for n, l in enumerate(encoder.layers):
        if first_only(encoder, pooling, n):
            out[f"{n}.query"], out[f"{n}.key_value"] = l.query, stacked(l.key, l.value)
        else:
            out[f"{n}.query_key_value"] = stacked(l.query, l.key, l.value)
        out[f"{n}.output"], out[f"{n}.up"], out[f"{n}.down"] = l.output, l.up, l.down
    return out


def write(encoder: Encoder, kind: str, pooling: str, path: pathlib.Path, quantised: dict[str, Quantised] | None = None) -> None:
    onnx.save(Writer(encoder, kind, pooling, quantised).model(), str(path))

