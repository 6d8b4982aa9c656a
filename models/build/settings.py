"""ONNX Runtime's settings beside each other: threads inside a run, runs at once, spinning, arena, memory pattern.

    .deps/peers/bin/python models/build/settings.py --model models/redkite-reranker-small-en/model.onnx --data <BEIR folder>

100 passages of the set at their real lengths, one a run, as redkite runs them. Each setting is a process of its own on the
processors this is pinned to; all in turn, --rounds times after one to warm up. Of each: least and longest wall time,
processor time of the least, resident memory at the end, and wall times of single runs, which are what a query waits for.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

SETTINGS = {
    "1 thread a run, a run a core (redkite's)": {},
    "the same, arena off": {"arena": False},
    "the same, memory pattern on": {"pattern": True},
    "a thread a core in each run, one run": {"intra": 0, "runs": 1},
    "the same, spinning": {"intra": 0, "runs": 1, "spin": True},
    "a thread a core in each run, a run a core": {"intra": 0},
    "the same, both spinning": {"intra": 0, "spin": True},
    "1 thread a run, two runs a core": {"runs": 2.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, help="Defaults to tokenizer.json beside the model.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        return serve(args, **json.loads(args.one))
    command = [sys.executable, __file__, "--model", args.model, "--data", args.data, "--tokenizer", args.tokenizer or args.model.parent / "tokenizer.json"]
    processes = {
        name: subprocess.Popen([str(c) for c in command] + ["--one", json.dumps(one)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, one in SETTINGS.items()
    }
    rounds = {name: [] for name in processes}
    for _ in range(args.rounds + 1):
        for name, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            rounds[name].append(json.loads(process.stdout.readline()))
    print(f"{args.model}, onnxruntime {onnxruntime.__version__}\n")
    print("| setting | ms | longest | processor ms | one run p50 | p95 | MiB |\n|---|---|---|---|---|---|---|")
    for name, all_rounds in rounds.items():
        best = min(all_rounds[1:], key=lambda r: r["wall"])
        print(f"| {name} | {best['wall']:,.0f} | {max(r['wall'] for r in all_rounds[1:]):,.0f} | {best['cpu']:,.0f} "
              f"| {best['p50']:.1f} | {best['p95']:.1f} | {all_rounds[-1]['mib']:.0f} |")
    for process in processes.values():
        process.stdin.close()
        process.wait()


def serve(args, intra=1, runs=1.0, spin=False, arena=True, pattern=False) -> None:
    """Run the texts once for each line on standard input."""
    cores = len(os.sched_getaffinity(0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra or cores
    options.enable_cpu_mem_arena, options.enable_mem_pattern = arena, pattern
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    session = onnxruntime.InferenceSession(str(args.model), options, providers=["CPUExecutionProvider"])
    wanted = {port.name for port in session.get_inputs()}
    feeds = [{k: v for k, v in feed.items() if k in wanted} for feed in texts(args)]
    workers = 1 if runs == 1 and not isinstance(runs, float) else int(runs * cores)

    def run(feed) -> float:
        start = time.perf_counter()
        session.run(None, feed)
        return 1000 * (time.perf_counter() - start)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            each = list(pool.map(run, feeds))
            p50, p95 = np.percentile(each, [50, 95])
            print(json.dumps({
                "wall": 1000 * (time.perf_counter() - wall), "cpu": 1000 * (time.process_time() - cpu), "p50": p50, "p95": p95,
                "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }), flush=True)


def texts(args):
    """A query with each of 100 passages, longest first, as the encoders read them."""
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.enable_truncation(512)
    with open(args.data / "queries.jsonl", encoding="utf-8") as lines:
        query = json.loads(next(lines))["text"]
    with open(args.data / "corpus.jsonl", encoding="utf-8") as lines:
        passages = [json.loads(line)["text"] for _, line in zip(range(100), lines)]
    encoded = sorted((tokenizer.encode(query, p) for p in passages), key=lambda e: -len(e.ids))
    for e in encoded:
        ids = np.array([e.ids], dtype=np.int64)
        yield {"input_ids": ids, "token_type_ids": np.array([e.type_ids], dtype=np.int64), "attention_mask": np.ones_like(ids)}


if __name__ == "__main__":
    main()
