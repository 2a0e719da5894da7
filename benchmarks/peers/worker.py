"""A peer's process: loads its model, chooses its fastest way on some windows, and computes all for each line it is sent.

Run by `cpu.py`. The first line it prints says what it chose; then a line a round, in JSON. The logits of the first round
are kept.
"""
import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

BATCHES = (1, 4, 8)
# Windows that each way is tried on.
TRIED_ON = 96


class PeakMemory:
    """The most anonymous memory of this process, looked at every few milliseconds."""

    def __init__(self):
        self.bytes = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            status = Path("/proc/self/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self.bytes = max(self.bytes, int(line.split()[1]) * 1024)
            time.sleep(0.005)


class Windows:
    """All windows, in batches by falling length, each padded to its longest: the kindest policy for a peer."""

    def __init__(self, folder):
        cut = np.load(f"{folder}/windows.npz")
        self.starts, self.ids, self.types = cut["starts"], cut["ids"], cut["types"]
        self.lengths = np.diff(self.starts)
        self.kept = {}

    def batches(self, size):
        """Places, and [ids, mask, segments] of each batch."""
        if size not in self.kept:
            order = np.argsort(-self.lengths, kind="stable")
            self.kept[size] = [self.padded(order[at : at + size]) for at in range(0, len(order), size)]
        return self.kept[size]

    def padded(self, places):
        x = np.zeros((3, len(places), self.lengths[places[0]]), np.int64)
        for row, window in enumerate(places):
            own = slice(self.starts[window], self.starts[window + 1])
            length = self.lengths[window]
            x[0, row, :length], x[1, row, :length], x[2, row, :length] = self.ids[own], 1, self.types[own]
        return places, x

    def logits(self, results):
        """Start and end logits of all tokens, in the order of the windows."""
        found = np.zeros((2, self.starts[-1]), np.float32)
        for places, start, end in results:
            for row, window in enumerate(places):
                own = slice(self.starts[window], self.starts[window + 1])
                found[0, own], found[1, own] = start[row, : self.lengths[window]], end[row, : self.lengths[window]]
        return found


def torch_ways(precision, folder, threads, model):
    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(threads)
    model = transformers.BertForQuestionAnswering.from_pretrained(model, attn_implementation="sdpa").eval().float()
    if precision == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def compute(x):
        with torch.inference_mode():
            ids, mask, types = map(torch.from_numpy, x)
            found = model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        return found.start_logits.numpy(), found.end_logits.numpy()

    return one_by_one(compute)


def onnxruntime_ways(precision, folder, threads, model):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = f"{folder}/{'fused' if precision == 'f32' else 'int8'}.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    place = {"ids": 0, "mask": 1, "types": 2}
    inputs = [(i.name, np.int32 if "int32" in i.type else np.int64) for i in session.get_inputs()]
    return one_by_one(lambda x: session.run(["start", "end"], {n: x[place[n]].astype(t) for n, t in inputs}))


def openvino_ways(precision, folder, threads, model):
    import openvino
    path = f"{folder}/{'plain' if precision == 'f32' else 'int8'}.xml"
    hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    # One at a time, so that the memory of the one that is not chosen is given back.
    one = {**hints, "PERFORMANCE_HINT": "LATENCY"}
    many = {**hints, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": threads}
    named = lambda x: {"ids": x[0], "mask": x[1], "types": x[2]}

    def latency():
        request = openvino.Core().compile_model(path, "CPU", one).create_infer_request()

        def compute(x):
            found = request.infer(named(x))
            return np.array(found[0]), np.array(found[1])

        return one_by_one(compute)

    def streams():
        queue = openvino.AsyncInferQueue(openvino.Core().compile_model(path, "CPU", many), threads)

        def in_flight(batches):
            found = {}
            queue.set_callback(lambda request, at: found.__setitem__(at, [np.array(request.get_output_tensor(k).data) for k in (0, 1)]))
            for at, (_, x) in enumerate(batches):
                queue.start_async(named(x), userdata=at)
            queue.wait_all()
            return [(places, *found[at]) for at, (places, _) in enumerate(batches)]

        return [(f"batch {size}, {threads} streams", size, in_flight) for size in BATCHES]

    return latency() + streams()


def one_by_one(compute):
    """A way for each batch size: its name, the size, and what gives places, start and end logits of each batch."""
    every = lambda batches: [(places, *compute(x)) for places, x in batches]
    return [(f"batch {size}", size, every) for size in BATCHES]


WAYS = {"torch": torch_ways, "onnxruntime": onnxruntime_ways, "openvino": openvino_ways}


def main(engine, folder, threads, model):
    memory, windows = PeakMemory(), Windows(folder)
    kind, precision = engine.split("-")
    tried = []
    for name, size, compute in WAYS[kind](precision, folder, int(threads), model):
        batches = windows.batches(size)
        some = batches[:: max(1, len(batches) * size // TRIED_ON)]
        compute(some)
        began = time.perf_counter()
        compute(some)
        took = time.perf_counter() - began
        tried.append((took / sum(len(places) for places, _ in some), name, size, compute))
    _, name, size, compute = min(tried, key=lambda way: way[0])
    say = lambda answer: print(json.dumps(answer), file=answers, flush=True)
    say({"how": name})
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        results = compute(windows.batches(size))
        took = time.perf_counter() - began
        if number == 0:
            np.save(f"{folder}/{engine}.npy", windows.logits(results))
        say({"seconds": took, "peak_bytes": memory.bytes})


if __name__ == "__main__":
    # What libraries print goes with the rest of what is told, not among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(*sys.argv[1:])
