"""PyTorch on an NVIDIA GPU, in a process of its own. Run by `gpu.py` as `worker.py` is by `cpu.py`: to choose the
fastest batch size, which it prints, and with that to compute all windows for each line it is sent.
"""
import json
import os
import sys
import time

import numpy as np
import torch
import transformers

import worker

BATCHES = (16, 32, 64, 128)
TYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}


def load(kind, precision, model):
    """What gives places, start and end logits of each of the batches; they are all asked for before any is waited for."""
    transformers.logging.set_verbosity_error()
    torch.backends.cuda.matmul.allow_tf32 = False
    loaded = transformers.BertForQuestionAnswering.from_pretrained(model, attn_implementation="sdpa").eval()
    loaded = loaded.to(dtype=TYPES[precision], device="cuda")
    if kind == "compiled":
        loaded = torch.compile(loaded, dynamic=True)

    def compute(batches):
        found = []
        with torch.inference_mode():
            for places, x in batches:
                ids, mask, types = (torch.from_numpy(part).pin_memory().to("cuda", non_blocking=True) for part in x)
                logits = loaded(input_ids=ids, attention_mask=mask, token_type_ids=types)
                found.append((places, logits.start_logits, logits.end_logits))
            return [(places, start.float().cpu().numpy(), end.float().cpu().numpy()) for places, start, end in found]

    return compute


def main(engine, folder, model, chosen=None):
    windows = worker.Windows(folder)
    kind, precision = engine.split("-")
    say = lambda answer: print(json.dumps(answer), file=answers, flush=True)
    compute = load(kind, precision, model)
    if chosen is None:
        worker.BATCHES = BATCHES
        say({"how": worker.choose([(f"batch {size}", size, lambda: compute) for size in BATCHES], windows, tried_on=8 * BATCHES[-1])})
        return
    size = int(chosen.split()[1])
    # What is compiled, and the memory that is taken, is there before a round begins.
    compute(windows.batches(size))
    say({"how": chosen})
    for number, _ in enumerate(sys.stdin):
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        began = time.perf_counter()
        results = compute(windows.batches(size))
        took = time.perf_counter() - began
        if number == 0:
            np.save(f"{folder}/{engine}.npy", windows.logits(results))
        say({"seconds": took, "peak_bytes": torch.cuda.max_memory_allocated()})


if __name__ == "__main__":
    # What libraries print goes with the rest of what is told, not among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(*sys.argv[1:])
