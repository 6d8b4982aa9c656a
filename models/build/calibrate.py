"""Calibrates relevance: fits what turns final scores into probabilities on development sets, and reports how well it fits.

    python models/build/calibrate.py collect COLLECTION FOLDER RUN.json --server ADDRESS [--every 3] [--mode dense]
    python models/build/calibrate.py fit FOLDER=RUN.json ...
    python models/build/calibrate.py report --intercept A --slope B FOLDER=RUN.json ...

FOLDER is a labelled set in BEIR's layout, COLLECTION its documents on a running redkite ('redkite eval --data FOLDER -c COLLECTION
--keep' makes it). collect asks the set's queries with every candidate explained; of another set's collection it gives queries that
nothing answers. fit fits Platt's logistic on the first ten hits of each query to x, the blend said as a logit
(internal/retrieve/calibrate.go), and reports as report does. Expected calibration error: ten bins of equal width, the mean
difference of said and true, weighted by hits.
"""

import argparse
import json
import pathlib
import urllib.request

import numpy as np

SHOWN = 10


def collect(args: argparse.Namespace) -> None:
    rows = []
    lines = (args.folder / "queries.jsonl").read_text().splitlines()
    for query in map(json.loads, lines[:: args.every]):
        asked = {"query": query["text"], "exhaustive": True, "deadline_ms": 60000, "explain": True}
        if args.mode:
            asked["mode"] = args.mode
        request = urllib.request.Request(f"{args.server}/api/v1/collections/{args.collection}/search", json.dumps(asked).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            found = json.load(answer)["explain"]
        rows.append({"query": query["_id"], "documents": [c["document_id"] for c in found], "logits": [c["scores"]["rerank_logit"] for c in found], "blends": [c["scores"]["blend"] for c in found]})
    args.into.write_text(json.dumps(rows))


class Run:
    """A labelled set's first ten hits, best first: x and whether each is relevant; one row a query."""

    def __init__(self, spec: str):
        folder, path = map(pathlib.Path, spec.split("="))
        self.name, self.x, self.relevant = path.stem, [], []
        judged = {tuple(line.split("\t")[:2]) for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:] if int(line.split("\t")[2]) > 0}
        for row in json.loads(path.read_text()):
            logits, blends = np.array(row["logits"]), np.array(row["blends"])
            if len(logits) < SHOWN or blends.std() == 0:
                continue
            x = logits.mean() + logits.std() * (blends - blends.mean()) / blends.std()
            self.x.append(x[:SHOWN])
            self.relevant.append([(row["query"], document) in judged for document in row["documents"][:SHOWN]])
        self.x, self.relevant = np.array(self.x), np.array(self.relevant)


def platt(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, w = np.column_stack([np.ones(len(x)), x]), np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-a @ w))
        w += np.linalg.solve(a.T @ (a * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2), a.T @ (y - p))
    return w


def joined(runs: list[Run]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([run.x for run in runs]), np.concatenate([run.relevant for run in runs])


def calibration_error(p: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    return sum(abs(p[bin_of == b].sum() - y[bin_of == b].sum()) for b in range(bins)) / len(p)


def report(name: str, runs: list[Run], intercept: float, slope: float) -> None:
    x, y = joined(runs)
    p, raw = 1 / (1 + np.exp(-(intercept + slope * x))), 1 / (1 + np.exp(-x))
    print(f"{name}: {len(x)} queries, ECE of ten hits {calibration_error(p.ravel(), y.ravel()):.4f} (plain logistic {calibration_error(raw.ravel(), y.ravel()):.4f}), "
          f"of the first {calibration_error(p[:, 0], y[:, 0]):.4f}; first hit: said {p[:, 0].mean():.3f}, true {y[:, 0].mean():.3f}; Brier {((p - y) ** 2).mean():.4f}")
    for low, high in ((0, .05), (.05, .1), (.1, .2), (.2, .4), (.4, .6), (.6, .8), (.8, 1.01)):
        inside = (p >= low) & (p < high)
        if inside.any():
            print(f"  said {low:.2f} to {min(high, 1):.2f}: {inside.sum()} hits, mean {p[inside].mean():.3f}, true {y[inside].mean():.3f}")
    for least in (0.01, 0.02, 0.05, 0.1, 0.2):
        left = p >= least
        print(f"  least {least:.2f}: {left.mean():.1%} of hits left, {left[y].mean() if y.any() else 0:.1%} of the right ones; nothing left in {(~left.any(axis=1)).mean():.1%} of queries")


def fit(runs: list[Run]) -> None:
    for held in runs:  # fitted without one set, reported on it
        x, y = joined([run for run in runs if run is not held])
        w = platt(x.ravel(), y.ravel())
        report(f"without {held.name} {w.round(3)}, on it", [held], *w)
    x, y = joined(runs)
    w = platt(x.ravel(), y.ravel())
    print(f"intercept {w[0]:.3f} slope {w[1]:.3f}")
    report("all", runs, *w)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("collection")
    collecting.add_argument("folder", type=pathlib.Path)
    collecting.add_argument("into", type=pathlib.Path)
    collecting.add_argument("--server", required=True)
    collecting.add_argument("--every", type=int, default=1)
    collecting.add_argument("--mode")
    collecting.set_defaults(run=collect)
    fitting = commands.add_parser("fit")
    fitting.add_argument("runs", nargs="+")
    fitting.set_defaults(run=lambda args: fit([Run(spec) for spec in args.runs]))
    reporting = commands.add_parser("report")
    reporting.add_argument("--intercept", type=float, required=True)
    reporting.add_argument("--slope", type=float, required=True)
    reporting.add_argument("runs", nargs="+")
    reporting.set_defaults(run=lambda args: [report(run.name, [run], args.intercept, args.slope) for run in map(Run, args.runs)])
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
