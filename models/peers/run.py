"""Speed of redkite's encoders beside other projects', with the same weights, texts and cores, in one run.

`make bench-peers` calls this. 100 passages of a labelled set (BEIR layout) at their real lengths are reranked for one
query, or embedded; tokenising included. All run in turn, --rounds times after one to warm up, on the processors this is
pinned to (taskset); of each the least wall and processor time is given, the longest wall time, and how far its outputs are
from the peers' in fp32 (logits: largest difference; embeddings: least cosine). Peers load the model's fp32 export and
ONNX Runtime's own int8 version of it, redkite the graphs it built from the same export.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="true")

import numpy as np
from tokenizers import Tokenizer

import embedders
import folder
import rerankers
from process import Process

INFINITY = pathlib.Path(__file__).parent / "infinity.py"
BUILD = pathlib.Path(__file__).parent.parent / "build" / "build.py"
PACKAGES = ("sentence-transformers", "torch", "fastembed", "flashrank", "onnxruntime", "tokenizers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["bi-encoder", "cross-encoder"], required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--fp32", type=pathlib.Path, required=True, help="the model's export")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--int8", type=pathlib.Path, required=True, help="redkite's int8 graph of it")
    parser.add_argument("--binary", default="bin/redkite")
    parser.add_argument("--hugot", help="models/peers/hugot, built; rerankers only")
    parser.add_argument("--infinity", help="a Python interpreter that has infinity-emb; its PyTorch engine is run, in fp32")
    parser.add_argument("--precision", nargs="+", choices=["int8", "fp32"], default=["int8", "fp32"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    query, passages = texts(args.data)
    with tempfile.TemporaryDirectory() as temp:
        root = pathlib.Path(temp)
        path, lines = root / "model", root / "texts.jsonl"
        lines.write_text("\n".join(json.dumps({"query": query, "passage": p}) for p in passages))
        folder.make(path, args.tokenizer, args.fp32)
        graphs = {"int8": args.int8, "fp32": root / "built" / "model.onnx"}
        if "fp32" in args.precision:
            subprocess.run([sys.executable, str(BUILD), "--kind", args.kind, "--precision", "fp32", "--fp32", str(args.fp32),
                            "--tokenizer", str(args.tokenizer), "--output", str(root / "built")], check=True, stdout=subprocess.DEVNULL)
        peers = rerankers if args.kind == "cross-encoder" else embedders
        entries = {"reference": peers.sentence_transformers(path, "model.onnx", 1)}
        for precision in args.precision:
            entries[f"{precision} redkite"] = Process(args.binary, "bench", "encoder", "--kind", args.kind, "--graph", graphs[precision],
                                                      "--tokenizer", args.tokenizer, "--texts", lines)
            entries |= {f"{precision} {name}": run for name, run in peers.entries(precision, path, root).items()}
            if args.hugot and args.kind == "cross-encoder":
                entries |= {f"{precision} {name}": run for name, run in rerankers.hugot(args.hugot, precision, path, lines).items()}
            if args.infinity and precision == "fp32":
                entries |= {f"fp32 infinity, PyTorch, batch {batch}{note}": Process(
                    args.infinity, INFINITY, "--kind", args.kind, "--model", path, "--texts", lines, "--engine", "torch", "--batch", batch)
                    for batch, note in ((32, " (default)"), (1, ""))}
        found = measure(entries, query, passages, args.rounds, args.kind)
    about = {
        "kind": args.kind, "data": args.data.name, "passages": len(passages), "tokens": lengths(args.tokenizer, query if peers is rerankers else None, passages),
        "versions": {p: importlib.metadata.version(p) for p in PACKAGES}, "load": os.getloadavg(), "processors": sorted(os.sched_getaffinity(0)),
    }
    if args.json:
        print(json.dumps(about | {"found": found}))
    else:
        report(about, found, args.precision)


def texts(data: pathlib.Path) -> tuple[str, list[str]]:
    """The first query, and 100 passages spread over the set."""
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    spread = [corpus[i * len(corpus) // 100] for i in range(100)]
    query = json.loads((data / "queries.jsonl").read_text().splitlines()[0])["text"]
    return query, [(row.get("title", "") + " " + row["text"]).strip() for row in spread]


def lengths(tokenizer: pathlib.Path, query: str | None, passages: list[str]) -> dict:
    """Tokens of a run: of a passage, or of its pair with the query."""
    opened = Tokenizer.from_file(str(tokenizer))
    opened.no_padding()
    opened.enable_truncation(512)
    counts = [len(opened.encode(query, p) if query else opened.encode(p)) for p in passages]
    return {"mean": round(statistics.mean(counts)), "least": min(counts), "most": max(counts)}


def measure(entries: dict, query: str, passages: list[str], rounds: int, kind: str) -> dict:
    outputs = {name: run(query, passages) for name, run in entries.items()}
    reference = np.array(outputs.pop("reference"), dtype=float)
    del entries["reference"]
    walls, cpus = {name: [] for name in entries}, {name: [] for name in entries}
    for _ in range(rounds):
        for name, run in entries.items():
            cpu, start = time.process_time(), time.perf_counter()
            run(query, passages)
            walls[name].append((time.perf_counter() - start) * 1000)
            cpus[name].append(run.last["cpu_ms"] if isinstance(run, Process) else (time.process_time() - cpu) * 1000)
    return {name: {
        "wall_ms": round(min(walls[name])), "longest_ms": round(max(walls[name])), "cpu_ms": round(min(cpus[name])),
        "times_redkite": round(min(walls[name]) / min(walls[name.split()[0] + " redkite"]), 2), "against_reference": agreement(outputs[name], reference, kind),
    } for name in entries}


def agreement(outputs, reference: np.ndarray, kind: str) -> float | None:
    if outputs is None:
        return None
    own = np.array(outputs, dtype=float)
    if kind == "cross-encoder":
        return round(float(np.abs(own.ravel() - reference.ravel()).max()), 4)
    return round(float((own * reference).sum(axis=1).min()), 4)


def report(about: dict, found: dict, precisions: list[str]) -> None:
    print(json.dumps(about))
    for precision in precisions:
        print(f"\n| {precision} | ms | longest | processor ms | times redkite's | against fp32 |\n|---|---|---|---|---|---|")
        for name, row in found.items():
            if name.startswith(precision + " "):
                print(f"| {name.removeprefix(precision + ' ')} | {row['wall_ms']:,} | {row['longest_ms']:,} | {row['cpu_ms']:,} | {row['times_redkite']} | {row['against_reference']} |")


if __name__ == "__main__":
    main()
