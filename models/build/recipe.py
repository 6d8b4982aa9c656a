"""The int8 recipe: which numbers a product gets.

A dynamic int8 product has one activation scale a tensor, so one large value costs every other one its precision. In
these encoders [CLS] carries such values: up to 30 where the median channel stays under 3. Three steps, none of which
costs time in a run beyond one multiplication a product (1 to 2 % measured):

1. Smoothing (Xiao et al. 2023, SmoothQuant): each input channel is divided by a factor that its weights are multiplied
   with. Of a grid of strengths the one with the least error on the calibration texts is taken, for each product alone.
   Where the factor can go into the product before (values, before the attention's output) it costs nothing.
2. Rounding with error compensation (Frantar et al. 2023, GPTQ): each weight row is rounded in turn, and the error is made
   good by the rows that follow, weighted by how inputs go together on the calibration texts.
3. Bias correction (Nagel et al. 2019): what is left of the mean error goes into the bias.

[CLS] is what is read in the end, so its errors count more (CLS_WEIGHT of all tokens of a text together).
"""

import dataclasses

import numpy as np

from encoder import Encoder, Linear
from graph import Quantised, Writer, products, rounded
from session import Graph

CLS_WEIGHT = 0.1
CEILINGS = (1.5, 2, 2.5, 3, 4, 5, 6, 8, 12)  # largest absolute value that a channel keeps
STRENGTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # SmoothQuant's alpha
DAMPING = 0.01


def calibrate(encoder: Encoder, kind: str, pooling: str, feeds: list[dict]) -> dict[str, list[np.ndarray]]:
    """What every product reads, as [tokens, inputs] a text."""
    writer = Writer(encoder, kind, pooling, None)
    graph = Graph(writer.model(taps=True).SerializeToString())
    wanted = sorted(set(writer.inputs_of.values()))
    seen: dict[str, list[np.ndarray]] = {name: [] for name in writer.inputs_of}
    for feed in feeds:
        read = dict(zip(wanted, graph.outputs(feed, wanted)))
        for name, tensor in writer.inputs_of.items():
            seen[name].append(read[tensor][0])
    return seen


def compensated(weight: np.ndarray, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step 2; gram is inputs.T @ inputs, [inputs, inputs]."""
    w = weight.astype(np.float64).copy()
    scale = np.maximum(np.abs(w).max(axis=0) / 127, 1e-12)
    gram = gram + np.eye(len(w)) * DAMPING * np.mean(np.diag(gram))
    order = np.argsort(-np.diag(gram), kind="stable")
    w, gram = w[order], gram[order][:, order]
    factor = np.linalg.cholesky(np.linalg.inv(gram)).T
    out = np.zeros_like(w)
    for i in range(len(w)):
        out[i] = np.clip(np.rint(w[i] / scale), -127, 127)
        w[i + 1:] -= np.outer(factor[i, i + 1:], (w[i] - out[i] * scale) / factor[i, i])
    return out[np.argsort(order)].astype(np.int8), scale.astype(np.float32)


def error(texts: list[np.ndarray], weight: np.ndarray, smooth: np.ndarray) -> float:
    """Mean squared error of the int8 product, as ONNX Runtime computes it."""
    q, scale = rounded(weight * smooth[:, None])
    back, total = q * scale, 0.0
    for x in texts:
        s = x / smooth
        low, high = min(0, s.min()), max(0, s.max())
        step = (high - low) / 255
        zero = np.rint(-low / step)
        d = (((np.clip(np.rint(s / step) + zero, 0, 255) - zero) * step @ back - x @ weight) ** 2).sum(axis=1)
        total += d.mean() + CLS_WEIGHT * d[0]
    return total / len(texts)


def smoothing(texts: list[np.ndarray], weight: np.ndarray) -> tuple[str, np.ndarray]:
    """Step 1: the best of the grid, and what it is called."""
    largest = np.maximum(np.max([np.abs(x).max(axis=0) for x in texts], axis=0), 1e-3)
    strongest = np.maximum(np.abs(weight).max(axis=1), 1e-4)
    grid = {"none": np.ones_like(largest)}
    for ceiling in CEILINGS:
        grid[f"at most {ceiling}"] = np.maximum(1, largest / ceiling)
    for alpha in STRENGTHS:
        factor = largest**alpha / strongest ** (1 - alpha)
        grid[f"alpha {alpha}"] = factor / np.exp(np.log(factor).mean())
    best = min(grid, key=lambda name: error(texts, weight, grid[name]))
    return best, grid[best].astype(np.float32)


def quantise(encoder: Encoder, kind: str, pooling: str, feeds: list[dict], say=print) -> tuple[Encoder, dict[str, Quantised]]:
    """Chooses every product's numbers. The encoder that comes back has the smoothing of attention outputs in its values."""
    seen = calibrate(encoder, kind, pooling, feeds)
    encoder, out = folded(encoder, seen), {}
    for name, linear in products(encoder, pooling).items():
        texts, smooth, how = seen[name], None, "in the values"
        if not name.endswith(".output"):
            how, smooth = smoothing(texts, linear.weight)
        out[name] = product(texts, linear, smooth)
        say(f"{name}: smoothing {how}", flush=True)
    return encoder, out


def folded(encoder: Encoder, seen: dict[str, list[np.ndarray]]) -> Encoder:
    """Step 1 for what the attention's outputs read, in the values; seen then has them smoothed."""
    layers = []
    for n, layer in enumerate(encoder.layers):
        name = f"{n}.output"
        _, factor = smoothing(seen[name], layer.output.weight)
        seen[name] = [x / factor for x in seen[name]]
        layers.append(dataclasses.replace(
            layer, value=Linear((layer.value.weight / factor).astype(np.float32), (layer.value.bias / factor).astype(np.float32)),
            output=Linear((layer.output.weight * factor[:, None]).astype(np.float32), layer.output.bias),
        ))
    return dataclasses.replace(encoder, layers=layers)


def product(texts: list[np.ndarray], linear: Linear, smooth: np.ndarray | None) -> Quantised:
    """Steps 2 and 3."""
    weight = linear.weight if smooth is None else linear.weight * smooth[:, None]
    inputs = np.concatenate([x if smooth is None else x / smooth for x in texts]).astype(np.float64)
    importance = np.concatenate([[1 + CLS_WEIGHT * len(x)] + [1.0] * (len(x) - 1) for x in texts])
    q, scale = compensated(weight, (inputs * importance[:, None]).T @ inputs / len(inputs))
    left = inputs.mean(axis=0) @ (weight - q * scale)
    return Quantised(q, scale, (linear.bias + left).astype(np.float32), smooth)
