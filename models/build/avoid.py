"""Work avoided in reranking, and what it costs: the rules of internal/retrieve on the logits that measure.py saved.

    python models/build/avoid.py --top 10 --set FOLDER run.npz [--set FOLDER run.npz ...]

Printed for each set and rule: nDCG@10 of the final order, its difference from scoring all, and how many of the candidates
were scored (mean and 95th percentile). Rules: a fixed depth; or stop when the candidates left are expected to take fewer
than `tolerance` places of the top k (the rule of internal/retrieve/enough.go, which this repeats).
"""

import argparse
import math
import pathlib

import numpy as np

from measure import CROSS_WEIGHT, LabelledSet, best_first, blended

LEAST, RECENT = 10, 10  # scored at least; logits from which the next ones are guessed


def order(logits: np.ndarray, dense: np.ndarray) -> np.ndarray:
    """What was scored by its blend, the rest behind."""
    n = len(logits)
    return np.concatenate([best_first(blended(logits, dense[:n])), np.arange(n, len(dense))])


def above(x: float) -> float:
    return 0.5 * math.erfc(x / math.sqrt(2))


def scored_until(logits: np.ndarray, dense: np.ndarray, top: int, tolerance: float) -> int:
    for n in range(max(LEAST, top), len(dense)):
        seen, near = logits[:n], dense[:n]
        deviation = seen.std()
        if deviation < 1e-12:
            continue
        bar = np.sort(blended(seen, near))[-top]
        recent = seen[-RECENT:]
        spread = max(recent.std(), 0.25 * deviation)
        z = (dense[n:] - near.mean()) / near.std() if near.std() >= 1e-12 else 0 * dense[n:]
        wanted = seen.mean() + deviation * (bar - (1 - CROSS_WEIGHT) * z) / CROSS_WEIGHT
        if sum(above((w - recent.mean()) / spread) for w in wanted) < tolerance:
            return n
    return len(dense)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=2, action="append", required=True, metavar=("FOLDER", "RUN"))
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--tolerance", type=float, nargs="*", default=[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2])
    parser.add_argument("--depth", type=int, nargs="*", default=[10, 15, 20, 30, 40, 50, 70])
    args = parser.parse_args()
    for folder, run in args.set:
        labelled, saved = LabelledSet(pathlib.Path(folder)), np.load(run)
        rows = list(zip(saved["queries"], saved["found"], saved["logits"], saved["dense"]))

        def quality(scored: list[int]) -> float:
            return float(np.mean([labelled.ndcg(q, list(f[order(l[:n], d)])) for (q, f, l, d), n in zip(rows, scored)]))

        whole = quality([len(f) for _, f, _, _ in rows])
        dense = float(np.mean([labelled.ndcg(q, list(f)) for q, f, _, _ in rows]))
        print(f"{labelled.name}: {len(rows)} queries, bi-encoder alone {dense:.4f}, all {len(rows[0][1])} scored {whole:.4f}")
        rules = [(f"depth {n}", [n] * len(rows)) for n in args.depth]
        rules += [(f"tolerance {t}", [scored_until(l, d, args.top, t) for _, _, l, d in rows]) for t in args.tolerance]
        for name, scored in rules:
            found = quality(scored)
            print(f"  {name:15} nDCG@10 {found:.4f} ({100 * (found - whole):+.2f} points), scored mean {np.mean(scored):.1f} p95 {np.percentile(scored, 95):.0f}")


if __name__ == "__main__":
    main()
