"""infinity's engine (infinity-emb), without its HTTP server, as a program that runs once for each line on standard input."""

import argparse
import asyncio
import json
import os
import pathlib
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DO_NOT_TRACK="1", INFINITY_ANONYMOUS_USAGE_STATS="0")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["bi-encoder", "cross-encoder"], required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder that folder.py made")
    parser.add_argument("--texts", type=pathlib.Path, required=True)
    parser.add_argument("--engine", choices=["torch", "optimum"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    args = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # it logs to standard output
    from infinity_emb import AsyncEngineArray, EngineArgs
    texts = [json.loads(line) for line in args.texts.read_text().splitlines()]
    engine = AsyncEngineArray.from_args([EngineArgs(
        model_name_or_path=str(args.model), engine=args.engine, device="cpu", batch_size=args.batch, model_warmup=False,
        bettertransformer=False, dtype="float32" if args.engine == "torch" else "auto",
    )])[0]
    await engine.astart()
    passages = [t["passage"] for t in texts]
    for _ in sys.stdin:
        cpu, start = time.process_time(), time.perf_counter()
        if args.kind == "cross-encoder":
            ranked, _ = await engine.rerank(query=texts[0]["query"], docs=passages, raw_scores=True)
            logits = [float(r.relevance_score) for r in sorted(ranked, key=lambda r: r.index)]
            said = {"logits": logits}
        else:
            embeddings, _ = await engine.embed(sentences=passages)
            said = {"embeddings": [e.tolist() for e in embeddings]}
        said |= {"wall_ms": 1000 * (time.perf_counter() - start), "cpu_ms": 1000 * (time.process_time() - cpu)}
        print(json.dumps(said), file=answers, flush=True)
    await engine.astop()


if __name__ == "__main__":
    asyncio.run(main())
