"""Bi-encoders of other projects: each gives a function from a query (not used) and passages to embeddings."""

import pathlib


def sentence_transformers(path: pathlib.Path, name: str, batch: int):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    how = {} if name == "torch" else {"backend": "onnx", "model_kwargs": {"file_name": f"onnx/{name}", "provider": "CPUExecutionProvider"}}
    words = Transformer(str(path), max_seq_length=512, **how)
    model = SentenceTransformer(modules=[words, Pooling(384, "cls"), Normalize()], device="cpu")
    return lambda _, passages: model.encode(passages, batch_size=batch, show_progress_bar=False)


def fastembed(path: pathlib.Path, name: str, batch: int):
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    own = f"local/embed-{name}-{batch}"
    TextEmbedding.add_custom_model(model=own, model_file=f"onnx/{name}", sources=ModelSource(hf=own), pooling=PoolingType.CLS, normalization=True, dim=384)
    model = TextEmbedding(own, specific_model_path=str(path))
    return lambda _, passages: list(model.embed(passages, batch_size=batch))


def entries(precision: str, path: pathlib.Path, _: pathlib.Path) -> dict:
    """Every peer at its default and at the settings that may suit it better."""
    name = {"int8": "model_int8.onnx", "fp32": "model.onnx"}[precision]
    found = {
        "sentence-transformers, ONNX, batch 32 (default)": sentence_transformers(path, name, 32),
        "sentence-transformers, ONNX, batch 4": sentence_transformers(path, name, 4),
        "sentence-transformers, ONNX, batch 1": sentence_transformers(path, name, 1),
        "fastembed, batch 256 (default)": fastembed(path, name, 256),
        "fastembed, batch 4": fastembed(path, name, 4),
        "fastembed, batch 1": fastembed(path, name, 1),
    }
    if precision == "fp32":
        found["sentence-transformers, PyTorch, batch 32 (default)"] = sentence_transformers(path, "torch", 32)
        found["sentence-transformers, PyTorch, batch 4"] = sentence_transformers(path, "torch", 4)
    return found
