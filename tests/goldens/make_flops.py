"""Floating-point operations of the matrix products that transformers makes for one window, as PyTorch's own
counter sees them. Writes flops.json: {checkpoint: {length: counts}} for every folder of architectures/.

`counted` is what torch.utils.flop_counter counts over the whole forward pass of the model in eager attention.
What of that does not belong to the model's work on a window is given beside it, and only where there is any:

`hidden`       products of queries with keys, and of weights with values, that a sliding window hides: each weight
               that comes out as exactly zero, in both products.
`prepared`     projections of relative positions: they depend on the weights alone and can be made once.
`unreachable`  products with relative positions that are farther apart than the window is long.
`unused`       layers that no logit depends on (a pooler).
"""
import json
import pathlib

import torch
import transformers
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).parent
torch.set_grad_enabled(False)


def load(folder):
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, attn_implementation="eager")
    return model.eval().float().requires_grad_(False)


def linear_flops(module, rows):
    return 2 * rows * module.in_features * module.out_features


def watch(model, length):
    """Counts `prepared` and `unused` through hooks on the dense layers."""
    found = {"prepared": 0, "unused": 0}

    def hook(name):
        def count(module, inputs, _):
            rows = inputs[0].shape[-2]
            if "pooler" in name:
                found["unused"] += linear_flops(module, 1)
            elif rows != length:
                assert "deberta" in name and ("pos_" in name or "_proj" in name), name
                found["prepared"] += linear_flops(module, rows)
        return count

    layers = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    handles = [module.register_forward_hook(hook(name)) for name, module in layers.items()]
    return found, handles


def counts(model, ids):
    length = ids.shape[1]
    found, handles = watch(model, length)
    with FlopCounterMode(display=False) as counter:
        output = model(input_ids=ids, output_attentions=True)
    for handle in handles:
        handle.remove()
    config = model.config
    found["hidden"] = 0
    if getattr(config, "layer_types", None):
        zeros = sum(int((weights == 0).sum()) for weights in output.attentions)
        found["hidden"] = zeros * 4 * (config.hidden_size // config.num_attention_heads)
    found["unreachable"] = 0
    if config.model_type == "deberta-v2" and getattr(config, "relative_attention", False):
        # DeBERTa cuts its table to the window's length; DeBERTa-v2 multiplies with all of it.
        span = model.deberta.encoder.rel_embeddings.weight.shape[0] // 2
        products = config.num_hidden_layers * len(config.pos_att_type)
        found["unreachable"] = products * 2 * length * config.hidden_size * 2 * max(0, span - length)
    return {"counted": counter.get_total_flops()} | {name: flops for name, flops in sorted(found.items()) if flops}


def main():
    golden = {}
    for folder in sorted(path for path in (HERE / "architectures").iterdir() if (path / "tokenizer.json").exists()):
        model = load(folder)
        tensors = load_file(folder / "golden.safetensors")
        windows = tensors["input_ids"].long().split(tensors["lengths"].tolist())
        golden[folder.name] = {str(len(ids)): counts(model, ids[None]) for ids in windows}
    lines = [f"  {json.dumps(name)}: {json.dumps(flops)}" for name, flops in golden.items()]
    (HERE / "flops.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
