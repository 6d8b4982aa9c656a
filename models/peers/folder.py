"""The model folder that peers load: one BERT's weights as ONNX in fp32 and int8, and as PyTorch."""

import json
import pathlib
import shutil
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).parent.parent / "build"))
import encoder as encoders

TOKENS = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}


def make(into: pathlib.Path, tokenizer: pathlib.Path, fp32: pathlib.Path) -> None:
    """Fills into; onnx/model_int8.onnx is ONNX Runtime's own dynamic quantisation, with the signed weights it runs fastest."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    (into / "onnx").mkdir(parents=True)
    shutil.copy(tokenizer, into / "tokenizer.json")
    shutil.copy(fp32, into / "onnx/model.onnx")
    quantize_dynamic(str(fp32), str(into / "onnx/model_int8.onnx"), weight_type=QuantType.QInt8)
    model = encoders.read(fp32, None)
    (into / "config.json").write_text(json.dumps(config(model)))
    (into / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 512, "do_lower_case": True, **TOKENS}))
    (into / "special_tokens_map.json").write_text(json.dumps(TOKENS))
    vocabulary = json.loads(tokenizer.read_text())["model"]["vocab"]
    (into / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
    torch_weights(model, into / "model.safetensors")


def config(model: encoders.Encoder) -> dict:
    kind = {"architectures": ["BertForSequenceClassification"], "num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return {
        "model_type": "bert", "hidden_size": model.hidden, "num_hidden_layers": len(model.layers), "num_attention_heads": model.heads,
        "intermediate_size": model.layers[0].up.weight.shape[1], "max_position_embeddings": len(model.positions), "vocab_size": len(model.words),
        "type_vocab_size": len(model.types), "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
        **(kind if model.head else {"architectures": ["BertModel"]}),
    }


def torch_weights(model: encoders.Encoder, path: pathlib.Path) -> None:
    """Writes the weights under the names that transformers gives them."""
    from safetensors.numpy import save_file
    prefix = "bert." if model.head else ""
    weights = {f"embeddings.{name}_embeddings.weight": w for name, w in (("word", model.words), ("position", model.positions), ("token_type", model.types))}
    named = {"embeddings.LayerNorm": model.norm}
    for i, layer in enumerate(model.layers):
        at = f"encoder.layer.{i}."
        named |= {
            at + "attention.self.query": layer.query, at + "attention.self.key": layer.key, at + "attention.self.value": layer.value,
            at + "attention.output.dense": layer.output, at + "attention.output.LayerNorm": layer.attention_norm,
            at + "intermediate.dense": layer.up, at + "output.dense": layer.down, at + "output.LayerNorm": layer.norm,
        }
    if model.head:
        named["pooler.dense"] = model.head[0]
    for name, part in named.items():
        weights |= {name + ".weight": transposed(part), name + ".bias": part.bias}
    weights = {prefix + name: w for name, w in weights.items()}
    if model.head:
        weights |= {"classifier.weight": transposed(model.head[1]), "classifier.bias": model.head[1].bias}
    save_file({name: np.ascontiguousarray(w, dtype=np.float32) for name, w in weights.items()}, str(path), metadata={"format": "pt"})


def transposed(part) -> np.ndarray:
    """PyTorch keeps a product's weight as [outputs, inputs]; a norm's is one row."""
    return part.weight.T
