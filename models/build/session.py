"""Runs a graph as redkite does: one text or pair a run, one thread."""

import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def open_tokenizer(path: pathlib.Path, most_tokens: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most_tokens, strategy="longest_first")
    return tokenizer


def feed(tokenizer: Tokenizer, *texts: str) -> dict[str, np.ndarray]:
    """Every input that a text model may have, for one text or one pair."""
    encoding = tokenizer.encode(*texts)
    ids = np.array([encoding.ids], dtype=np.int64)
    return {"input_ids": ids, "token_type_ids": np.array([encoding.type_ids], dtype=np.int64), "attention_mask": np.ones_like(ids)}


class Graph:
    """An ONNX graph, from a file or from its bytes; seconds is the processor time of its runs."""

    def __init__(self, model: pathlib.Path | bytes, tokenizer: Tokenizer | None = None):
        self.tokenizer = tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level, options.enable_mem_pattern = 1, 3, False
        source = model if isinstance(model, bytes) else str(model)
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.names = {i.name for i in self.session.get_inputs()}
        self.seconds, self.runs = 0.0, 0

    def outputs(self, inputs: dict[str, np.ndarray], wanted: list[str] | None = None) -> list[np.ndarray]:
        start = time.process_time()
        out = self.session.run(wanted, {k: v for k, v in inputs.items() if k in self.names})
        self.seconds += time.process_time() - start
        self.runs += 1
        return out

    def embedding(self, inputs: dict[str, np.ndarray], pooling: str = "cls") -> np.ndarray:
        """Of unit length, pooled here where the graph does not."""
        out = self.outputs(inputs)[0][0]
        if out.ndim == 2:
            out = out[0] if pooling == "cls" else out.mean(axis=0)
        return out / np.linalg.norm(out)

    def logit(self, inputs: dict[str, np.ndarray]) -> float:
        return float(self.outputs(inputs)[0][0][0])

    def embeddings(self, texts: list[str]) -> np.ndarray:
        return np.array([self.embedding(feed(self.tokenizer, t)) for t in texts])

    def logits(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array([self.logit(feed(self.tokenizer, *pair)) for pair in pairs])


class Kernels:
    """A built graph run by redkite's own kernels."""

    def __init__(self, binary: str, kernels: str, graph: str, kind: str, tokenizer: pathlib.Path, most_tokens: int):
        self.command = [binary, "bench", "encoder", "--kernels", kernels, "--kind", kind, "--graph", graph, "--tokenizer", str(tokenizer), "--max-tokens", str(most_tokens)]
        self.seconds, self.runs = 0.0, 0

    def run(self, pairs: list[tuple[str, str]]) -> dict:
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.writelines(json.dumps({"query": query, "passage": passage}) + "\n" for query, passage in pairs)
            file.flush()
            done = json.loads(subprocess.run([*self.command, "--texts", file.name], input="\n", capture_output=True, check=True, text=True).stdout)
        self.seconds, self.runs = self.seconds + done["cpu_ms"] / 1000, self.runs + len(pairs)
        return done

    def embeddings(self, texts: list[str]) -> np.ndarray:
        return np.array(self.run([("", text) for text in texts])["embeddings"])

    def logits(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array(self.run(pairs)["logits"])
