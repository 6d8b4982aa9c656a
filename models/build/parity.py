"""The Python reference for internal/encode's parity test: tokenizers and onnxruntime, as a user of the models runs them.

Reads cases as JSON from standard input, {"bi": DIR, "cross": DIR, "prefix": STR, "texts": [..], "pairs": [[q, p], ..]},
and prints {"texts": [{"ids", "vector"}, ..], "pairs": [{"ids", "types", "logit"}, ..]}. Texts come as base64 of their
bytes; bytes that are no UTF-8 are replaced by U+FFFD, as redkite does.
"""

import base64
import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def load(folder):
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(512, strategy="longest_first")
    tokenizer.encode_special_tokens = True  # a "[SEP]" in a text is text
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return tokenizer, onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])


def run(session, encoding):
    feed = {
        "input_ids": np.array([encoding.ids], dtype=np.int64),
        "attention_mask": np.ones((1, len(encoding.ids)), dtype=np.int64),
        "token_type_ids": np.array([encoding.type_ids], dtype=np.int64),
    }
    names = {i.name for i in session.get_inputs()}
    return session.run(None, {k: v for k, v in feed.items() if k in names})[0]


def text(encoded):
    return base64.b64decode(encoded).decode("utf-8", errors="replace")


def main():
    cases = json.load(sys.stdin)
    tokenizer, session = load(cases["bi"])
    texts = []
    for t in cases["texts"]:
        encoding = tokenizer.encode(cases["prefix"] + text(t))
        vector = run(session, encoding)[0]
        texts.append({"ids": encoding.ids, "vector": (vector / np.linalg.norm(vector)).tolist()})
    tokenizer, session = load(cases["cross"])
    pairs = []
    for q, p in cases["pairs"]:
        encoding = tokenizer.encode(text(q), text(p))
        pairs.append({"ids": encoding.ids, "types": encoding.type_ids, "logit": float(run(session, encoding).reshape(-1)[0])})
    json.dump({"texts": texts, "pairs": pairs}, sys.stdout)


if __name__ == "__main__":
    main()
