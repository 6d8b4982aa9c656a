"""Measures int8 candidates of a bi-encoder against its fp32 graph.

    python models/build/measure.py --data scifact --tokenizer models/bge-small-en-v1.5/tokenizer.json \
        --max-tokens 256 --others 1500 fp32.onnx candidate.onnx ...

--data is a labelled set in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv). Printed for each graph: nDCG@10
of exact search by cosine, the mean and least cosine of its passage embeddings with the first graph's, the share of the
first graph's top ten that it finds too, and processor time a text. One text a run and one thread, as redkite runs them.
--others N keeps every relevant passage and the first N others; without it the whole corpus is used.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


def embed(graph: pathlib.Path, tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options)
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        first = session.run(None, inputs)[0][0, 0]
        rows.append(first / np.linalg.norm(first))
    return np.array(rows)


def load(folder: pathlib.Path, others: int | None):
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:]:
        query, passage, grade = line.split("\t")
        relevant.setdefault(query, {})[passage] = int(grade)
    wanted = {passage for grades in relevant.values() for passage in grades}
    passages, rest = {}, others
    for line in (folder / "corpus.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["_id"] not in wanted and rest is not None:
            if rest == 0:
                continue
            rest -= 1
        passages[row["_id"]] = row["title"] + " " + row["text"]
    lines = (folder / "queries.jsonl").read_text().splitlines()
    queries = {row["_id"]: row["text"] for row in map(json.loads, lines) if row["_id"] in relevant}
    return passages, queries, relevant


def ndcg(order: np.ndarray, ids: list[str], grades: dict[str, int]) -> float:
    gain = sum(grades.get(ids[j], 0) / math.log2(k + 2) for k, j in enumerate(order))
    best = sorted(grades.values(), reverse=True)[: len(order)]
    return gain / sum(g / math.log2(k + 2) for k, g in enumerate(best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="+", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--others", type=int)
    args = parser.parse_args()

    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(args.max_tokens)
    passages, queries, relevant = load(args.data, args.others)
    ids = list(passages)
    print(f"{len(ids)} passages, {len(queries)} queries, at most {args.max_tokens} tokens", flush=True)
    reference = None
    for graph in args.graphs:
        start = time.process_time()
        found = embed(graph, tokenizer, list(passages.values()))
        spent = (time.process_time() - start) / len(ids)
        scores = embed(graph, tokenizer, [QUERY_PREFIX + text for text in queries.values()]) @ found.T
        top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        quality = np.mean([ndcg(top[i], ids, relevant[query]) for i, query in enumerate(queries)])
        if reference is None:
            reference = found, top
        cosines = (found * reference[0]).sum(axis=1)
        shared = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(top, reference[1])])
        print(f"{graph.name}: nDCG@10 {quality:.4f}, cosine mean {cosines.mean():.4f} least {cosines.min():.4f}, "
              f"top ten shared {shared:.3f}, {spent * 1000:.1f} ms a passage", flush=True)


if __name__ == "__main__":
    main()
