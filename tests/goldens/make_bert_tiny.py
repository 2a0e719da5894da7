"""A tiny random BERT with the logits that Hugging Face transformers gives. Writes bert-tiny/."""
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForQuestionAnswering

HERE = pathlib.Path(__file__).parent / "bert-tiny"
LENGTHS = [1, 2, 3, 17, 31, 32, 33, 64, 100, 128]

torch.manual_seed(20261122)
config = BertConfig(
    vocab_size=300, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=128, hidden_act="gelu_new", layer_norm_eps=1e-5, initializer_range=0.3,
)
model = BertForQuestionAnswering(config).eval().float()
with torch.no_grad():  # layer norms and biases must matter too
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.add_(torch.randn_like(parameter) * 0.1)
model.save_pretrained(HERE)

ids = [torch.randint(0, 300, (n,)) for n in LENGTHS]
types = [(torch.arange(n) >= n // 3).long() for n in LENGTHS]
starts, ends = [], []
with torch.no_grad():
    for i, t in zip(ids, types):
        output = model(input_ids=i[None], token_type_ids=t[None])
        starts.append(output.start_logits[0])
        ends.append(output.end_logits[0])
save_file(
    {
        "lengths": torch.tensor(LENGTHS), "input_ids": torch.cat(ids), "token_type_ids": torch.cat(types),
        "start_logits": torch.cat(starts).contiguous(), "end_logits": torch.cat(ends).contiguous(),
    },
    HERE / "golden.safetensors",
)
(HERE / "generation_config.json").unlink(missing_ok=True)
