"""Makes what the peers compute: windows as run_qa.py cuts them, and the model in each peer's own format.

Run by `cpu.py`, in a process of its own, so that none of this is in a peer's memory.
"""
import json
from pathlib import Path

import numpy as np
import torch
import transformers

MAX_LENGTH, OVERLAP = 384, 128
SHAPES = {"bert-base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072),
          "bert-large": dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)}
CALIBRATION_WINDOWS = 100


def random_model(model, shape, folder):
    """A checkpoint of a shape with random weights, and the tokeniser of `model`."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    config = transformers.BertConfig(vocab_size=len(tokenizer), **SHAPES[shape])
    torch.manual_seed(0)
    transformers.BertForQuestionAnswering(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def cut(model, dataset, questions, folder):
    """windows.npz: ids and segments of all windows one after another, and where each begins; answers.json: to decode with."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    data = json.loads(Path(dataset).read_text(encoding="utf-8"))["data"]
    asked = [(q["id"], q["question"].lstrip(), p["context"]) for a in data for p in a["paragraphs"] for q in p["qas"]][:questions]
    found = tokenizer([q for _, q, _ in asked], [c for _, _, c in asked], truncation="only_second", max_length=MAX_LENGTH,
                      stride=OVERLAP, return_overflowing_tokens=True, return_offsets_mapping=True)
    ids, types = found["input_ids"], found["token_type_ids"]
    starts = np.cumsum([0] + [len(window) for window in ids])
    np.savez(folder / "windows.npz", ids=np.concatenate(ids), types=np.concatenate(types), starts=starts)
    windows = [{"question": found["overflow_to_sample_mapping"][w],
                "offsets": [list(o) if s == 1 else None for o, s in zip(found["offset_mapping"][w], found.sequence_ids(w))]}
               for w in range(len(ids))]
    questions = [{"id": name, "context": context} for name, _, context in asked]
    (folder / "answers.json").write_text(json.dumps({"windows": windows, "questions": questions}))


class Plain(torch.nn.Module):
    """BERT and its span head from the checkpoint's own modules, without the control flow that exporters trip over."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, types):
        bert, config = self.model.bert, self.model.config
        heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
        table = bert.embeddings
        bias = (1.0 - mask[:, None, None, :].float()) * -10000.0
        places = table.position_embeddings(table.position_ids[:, : ids.shape[1]])
        x = table.LayerNorm(table.word_embeddings(ids) + table.token_type_embeddings(types) + places)
        for layer in bert.encoder.layer:
            own = layer.attention.self
            split = lambda y: y.view(y.size(0), y.size(1), heads, size).permute(0, 2, 1, 3)
            scores = split(own.query(x)) @ split(own.key(x)).transpose(-1, -2) / size**0.5 + bias
            mixed = (torch.softmax(scores, -1) @ split(own.value(x))).permute(0, 2, 1, 3).contiguous().view(x.shape)
            x = layer.attention.output.LayerNorm(layer.attention.output.dense(mixed) + x)
            x = layer.output.LayerNorm(layer.output.dense(torch.nn.functional.gelu(layer.intermediate.dense(x))) + x)
        logits = self.model.qa_outputs(x)
        return logits[..., 0], logits[..., 1]


def export(model, folder):
    """plain.onnx; fused.onnx and int8.onnx for ONNX Runtime; plain.xml and int8.xml for OpenVINO."""
    import nncf
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    checkpoint = transformers.BertForQuestionAnswering.from_pretrained(model, attn_implementation="eager").eval().float()
    x, names = torch.ones((2, 9), dtype=torch.long), ["ids", "mask", "types"]
    path, fused = str(folder / "plain.onnx"), str(folder / "fused.onnx")
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "start", "end"]}
    torch.onnx.export(Plain(checkpoint).eval(), (x, x, x * 0), path, input_names=names, output_names=["start", "end"],
                      opset_version=14, dynamo=False, dynamic_axes=axes)
    config = checkpoint.config
    optimized = optimizer.optimize_model(path, model_type="bert", num_heads=config.num_attention_heads,
                                         hidden_size=config.hidden_size, opt_level=0)
    optimized.save_model_to_file(fused)
    quantize_dynamic(fused, str(folder / "int8.onnx"), weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"MatMulConstBOnly": True, "DefaultTensorType": 1})
    plain = openvino.Core().read_model(path)
    openvino.save_model(plain, folder / "plain.xml", compress_to_fp16=False)
    cut = np.load(folder / "windows.npz")
    count = len(cut["starts"]) - 1
    sample = []
    for window in range(0, count, max(1, count // CALIBRATION_WINDOWS)):
        own = slice(cut["starts"][window], cut["starts"][window + 1])
        ids = cut["ids"][own][None].astype(np.int64)
        sample.append({"ids": ids, "mask": np.ones_like(ids), "types": cut["types"][own][None].astype(np.int64)})
    quantized = nncf.quantize(plain, nncf.Dataset(sample), model_type=nncf.ModelType.TRANSFORMER,
                              preset=nncf.QuantizationPreset.MIXED)
    openvino.save_model(quantized, folder / "int8.xml", compress_to_fp16=False)


def prepare(model, dataset, questions, shape, folder, exports=True):
    """Everything, into `folder`; gives the checkpoint's folder. `exports` are the formats of the CPU's peers."""
    transformers.logging.set_verbosity_error()
    folder = Path(folder)
    if shape:
        random_model(model, shape, folder / "model")
        model = folder / "model"
    cut(model, dataset, questions, folder)
    if exports:
        export(model, folder)
    return str(model)
