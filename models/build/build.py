"""Builds the graph that redkite runs from a model's fp32 export.

    pip install -r models/build/requirements.txt
    python models/build/build.py --kind bi-encoder --pooling cls --fp32 model.onnx --tokenizer tokenizer.json --output DIR

Writes DIR/model.onnx and prints one line of JSON about it. `redkite models build` calls this and adds the model.
--precision fp32 writes the fused graph with its numbers unchanged. Where the bundled models' fp32 files come from, and
with which arguments they were built, stands in their folders' README.md.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

import encoder as encoders
import graph
import recipe

HERE = pathlib.Path(__file__).resolve().parent


def sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def feeds(tokenizer: Tokenizer, kind: str, texts: list[dict], prefix: str) -> list[dict]:
    """Calibration runs: passages and prefixed queries for a bi-encoder, pairs for a cross-encoder."""
    out = []
    for i, row in enumerate(texts):
        if kind == "cross-encoder":
            encoding = tokenizer.encode(row["query"], row["passage"])
            types = {"token_type_ids": np.array([encoding.type_ids], dtype=np.int64)}
        else:
            encoding, types = tokenizer.encode(prefix + row["query"] if i % 4 == 0 else row["passage"]), {}
        out.append({"input_ids": np.array([encoding.ids], dtype=np.int64), **types})
    return out


def least_agreement(fp32: pathlib.Path, built: pathlib.Path, kind: str, pooling: str, runs: list[dict]) -> float:
    """Bi-encoder: the least cosine between the export and the built graph; cross-encoder: the largest logit difference."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    first, second = (onnxruntime.InferenceSession(str(p), options, providers=["CPUExecutionProvider"]) for p in (fp32, built))
    names = {i.name for i in first.get_inputs()}
    found = []
    for feed in runs:
        ids = feed["input_ids"]
        whole = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)} | feed
        a = first.run(None, {k: v for k, v in whole.items() if k in names})[0][0]
        b = second.run(None, feed)[0][0]
        if kind == "cross-encoder":
            found.append(float(np.abs(a - b).max()))
            continue
        if a.ndim == 2:
            a = a[0] if pooling == "cls" else a.mean(axis=0)
        found.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    return max(found) if kind == "cross-encoder" else min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["bi-encoder", "cross-encoder"], required=True)
    parser.add_argument("--pooling", choices=["cls", "mean"], default="cls")
    parser.add_argument("--precision", choices=["int8", "fp32"], default="int8")
    parser.add_argument("--fp32", type=pathlib.Path, required=True)
    parser.add_argument("--fp32-sha256", help="stop when the fp32 file is another one")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--heads", type=int, help="attention heads, where the graph does not show them")
    parser.add_argument("--query-prefix", default="", help="what a bi-encoder wants before queries")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--calibration", type=pathlib.Path, default=HERE / "calibration.jsonl")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder")
    args = parser.parse_args()

    digest = sha256(args.fp32)
    if args.fp32_sha256 and digest != args.fp32_sha256:
        raise SystemExit(f"{args.fp32}: sha256 is {digest}, want {args.fp32_sha256}")
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(args.max_tokens, strategy="longest_first")
    texts = [json.loads(line) for line in args.calibration.read_text(encoding="utf-8").splitlines()]
    runs = feeds(tokenizer, args.kind, texts, args.query_prefix)
    try:
        model = encoders.read(args.fp32, args.heads)
    except ValueError as problem:
        raise SystemExit(f"{args.fp32}: {problem}")
    if args.kind == "cross-encoder" and not model.head:
        raise SystemExit(f"{args.fp32}: no classifier found: not a cross-encoder")
    if args.kind == "bi-encoder":
        model.head = []
    quantised = None
    if args.precision == "int8":
        model, quantised = recipe.quantise(model, args.kind, args.pooling, runs, lambda *a, **k: print(*a, **k, file=sys.stderr))
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "model.onnx"
    graph.write(model, args.kind, args.pooling, path, quantised)
    onnx.checker.check_model(str(path), full_check=False)
    measure = "largest_logit_difference" if args.kind == "cross-encoder" else "least_cosine"
    print(json.dumps({
        "bytes": path.stat().st_size, "sha256": sha256(path), "fp32_sha256": digest, "precision": args.precision,
        measure: round(least_agreement(args.fp32, path, args.kind, args.pooling, runs), 6),
        "onnxruntime": onnxruntime.__version__,
    }))


if __name__ == "__main__":
    main()
