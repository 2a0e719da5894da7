"""A peer's process. Run by `cpu.py`, twice: to choose the peer's fastest way on some windows, which it prints; and with
that way alone, so that no other is in its memory, to compute all windows for each line it is sent. The logits of the
first round are kept.
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
# Times that each is tried, after the first, which counts for nothing.
TURNS = 3


class PeakMemory:
    """The most anonymous memory of this process, looked at 20 times a second: a look takes a quarter of a millisecond."""

    def __init__(self):
        self.bytes = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            status = Path("/proc/self/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self.bytes = max(self.bytes, int(line.split()[1]) * 1024)
            time.sleep(0.05)


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
    def load():
        import torch
        import transformers
        transformers.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        loaded = transformers.BertForQuestionAnswering.from_pretrained(model, attn_implementation="sdpa").eval().float()
        if precision == "int8":
            loaded = torch.ao.quantization.quantize_dynamic(loaded, {torch.nn.Linear}, dtype=torch.qint8)

        def compute(x):
            with torch.inference_mode():
                ids, mask, types = map(torch.from_numpy, x)
                found = loaded(input_ids=ids, attention_mask=mask, token_type_ids=types)
            return found.start_logits.numpy(), found.end_logits.numpy()

        return compute

    return one_by_one(load)


def onnxruntime_ways(precision, folder, threads, model):
    def load():
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = f"{folder}/{'fused' if precision == 'f32' else 'int8'}.onnx"
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        place = {"ids": 0, "mask": 1, "types": 2}
        inputs = [(i.name, np.int32 if "int32" in i.type else np.int64) for i in session.get_inputs()]
        return lambda x: session.run(["start", "end"], {n: x[place[n]].astype(t) for n, t in inputs})

    return one_by_one(load)


def openvino_ways(precision, folder, threads, model):
    path = f"{folder}/{'plain' if precision == 'f32' else 'int8'}.xml"
    hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    named = lambda x: {"ids": x[0], "mask": x[1], "types": x[2]}

    def load():
        import openvino
        request = openvino.Core().compile_model(path, "CPU", {**hints, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()

        def compute(x):
            found = request.infer(named(x))
            return np.array(found[0]), np.array(found[1])

        return compute

    def load_streams():
        import openvino
        streams = {**hints, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": threads}
        queue = openvino.AsyncInferQueue(openvino.Core().compile_model(path, "CPU", streams), threads)

        def in_flight(batches):
            found = {}
            queue.set_callback(lambda request, at: found.__setitem__(at, [np.array(request.get_output_tensor(k).data) for k in (0, 1)]))
            for at, (_, x) in enumerate(batches):
                queue.start_async(named(x), userdata=at)
            queue.wait_all()
            return [(places, *found[at]) for at, (places, _) in enumerate(batches)]

        return in_flight

    return one_by_one(load) + [(f"batch {size}, {threads} streams", size, load_streams) for size in BATCHES]


def one_by_one(load):
    """A way for each batch size: its name, the size, and what makes the function that gives places, start and end
    logits of each batch; `load` makes one of a batch."""
    def every():
        compute = load()
        return lambda batches: [(places, *compute(x)) for places, x in batches]

    return [(f"batch {size}", size, every) for size in BATCHES]


WAYS = {"torch": torch_ways, "onnxruntime": onnxruntime_ways, "openvino": openvino_ways}


def choose(ways, windows, tried_on=TRIED_ON):
    """The name of the way that is fastest on some windows: the best of three turns, for machines are not always quiet."""
    most = max(BATCHES)
    groups = -(-len(windows.lengths) // most)
    chosen = range(0, groups, max(1, groups * most // tried_on))
    tried = []
    for name, size, make in ways:
        # The same windows for each, in whole batches of the largest size.
        some = [batch for group in chosen for batch in windows.batches(size)[group * most // size : (group + 1) * most // size]]
        tried.append((name, make(), some))
    least = dict.fromkeys((name for name, _, _ in tried), float("inf"))
    for turn in range(1 + TURNS):
        for name, compute, some in tried:
            began = time.perf_counter()
            compute(some)
            if turn:
                least[name] = min(least[name], time.perf_counter() - began)
    return min(least, key=least.get)


def main(engine, folder, threads, model, chosen=None):
    memory, windows = PeakMemory(), Windows(folder)
    kind, precision = engine.split("-")
    ways = WAYS[kind](precision, folder, int(threads), model)
    say = lambda answer: print(json.dumps(answer), file=answers, flush=True)
    if chosen is None:
        say({"how": choose(ways, windows)})
        return
    size, make = next((size, make) for name, size, make in ways if name == chosen)
    compute = make()
    say({"how": chosen})
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
