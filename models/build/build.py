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

import onnx
import onnxruntime
from tokenizers import Tokenizer

import encoder as encoders
import graph
import recipe
from session import Graph, feed, open_tokenizer

HERE = pathlib.Path(__file__).resolve().parent


def sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def feeds(tokenizer: Tokenizer, kind: str, rows: list[dict], prefix: str) -> list[dict]:
    """Calibration runs: passages and prefixed queries for a bi-encoder, pairs for a cross-encoder."""
    if kind == "cross-encoder":
        return [feed(tokenizer, row["query"], row["passage"]) for row in rows]
    return [feed(tokenizer, prefix + row["query"] if i % 4 == 0 else row["passage"]) for i, row in enumerate(rows)]


def worst(fp32: pathlib.Path, built: pathlib.Path, kind: str, pooling: str, runs: list[dict]) -> float:
    """Bi-encoder: the least cosine between the export and the built graph; cross-encoder: the largest logit difference."""
    first, second = Graph(fp32), Graph(built)
    if kind == "cross-encoder":
        return max(abs(first.logit(run) - second.logit(run)) for run in runs)
    return min(float(first.embedding(run, pooling) @ second.embedding(run)) for run in runs)


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
    tokenizer = open_tokenizer(args.tokenizer, args.max_tokens)
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
        measure: round(worst(args.fp32, path, args.kind, args.pooling, runs), 6),
        "onnxruntime": onnxruntime.__version__,
    }))


if __name__ == "__main__":
    main()
