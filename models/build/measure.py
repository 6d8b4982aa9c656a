"""Measures built graphs against the fp32 export: quality on labelled sets, agreement, processor time.

    python models/build/measure.py bi-encoder --data FOLDER --tokenizer tokenizer.json export.onnx built.onnx ...
    python models/build/measure.py cross-encoder --data FOLDER --tokenizer tokenizer.json --vectors run.npz export.onnx built.onnx ...

--data is a labelled set in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv); it may be given more than once.
The first graph is the one that the others are compared with. A bi-encoder is measured by exact search over the whole
set: nDCG@10, cosines with the first graph's passage embeddings, share of its top ten found too. A cross-encoder reorders
the --depth passages that the vectors saved by a bi-encoder's run (--save) put first: nDCG@10 of its order alone and of its
blend with the bi-encoder's scores as internal/retrieve blends them, the share of a query's pairs of passages that it puts
in the first graph's order, and the largest difference of logits. One text a run and one thread, as redkite runs them.
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
CROSS_WEIGHT = 0.5  # of the blend, as in internal/retrieve/blend.go


class Graph:
    def __init__(self, path: pathlib.Path, tokenizer: Tokenizer):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level, options.enable_mem_pattern = 1, 3, False
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.names = {i.name for i in self.session.get_inputs()}
        self.tokenizer, self.seconds, self.runs = tokenizer, 0.0, 0

    def run(self, *texts: str) -> np.ndarray:
        encoding = self.tokenizer.encode(*texts)
        ids = np.array([encoding.ids], dtype=np.int64)
        feed = {"input_ids": ids, "token_type_ids": np.array([encoding.type_ids], dtype=np.int64), "attention_mask": np.ones_like(ids)}
        start = time.process_time()
        out = self.session.run(None, {k: v for k, v in feed.items() if k in self.names})[0][0]
        self.seconds += time.process_time() - start
        self.runs += 1
        return out

    def embed(self, text: str) -> np.ndarray:
        out = self.run(text)
        first = out[0] if out.ndim == 2 else out
        return first / np.linalg.norm(first)


class LabelledSet:
    def __init__(self, folder: pathlib.Path):
        self.name, self.relevant = folder.name, {}
        for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:]:
            query, passage, grade = line.split("\t")
            self.relevant.setdefault(query, {})[passage] = int(grade)
        rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
        self.passages = {row["_id"]: (row["title"] + " " + row["text"]).strip() for row in rows}
        rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
        self.queries = {row["_id"]: row["text"] for row in rows if row["_id"] in self.relevant}
        self.ids = list(self.passages)

    def ndcg(self, query: str, order: list[int]) -> float:
        grades = self.relevant[query]
        gain = sum(grades.get(self.ids[j], 0) / math.log2(k + 2) for k, j in enumerate(order[:10]))
        best = sorted(grades.values(), reverse=True)[:10]
        return gain / sum(g / math.log2(k + 2) for k, g in enumerate(best))


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / max(x.std(), 1e-12)


def bi_encoder(labelled: LabelledSet, graphs: list[tuple[str, Graph]], save: pathlib.Path | None) -> None:
    reference = None
    for name, graph in graphs:
        passages = np.array([graph.embed(t) for t in labelled.passages.values()])
        spent = graph.seconds / graph.runs * 1000
        queries = np.array([graph.embed(QUERY_PREFIX + t) for t in labelled.queries.values()])
        top = np.argsort(-(queries @ passages.T), axis=1, kind="stable")[:, :10]
        quality = np.mean([labelled.ndcg(q, list(top[i])) for i, q in enumerate(labelled.queries)])
        if reference is None:
            reference = passages, top
        cosines = (passages * reference[0]).sum(axis=1)
        shared = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(top, reference[1])])
        print(f"{labelled.name} {name}: nDCG@10 {quality:.4f}, cosine mean {cosines.mean():.4f} least {cosines.min():.4f}, "
              f"top ten shared {shared:.3f}, {spent:.1f} ms a passage", flush=True)
        if save:
            np.savez(save, **{f"{labelled.name}_passages": passages, f"{labelled.name}_queries": queries})


def order_agreement(a: np.ndarray, b: np.ndarray) -> float:
    upper = np.triu(np.ones((len(a), len(a))), 1) > 0
    return float(np.mean(((a[:, None] - a) * (b[:, None] - b))[upper] > 0))


def cross_encoder(labelled: LabelledSet, graphs: list[tuple[str, Graph]], args: argparse.Namespace) -> None:
    vectors = np.load(args.vectors)
    dense = vectors[f"{labelled.name}_queries"] @ vectors[f"{labelled.name}_passages"].T
    queries = list(labelled.queries)[:: args.every]
    rows = [list(labelled.queries).index(q) for q in queries]
    found = [np.argsort(-dense[r], kind="stable")[: args.depth] for r in rows]
    reference, texts = None, list(labelled.passages.values())
    for name, graph in graphs:
        logits = [np.array([graph.run(labelled.queries[q], texts[j])[0] for j in found[i]]) for i, q in enumerate(queries)]
        reference = reference or logits
        alone = np.mean([labelled.ndcg(q, list(found[i][np.argsort(-logits[i], kind="stable")])) for i, q in enumerate(queries)])
        mixed = [CROSS_WEIGHT * standardised(logits[i]) + (1 - CROSS_WEIGHT) * standardised(dense[r][found[i]]) for i, r in enumerate(rows)]
        blend = np.mean([labelled.ndcg(q, list(found[i][np.argsort(-mixed[i], kind="stable")])) for i, q in enumerate(queries)])
        agree = np.mean([order_agreement(a, b) for a, b in zip(reference, logits)])
        largest = max(float(np.abs(a - b).max()) for a, b in zip(reference, logits))
        print(f"{labelled.name} {name}: {len(queries)} queries, nDCG@10 alone {alone:.4f} blend {blend:.4f}, pair order {agree:.4f}, "
              f"largest logit difference {largest:.3f}, {graph.seconds / graph.runs * 1000:.1f} ms a pair", flush=True)
        if args.save:
            np.savez(args.save, queries=queries, found=np.array(found), logits=np.array(logits),
                     dense=np.array([dense[r][found[i]] for i, r in enumerate(rows)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["bi-encoder", "cross-encoder"])
    parser.add_argument("graphs", nargs="+", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--vectors", type=pathlib.Path, help="cross-encoder: a bi-encoder's saved run")
    parser.add_argument("--depth", type=int, default=50, help="cross-encoder: passages a query")
    parser.add_argument("--every", type=int, default=1, help="cross-encoder: take every n-th query")
    parser.add_argument("--save", type=pathlib.Path, help="write the last graph's vectors or logits there (.npz)")
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(args.max_tokens, strategy="longest_first")
    for folder in args.data:
        graphs = [("/".join(p.parts[-2:]), Graph(p, tokenizer)) for p in args.graphs]
        if args.kind == "bi-encoder":
            bi_encoder(LabelledSet(folder), graphs, args.save)
        else:
            cross_encoder(LabelledSet(folder), graphs, args)


if __name__ == "__main__":
    main()
