"""Calibrates relevance: fits what turns final scores into probabilities on development sets, and reports how well it fits.

    python models/build/calibrate.py mix QUERIES.npz QUERIES_FOLDER PASSAGES.npz PASSAGES_FOLDER FOLDER VECTORS.npz --every 4
    python models/build/calibrate.py fit FOLDER=RUN.npz ...
    python models/build/calibrate.py report --intercept A --slope B FOLDER=RUN.npz ...

RUN.npz is what models/build/measure.py cross-encoder --save writes for a labelled set in BEIR's layout. mix makes a set of queries
that no passage answers, of one set's queries and another's passages, with the vectors that measure.py needs for it. fit compares
ways of blending by nDCG@10, then fits Platt's logistic on the first ten hits of each query to x, the blend said as a logit
(internal/retrieve/calibrate.go), and reports as report does. Expected calibration error: ten bins of equal width, the mean
difference of said and true, weighted by hits.
"""

import argparse
import json
import pathlib

import numpy as np

from measure import LabelledSet, best_first, interval, standardised

SHOWN = 10


class Run:
    """A labelled set's candidates: logits, dense scores, whether each is relevant; one row a query, in the bi-encoder's order."""

    def __init__(self, spec: str):
        folder, path = spec.split("=")
        saved, self.labelled = np.load(path), LabelledSet(pathlib.Path(folder))
        self.name, self.queries, self.found = self.labelled.name, list(saved["queries"]), saved["found"]
        self.logits, self.dense = saved["logits"].astype(float), saved["dense"].astype(float)
        self.relevant = np.array([[self.labelled.relevant[q].get(self.labelled.ids[j], 0) > 0 for j in found] for q, found in zip(self.queries, self.found)])
        self.answered = bool(self.relevant.any())

    def blend(self, weight: float = 0.5) -> np.ndarray:
        return np.array([weight * standardised(a) + (1 - weight) * standardised(b) for a, b in zip(self.logits, self.dense)])

    def ndcg(self, scores: np.ndarray) -> list[float]:
        return [self.labelled.ndcg(q, list(found[best_first(row)])) for q, found, row in zip(self.queries, self.found, scores)]

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """x and relevance of the first ten hits of each query, best first."""
        blend = self.blend()
        x = np.array([a.mean() + a.std() * standardised(b) for a, b in zip(self.logits, blend)])
        order = best_first(blend)[:, :SHOWN]
        return np.take_along_axis(x, order, 1), np.take_along_axis(self.relevant, order, 1)


def platt(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, w = np.column_stack([np.ones(len(x)), x]), np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-a @ w))
        w += np.linalg.solve(a.T @ (a * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2), a.T @ (y - p))
    return w


def calibration_error(p: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    return sum(abs(p[bin_of == b].sum() - y[bin_of == b].sum()) for b in range(bins)) / len(p)


def report(name: str, runs: list[Run], intercept: float, slope: float) -> None:
    x, y = (np.concatenate([run.shown()[i] for run in runs]) for i in (0, 1))
    p, raw = 1 / (1 + np.exp(-(intercept + slope * x))), 1 / (1 + np.exp(-x))
    print(f"{name}: {len(x)} queries, ECE of ten hits {calibration_error(p.ravel(), y.ravel()):.4f} (plain logistic {calibration_error(raw.ravel(), y.ravel()):.4f}), "
          f"of the first {calibration_error(p[:, 0], y[:, 0]):.4f}; first hit: said {p[:, 0].mean():.3f}, true {y[:, 0].mean():.3f}; Brier {((p - y) ** 2).mean():.4f}")
    for low, high in ((0, .05), (.05, .1), (.1, .2), (.2, .4), (.4, .6), (.6, .8), (.8, 1.01)):
        inside = (p >= low) & (p < high)
        if inside.any():
            print(f"  said {low:.2f} to {min(high, 1):.2f}: {inside.sum()} hits, mean {p[inside].mean():.3f}, true {y[inside].mean():.3f}")


def fit(runs: list[Run]) -> None:
    answered = [run for run in runs if run.answered]
    logit_scale, dense_scale = (np.mean([getattr(run, part).std(axis=1).mean() for run in answered]) for part in ("logits", "dense"))
    for run in answered:
        base = run.ndcg(run.blend())
        scaled = {
            "fixed scales": 0.5 * run.logits / logit_scale + 0.5 * run.dense / dense_scale,
            "minmax": np.array([0.5 * (a - a.min()) / np.ptp(a) + 0.5 * (b - b.min()) / np.ptp(b) for a, b in zip(run.logits, run.dense)]),
        }
        print(f"{run.name}: nDCG@10 dense {np.mean(run.ndcg(run.dense)):.4f}, logits {np.mean(run.ndcg(run.logits)):.4f}, blend {np.mean(base):.4f}; against it "
              + ", ".join(f"{name} {interval([a - b for a, b in zip(run.ndcg(s), base)])}" for name, s in scaled.items()))
    for held in runs:  # fitted without one set, reported on it
        rest = [run for run in runs if run is not held]
        w = platt(*(np.concatenate([run.shown()[i].ravel() for run in rest]) for i in (0, 1)))
        report(f"without {held.name} {w.round(3)}, on it", [held], *w)
    w = platt(*(np.concatenate([run.shown()[i].ravel() for run in runs]) for i in (0, 1)))
    print(f"intercept {w[0]:.3f} slope {w[1]:.3f}")
    report("all", runs, *w)


def mix(args: argparse.Namespace) -> None:
    queries, passages = LabelledSet(args.queries_folder), args.passages_folder
    asked = list(queries.queries.items())[:: args.every]
    (args.into / "qrels").mkdir(parents=True, exist_ok=True)
    (args.into / "corpus.jsonl").write_text((passages / "corpus.jsonl").read_text())
    (args.into / "queries.jsonl").write_text("".join(json.dumps({"_id": i, "text": text}) + "\n" for i, text in asked))
    (args.into / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"{i}\tnone\t1\n" for i, _ in asked))
    vectors = np.load(args.queries_vectors)[f"{queries.name}_queries"][:: args.every]
    np.savez(args.vectors, **{f"{args.into.name}_queries": vectors, f"{args.into.name}_passages": np.load(args.passages_vectors)[f"{passages.name}_passages"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    mixing = commands.add_parser("mix")
    for name in ("queries_vectors", "queries_folder", "passages_vectors", "passages_folder", "into", "vectors"):
        mixing.add_argument(name, type=pathlib.Path)
    mixing.add_argument("--every", type=int, default=1)
    mixing.set_defaults(run=mix)
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
