#!/usr/bin/env python3
"""Whether eight-bit floats (e4m3) in dense layers keep a model's F1, before anybody writes kernels for them.

    peers/bin/python benchmarks/peers/fp8.py --model MODEL_DIR --dataset DATASET.json [--spanbench target/release/spanbench]

MODEL_DIR and DATASET are as for cpu.py. PyTorch computes everything in f32 on the CPU, but rounds what dense layers
multiply to e4m3 as a card would: weights with a scale an output, inputs with a scale a token, both so that the largest
becomes 448. The span head stays in full. It prints F1 in f32 and so, the share of f32's that is left, and how many
answers differ.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

import cpu
import prepare
import worker

LARGEST = 448.0


def rounded(x):
    """To e4m3 and back, with a scale a row."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / LARGEST
    return (x / scale).to(torch.float8_e4m3fn).to(torch.float32) * scale


class Rounded(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias = rounded(layer.weight.data), layer.bias.data

    def forward(self, x):
        return torch.nn.functional.linear(rounded(x), self.weight, self.bias)


def round_layers(module):
    """All dense layers but the span head; gives how many."""
    count = 0
    for name, child in module.named_children():
        if name == "qa_outputs":
            continue
        if isinstance(child, torch.nn.Linear):
            setattr(module, name, Rounded(child))
            count += 1
        else:
            count += round_layers(child)
    return count


def answers(model, windows, folder):
    results = []
    with torch.inference_mode():
        for places, x in windows.batches(8):
            ids, mask, types = (torch.from_numpy(part) for part in x)
            found = model(input_ids=ids, attention_mask=mask, token_type_ids=types)
            results.append((places, found.start_logits.numpy(), found.end_logits.numpy()))
    about = json.loads((Path(folder) / "answers.json").read_text())
    return cpu.decoded(about, windows.logits(results), windows.starts)


def score(args, predictions, folder):
    file = Path(folder) / "predictions.json"
    file.write_text(json.dumps(predictions))
    command = [args.spanbench, "score", "--dataset", args.dataset, "--predictions", file, "--protocol", "squad-v1", "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["f1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--spanbench", default="target/release/spanbench")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        prepare.cut(args.model, args.dataset, None, Path(folder))
        windows = worker.Windows(folder)
        model = transformers.BertForQuestionAnswering.from_pretrained(args.model, attn_implementation="sdpa").float().eval()
        full = answers(model, windows, folder)
        layers = round_layers(model)
        fewer = answers(model, windows, folder)
        f1_full, f1_fewer = (score(args, found, folder) for found in (full, fewer))
    differ = sum(full[name] != fewer[name] for name in full)
    print(f"{layers} dense layers in e4m3; {len(full)} questions, {len(np.diff(windows.starts))} windows")
    print(f"F1 {f1_full:.2f} in f32, {f1_fewer:.2f} in e4m3: {100 * f1_fewer / f1_full:.2f} %; {differ} answers differ")


if __name__ == "__main__":
    main()
