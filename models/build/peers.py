"""Speed of redkite's encoders beside other servers' and libraries', same weights, texts and cores, in one run.

    make build
    python -m venv peers && peers/bin/pip install 'sentence-transformers[onnx]' fastembed flashrank
    peers/bin/python models/build/peers.py --data FOLDER --tokenizer tokenizer.json --cross-fp32 export.onnx \
        --cross-int8 int8.onnx --redkite-int8 models/redkite-reranker-small-en/model.onnx --redkite-fp32 built.onnx

100 passages of a labelled set (BEIR layout) are reranked for one query, tokenising included. All run in turn, --rounds
times after one to warm up, on the processors this is pinned to (taskset); the least wall and processor time of each is
printed, with the spread of wall times, and the largest difference of logits from sentence-transformers in fp32. Peers get
the export they can load: the fp32 graph and the dynamic int8 one; redkite its own builds of the same weights.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="true")

import numpy as np

CONFIG = {
    "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6,
    "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512, "vocab_size": 30522, "type_vocab_size": 2,
    "hidden_act": "gelu", "num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "layer_norm_eps": 1e-12, "pad_token_id": 0,
}

TOKENS = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}


def folder(into: pathlib.Path, tokenizer: pathlib.Path, fp32: pathlib.Path, int8: pathlib.Path) -> None:
    (into / "onnx").mkdir(parents=True)
    shutil.copy(tokenizer, into / "tokenizer.json")
    shutil.copy(fp32, into / "onnx/model.onnx")
    shutil.copy(int8, into / "onnx/model_int8.onnx")
    (into / "config.json").write_text(json.dumps(CONFIG))
    (into / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 512, "do_lower_case": True, **TOKENS}))
    (into / "special_tokens_map.json").write_text(json.dumps(TOKENS))
    vocabulary = json.loads(tokenizer.read_text())["model"]["vocab"]
    (into / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))


def sentence_transformers(path: pathlib.Path, name: str, batch: int):
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity
    model = CrossEncoder(str(path), backend="onnx", model_kwargs={"file_name": f"onnx/{name}", "provider": "CPUExecutionProvider"}, max_length=512)
    return lambda query, passages: model.predict([(query, p) for p in passages], batch_size=batch, activation_fn=Identity(), show_progress_bar=False)


def fastembed(path: pathlib.Path, name: str, batch: int):
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder
    own = f"local/{name}-{batch}"
    TextCrossEncoder.add_custom_model(model=own, model_file=f"onnx/{name}", sources=ModelSource(hf=own))
    model = TextCrossEncoder(own, specific_model_path=str(path))
    return lambda query, passages: list(model.rerank(query, passages, batch_size=batch))


def flashrank(path: pathlib.Path, name: str, root: pathlib.Path):
    from flashrank import Ranker, RerankRequest
    place = root / f"flashrank-{name}" / "ms-marco-MiniLM-L-12-v2"
    shutil.copytree(path, place)
    shutil.copy(path / "onnx" / name, place / "flashrank-MiniLM-L-12-v2_Q.onnx")
    model = Ranker(model_name="ms-marco-MiniLM-L-12-v2", cache_dir=str(place.parent), max_length=512)
    return lambda query, passages: model.rerank(RerankRequest(query=query, passages=[{"id": i, "text": p} for i, p in enumerate(passages)])) and None


class Redkite:
    def __init__(self, binary: str, graph: pathlib.Path, tokenizer: pathlib.Path, texts: pathlib.Path):
        self.process = subprocess.Popen([binary, "bench", "encoder", "--graph", str(graph), "--tokenizer", str(tokenizer), "--texts", str(texts)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, query, passages):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.last = json.loads(self.process.stdout.readline())
        return self.last["logits"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "tokenizer", "cross-fp32", "cross-int8", "redkite-int8", "redkite-fp32"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    parser.add_argument("--binary", default="bin/redkite")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--characters", type=int, default=900, help="passages are cut to this")
    args = parser.parse_args()
    corpus = [json.loads(l) for l in (args.data / "corpus.jsonl").read_text().splitlines()][:1000:10]
    passages = [(r["title"] + " " + r["text"])[: args.characters] for r in corpus]
    query = json.loads((args.data / "queries.jsonl").read_text().splitlines()[0])["text"]
    with tempfile.TemporaryDirectory() as temp:
        root = pathlib.Path(temp)
        path, texts = root / "model", root / "texts.jsonl"
        texts.write_text("\n".join(json.dumps({"query": query, "passage": p}) for p in passages))
        folder(path, args.tokenizer, args.cross_fp32, args.cross_int8)
        entries = {}
        for precision, name, graph in (("int8", "model_int8.onnx", args.redkite_int8), ("fp32", "model.onnx", args.redkite_fp32)):
            entries[f"{precision} redkite"] = Redkite(args.binary, graph, args.tokenizer, texts)
            entries[f"{precision} sentence-transformers, batch 32 (default)"] = sentence_transformers(path, name, 32)
            entries[f"{precision} sentence-transformers, batch 4"] = sentence_transformers(path, name, 4)
            entries[f"{precision} sentence-transformers, batch 1"] = sentence_transformers(path, name, 1)
            entries[f"{precision} fastembed, batch 64 (default)"] = fastembed(path, name, 64)
            entries[f"{precision} fastembed, batch 1"] = fastembed(path, name, 1)
            entries[f"{precision} flashrank (one batch)"] = flashrank(path, name, root)
        found = measure(entries, query, passages, args.rounds)
    versions = {p: importlib.metadata.version(p) for p in ("sentence-transformers", "torch", "fastembed", "flashrank", "onnxruntime")}
    print(json.dumps({"versions": versions, "load": os.getloadavg(), "processors": sorted(os.sched_getaffinity(0)), "passages": len(passages)}))
    for precision in ("int8", "fp32"):
        own = found[f"{precision} redkite"]["wall_ms"]
        for name, row in found.items():
            if name.startswith(precision):
                print(f"{name:46} wall {row['wall_ms']:7.0f} ms (to {row['longest_ms']:.0f}), processor {row['cpu_ms']:7.0f} ms, {row['wall_ms'] / own:.2f} times redkite's, "
                      f"logits off by {row['difference']}")


def measure(entries: dict, query: str, passages: list[str], rounds: int) -> dict:
    logits = {name: run(query, passages) for name, run in entries.items()}
    reference = np.array(logits["fp32 sentence-transformers, batch 32 (default)"], dtype=float).ravel()
    walls, cpus = {name: [] for name in entries}, {name: [] for name in entries}
    for _ in range(rounds):
        for name, run in entries.items():
            cpu, start = time.process_time(), time.perf_counter()
            run(query, passages)
            walls[name].append((time.perf_counter() - start) * 1000)
            cpus[name].append(run.last["cpu_ms"] if isinstance(run, Redkite) else (time.process_time() - cpu) * 1000)
    return {name: {
        "wall_ms": min(walls[name]), "longest_ms": max(walls[name]), "cpu_ms": min(cpus[name]),
        "difference": "-" if logits[name] is None else f"{np.abs(np.array(logits[name], dtype=float).ravel() - reference).max():.3f}",
    } for name in entries}


if __name__ == "__main__":
    main()
