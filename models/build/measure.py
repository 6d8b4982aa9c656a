"""Measures built graphs against the fp32 export: quality on labelled sets, agreement, processor time.

    python models/build/measure.py bi-encoder --data FOLDER --tokenizer tokenizer.json export.onnx built.onnx ...
    python models/build/measure.py cross-encoder --data FOLDER --tokenizer tokenizer.json --vectors run.npz export.onnx built.onnx ...

--data is a labelled set in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv); it may be given more than once.
The first graph is the one that the others are compared with; differences of nDCG@10 come with their 95 % bootstrap interval. A bi-encoder is measured by exact search over the whole
set: nDCG@10, cosines with the first graph's passage embeddings, share of its top ten found too. A cross-encoder reorders
the --depth passages that the vectors saved by a bi-encoder's run (--save) put first: nDCG@10 of its order alone and of its
blend with the bi-encoder's scores as internal/retrieve blends them, the share of a query's pairs of passages that it puts
in the first graph's order, and the largest difference of logits. One text a run and one thread, as redkite runs them.
A graph written as amx:built.onnx, avx512-vnni:built.onnx or auto:built.onnx is run by redkite's own kernels (--binary).
"""

import argparse
import json
import math
import pathlib

import numpy as np

from session import Graph, Kernels, open_tokenizer

QUERY_PREFIX = "Represent this sentence for searching relevant passages: "
CROSS_WEIGHT = 0.5  # of the blend


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


def blended(logits: np.ndarray, dense: np.ndarray) -> np.ndarray:
    """The final score, as in internal/retrieve/blend.go."""
    return CROSS_WEIGHT * standardised(logits) + (1 - CROSS_WEIGHT) * standardised(dense)


def best_first(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, axis=-1, kind="stable")


def bi_encoder(labelled: LabelledSet, graphs: list[tuple[str, Graph | Kernels]], save: pathlib.Path | None) -> None:
    reference = None
    for name, graph in graphs:
        passages = graph.embeddings(list(labelled.passages.values()))
        spent = graph.seconds / graph.runs * 1000
        queries = graph.embeddings([QUERY_PREFIX + t for t in labelled.queries.values()])
        top = best_first(queries @ passages.T)[:, :10]
        quality = [labelled.ndcg(q, list(top[i])) for i, q in enumerate(labelled.queries)]
        if reference is None:
            reference = passages, top, quality
        change = interval([a - b for a, b in zip(quality, reference[2])])
        cosines = (passages * reference[0]).sum(axis=1)
        shared = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(top, reference[1])])
        print(f"{labelled.name} {name}: nDCG@10 {np.mean(quality):.4f}, {change}, cosine mean {cosines.mean():.4f} least {cosines.min():.4f}, "
              f"top ten shared {shared:.3f}, {spent:.1f} ms a passage", flush=True)
        if save:
            np.savez(save, **{f"{labelled.name}_passages": passages, f"{labelled.name}_queries": queries})


def interval(differences: list[float]) -> str:
    """The mean of paired differences in points, with its 95 % interval from 10,000 bootstrap samples."""
    points = 100 * np.array(differences)
    means = np.random.default_rng(1).choice(points, (10_000, len(points))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{points.mean():+.2f} points ({low:+.2f} to {high:+.2f})"


def order_agreement(a: np.ndarray, b: np.ndarray) -> float:
    upper = np.triu(np.ones((len(a), len(a))), 1) > 0
    return float(np.mean(((a[:, None] - a) * (b[:, None] - b))[upper] > 0))


def cross_encoder(labelled: LabelledSet, graphs: list[tuple[str, Graph | Kernels]], args: argparse.Namespace) -> None:
    vectors = np.load(args.vectors)
    dense = vectors[f"{labelled.name}_queries"] @ vectors[f"{labelled.name}_passages"].T
    queries, dense = list(labelled.queries)[:: args.every], dense[:: args.every]
    found = [best_first(row)[: args.depth] for row in dense]
    dense = [row[f] for row, f in zip(dense, found)]
    reference, first, texts = None, None, list(labelled.passages.values())
    for name, graph in graphs:
        logits = graph.logits([(labelled.queries[q], texts[j]) for i, q in enumerate(queries) for j in found[i]]).reshape(len(queries), -1)
        logits = list(logits)
        reference = reference or logits
        alone = np.mean([labelled.ndcg(q, list(found[i][best_first(logits[i])])) for i, q in enumerate(queries)])
        blend = [labelled.ndcg(q, list(found[i][best_first(blended(logits[i], dense[i]))])) for i, q in enumerate(queries)]
        first = first or blend
        agree = np.mean([order_agreement(a, b) for a, b in zip(reference, logits)])
        largest = max(float(np.abs(a - b).max()) for a, b in zip(reference, logits))
        print(f"{labelled.name} {name}: {len(queries)} queries, nDCG@10 alone {alone:.4f} blend {np.mean(blend):.4f}, {interval([a - b for a, b in zip(blend, first)])}, pair order {agree:.4f}, "
              f"largest logit difference {largest:.3f}, {graph.seconds / graph.runs * 1000:.1f} ms a pair", flush=True)
        if args.save:
            np.savez(args.save, queries=queries, found=np.array(found), logits=np.array(logits), dense=np.array(dense))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["bi-encoder", "cross-encoder"])
    parser.add_argument("graphs", nargs="+")
    parser.add_argument("--binary", default="bin/redkite")
    parser.add_argument("--data", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--vectors", type=pathlib.Path, help="cross-encoder: a bi-encoder's saved run")
    parser.add_argument("--depth", type=int, default=50, help="cross-encoder: passages a query")
    parser.add_argument("--every", type=int, default=1, help="cross-encoder: take every n-th query")
    parser.add_argument("--save", type=pathlib.Path, help="write the last graph's vectors or logits there (.npz)")
    args = parser.parse_args()
    tokenizer = open_tokenizer(args.tokenizer, args.max_tokens)

    def opened(name: str) -> Graph | Kernels:
        kernels, _, path = name.rpartition(":")
        return Kernels(args.binary, kernels, path, args.kind, args.tokenizer, args.max_tokens) if kernels else Graph(pathlib.Path(path), tokenizer)

    for folder in args.data:
        graphs = [("/".join(pathlib.Path(name).parts[-2:]), opened(name)) for name in args.graphs]
        if args.kind == "bi-encoder":
            bi_encoder(LabelledSet(folder), graphs, args.save)
        else:
            cross_encoder(LabelledSet(folder), graphs, args)


if __name__ == "__main__":
    main()
