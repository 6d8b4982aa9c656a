"""Reads the weights of a BERT encoder from the fp32 ONNX graph that Hugging Face's exporters write.

The exporters name each node after the module it came from, so weights are found by those names; a graph that is not
such an export, or not BERT, ends in a ValueError that says what is missing.
"""

import dataclasses
import pathlib
import re

import numpy as np
import onnx
from onnx import numpy_helper


@dataclasses.dataclass
class Linear:
    """y = x @ weight + bias; weight is [inputs, outputs]."""

    weight: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass
class Norm:
    weight: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass
class Layer:
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm


@dataclasses.dataclass
class Encoder:
    words: np.ndarray  # [vocabulary, hidden]
    positions: np.ndarray  # [longest text, hidden]
    types: np.ndarray  # [2, hidden]
    norm: Norm
    layers: list[Layer]
    heads: int
    head: list[Linear]  # a cross-encoder's pooler and classifier; empty for a bi-encoder

    @property
    def hidden(self) -> int:
        return self.words.shape[1]


class _Graph:
    def __init__(self, path: pathlib.Path):
        self.nodes = onnx.load(str(path)).graph
        self.values = {i.name: numpy_helper.to_array(i) for i in self.nodes.initializer}
        for node in self.nodes.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def one(self, suffix: str) -> np.ndarray:
        found = [name for name in self.values if name.endswith(suffix)]
        if len(found) != 1:
            raise ValueError(f"{len(found)} weights are called ...{suffix}, want one: not a BERT encoder as Hugging Face exports it")
        return self.values[found[0]].astype(np.float32)

    def linear(self, module: str) -> Linear:
        for node in self.nodes.node:
            if node.op_type == "MatMul" and node.name.endswith(module + "/MatMul") and node.input[1] in self.values:
                for add in self.nodes.node:
                    if add.op_type == "Add" and node.output[0] in add.input:
                        bias = [self.values[i] for i in add.input if i in self.values]
                        if len(bias) == 1:
                            return Linear(self.values[node.input[1]].astype(np.float32), bias[0].astype(np.float32))
        raise ValueError(f"no linear module {module}: not a BERT encoder as Hugging Face exports it")

    def norm(self, module: str) -> Norm:
        return Norm(self.one(module + ".weight"), self.one(module + ".bias"))

    def head_width(self) -> int:
        """Attention divides its scores by the root of a head's width; older exports do so before, newer ones after."""
        for node in self.nodes.node:
            if "layer.0/attention/self/" in node.name and node.op_type in ("Div", "Mul"):
                for name in node.input:
                    if name in self.values and self.values[name].size == 1:
                        scale = float(self.values[name].reshape(()))
                        return round(scale**2 if node.op_type == "Div" else scale**-2)
        raise ValueError("no scale of the attention scores found: give --heads")


def read(path: pathlib.Path, heads: int | None = None) -> Encoder:
    """Reads an encoder; heads is needed only where the graph does not show it."""
    graph = _Graph(path)
    words = graph.one("embeddings.word_embeddings.weight")
    numbers = [int(n) for n in re.findall(r"layer\.(\d+)\.", " ".join(graph.values))]
    if not numbers:
        raise ValueError("no encoder layers found: not a BERT encoder as Hugging Face exports it")
    layers = []
    for n in range(1 + max(numbers)):
        node, value = f"layer.{n}/", f"layer.{n}."
        layers.append(Layer(
            query=graph.linear(node + "attention/self/query"), key=graph.linear(node + "attention/self/key"),
            value=graph.linear(node + "attention/self/value"), output=graph.linear(node + "attention/output/dense"),
            attention_norm=graph.norm(value + "attention.output.LayerNorm"), up=graph.linear(node + "intermediate/dense"),
            down=graph.linear(f"layer.{n}/output/dense"), norm=graph.norm(value + "output.LayerNorm"),
        ))
    gemms = [n for n in graph.nodes.node if n.op_type == "Gemm" and n.input[1] in graph.values]
    head = [Linear(graph.values[n.input[1]].T.astype(np.float32), graph.values[n.input[2]].astype(np.float32)) for n in gemms]
    return Encoder(
        words=words, positions=graph.one("embeddings.position_embeddings.weight"),
        types=graph.one("embeddings.token_type_embeddings.weight"), norm=graph.norm("embeddings.LayerNorm"), layers=layers,
        heads=heads or words.shape[1] // graph.head_width(), head=head,
    )
