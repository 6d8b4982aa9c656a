"""Rerankers of other projects: each gives a function from a query and passages to logits, or to None."""

import pathlib
import shutil

from process import Process

GRAPHS = {"int8": "model_int8.onnx", "fp32": "model.onnx"}


def sentence_transformers(path: pathlib.Path, name: str, batch: int):
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity
    how = {} if name == "torch" else {"backend": "onnx", "model_kwargs": {"file_name": f"onnx/{name}", "provider": "CPUExecutionProvider"}}
    model = CrossEncoder(str(path), max_length=512, **how)
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
    place = root / f"flashrank-{name}" / "ms-marco-MiniLM-L-12-v2"  # it loads only models that it knows by name
    shutil.copytree(path, place)
    shutil.copy(path / "onnx" / name, place / "flashrank-MiniLM-L-12-v2_Q.onnx")
    model = Ranker(model_name="ms-marco-MiniLM-L-12-v2", cache_dir=str(place.parent), max_length=512)
    return lambda query, passages: model.rerank(RerankRequest(query=query, passages=[{"id": i, "text": p} for i, p in enumerate(passages)])) and None


def entries(precision: str, path: pathlib.Path, root: pathlib.Path) -> dict:
    """Every peer at its default and at the settings that may suit it better."""
    name = GRAPHS[precision]
    found = {
        "sentence-transformers, ONNX, batch 32 (default)": sentence_transformers(path, name, 32),
        "sentence-transformers, ONNX, batch 4": sentence_transformers(path, name, 4),
        "sentence-transformers, ONNX, batch 1": sentence_transformers(path, name, 1),
        "fastembed, batch 64 (default)": fastembed(path, name, 64),
        "fastembed, batch 1": fastembed(path, name, 1),
        "FlashRank, one batch (it has no other)": flashrank(path, name, root),
    }
    if precision == "fp32":
        found["sentence-transformers, PyTorch, batch 32 (default)"] = sentence_transformers(path, "torch", 32)
        found["sentence-transformers, PyTorch, batch 4"] = sentence_transformers(path, "torch", 4)
    return found


def hugot(binary: str, precision: str, path: pathlib.Path, texts: pathlib.Path) -> dict:
    flat = path.parent / f"hugot-{precision}"  # it wants graph and tokenizer in one folder
    shutil.copytree(path, flat)
    shutil.copy(path / "onnx" / GRAPHS[precision], flat / "peer.onnx")
    return {f"hugot, batch {batch}{note}": Process(binary, "--model", flat, "--graph", "peer.onnx", "--texts", texts, "--batch", batch)
            for batch, note in ((1, " (default)"), (4, ""))}
