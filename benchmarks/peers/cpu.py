#!/usr/bin/env python3
"""Time spanbench and what people would use instead on the same windows, in turns, on the CPU.

    python3 -m venv peers && peers/bin/pip install -r benchmarks/peers/requirements.txt      # CPU wheels do
    cargo build --release --example candle_bert --bin spanbench
    peers/bin/python benchmarks/peers/cpu.py --model MODEL_DIR --dataset DATASET.json [--questions N] [--shape bert-base]

MODEL_DIR holds a BERT question-answering checkpoint (model_type "bert") with its tokenizer; --shape takes random weights
of that shape instead, with its tokeniser, for speed alone. Each peer is a process that has loaded its model and is stopped
(SIGSTOP) while others compute; in each round each computes all windows once, and the order is turned by one from round to
round. Before the rounds a peer tries its ways (batch sizes, streams) and keeps the fastest. Windows are run_qa.py's (384
tokens, overlap 128), sorted by length and padded to the longest of the batch. Only forward passes are timed:
`throughput.windows_per_s` is spanbench's own. Peak memory is the most anonymous memory a process had from its start on
(RssAnon); spanbench's holds the data set and its answers too.

The table has medians over the rounds, and of the ratios of spanbench to each peer of its precision within a round.
"""
import argparse
import atexit
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENGINES = ("spanbench-f32,candle-f32,torch-f32,onnxruntime-f32,openvino-f32,"
           "spanbench-int8,torch-int8,onnxruntime-int8,openvino-int8")
N_BEST, MAX_ANSWER = 20, 30


class Peer:
    """A process that waits for a line and computes all windows."""

    def __init__(self, args, engine, folder, model):
        self.command = self.command_of(args, engine, folder, model)
        self.environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(args.threads),
                            "RAYON_NUM_THREADS": str(args.threads), "TOKENIZERS_PARALLELISM": "false"}
        self.engine, self.windows, self.log = engine, args.windows, f"{folder}/{engine}.log"
        # Once to choose, and then with nothing else in its memory.
        self.start([])
        self.how = self.answer()["how"]
        self.stop()
        self.start([self.how])
        self.answer()
        self.pause()

    def command_of(self, args, engine, folder, model):
        if engine.startswith("candle-"):
            return [args.candle, model, folder, str(args.threads)]
        return [sys.executable, HERE / "worker.py", engine, folder, str(args.threads), model]

    def start(self, more):
        self.process = subprocess.Popen(self.command + more, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(self.log, "a"), text=True, env=self.environment)
        atexit.register(self.kill)

    def pause(self):
        """Not a thread of it runs while others compute."""
        self.process.send_signal(signal.SIGSTOP)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.engine} stopped:\n" + Path(self.log).read_text()[-2000:])
        return json.loads(line)

    def round(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = self.answer()
        self.pause()
        return {"windows_per_s": self.windows / found["seconds"], "peak_bytes": found["peak_bytes"]}

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()

    def kill(self):
        """At the end, whatever went wrong: a process that is stopped does not notice that nobody is there any more."""
        self.process.kill()


class Spanbench:
    """A run a round; its timed pass alone counts."""

    how = "as it is"
    more = ["--device", "cpu", "--roofline"]
    peak = "rss_anon_peak_bytes"

    def __init__(self, args, engine, folder, model):
        self.args, self.dtype, self.model = args, engine.split("-")[1], model

    def round(self):
        args = self.args
        with tempfile.TemporaryDirectory() as out:
            command = [args.spanbench, "run", "--model", self.model, "--dataset", args.dataset, "--dtype", self.dtype,
                       *self.more, "--threads", str(args.threads), "--min-duration", "0s", "--resamples", "10", "--out", f"{out}/run", "--json"]
            command += ["--limit", str(args.questions)] if args.questions else []
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}:\n{done.stderr}")
        record = json.loads(done.stdout)
        if record["dataset"]["windows"] != args.windows:
            sys.exit(f"spanbench has {record['dataset']['windows']} windows, the peers {args.windows}")
        throughput = record["throughput"]
        return {"windows_per_s": throughput["windows_per_s"], "peak_bytes": record["memory"][self.peak] or 0,
                "f1": record["accuracy"]["f1"], "peak_fraction": throughput.get("peak_fraction"), "flops_per_s": throughput["flops_per_s"]}

    def stop(self):
        pass


def decoded(answers, logits, starts):
    """run_qa.py's answers, of questions that all have one."""
    import numpy as np
    best = {}
    for window, about in enumerate(answers["windows"]):
        start, end = logits[:, starts[window] : starts[window + 1]]
        for s in np.argsort(-start)[:N_BEST]:
            for e in np.argsort(-end)[:N_BEST]:
                if about["offsets"][s] is None or about["offsets"][e] is None or e < s or e - s + 1 > MAX_ANSWER:
                    continue
                question, score = answers["questions"][about["question"]], start[s] + end[e]
                if score > best.get(question["id"], (-np.inf,))[0]:
                    best[question["id"]] = score, question["context"][about["offsets"][s][0] : about["offsets"][e][1]]
    return {question["id"]: best.get(question["id"], (0, ""))[1] for question in answers["questions"]}


def f1_of(args, engine, folder):
    """The official F1 of a peer's answers, by `spanbench score`."""
    import numpy as np
    logits = Path(folder) / f"{engine}.npy"
    if args.shape or args.questions or not logits.exists():
        return None
    answers = json.loads((Path(folder) / "answers.json").read_text())
    predictions = Path(folder) / "predictions.json"
    predictions.write_text(json.dumps(decoded(answers, np.load(logits), np.load(Path(folder) / "windows.npz")["starts"])))
    command = [args.spanbench, "score", "--dataset", args.dataset, "--predictions", predictions, "--protocol", "squad-v1", "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["f1"]


def summary(args, engines, rounds, about):
    """For each engine the medians, and the ratio of spanbench of its precision to it within a round."""
    rows = []
    for engine in engines:
        own = rounds[engine]
        ours = rounds.get(f"spanbench-{engine.split('-')[1]}")
        ratios = [a["windows_per_s"] / b["windows_per_s"] for a, b in zip(ours or [], own)]
        speeds = [r["windows_per_s"] for r in own]
        rows.append({
            "engine": engine, **about[engine], "windows_per_s": statistics.median(speeds), "least": min(speeds), "most": max(speeds),
            "spanbench_is_faster_by": statistics.median(ratios) if ratios and not engine.startswith("spanbench") else None,
            "peak_bytes": max(r["peak_bytes"] for r in own),
            "f1": own[-1].get("f1") or about[engine]["f1"],
            "peak_fraction": statistics.median(r["peak_fraction"] for r in own) if own[0].get("peak_fraction") else None,
        })
    return rows


def table(rows):
    lines = [f"{'engine':17} {'windows/s':>9} {'least–most':>13} {'spanbench is':>12} {'peak MB':>8} {'F1':>6} {'of peak':>8}  how"]
    for row in rows:
        ratio = f"{row['spanbench_is_faster_by']:.2f} x" if row["spanbench_is_faster_by"] else ""
        f1 = f"{row['f1']:.2f}" if row["f1"] is not None else ""
        peak = f"{100 * row['peak_fraction']:.0f} %" if row["peak_fraction"] else ""
        span = f"{row['least']:.1f}–{row['most']:.1f}"
        lines.append(f"{row['engine']:17} {row['windows_per_s']:9.1f} {span:>13} {ratio:>12} {row['peak_bytes'] / 1e6:8.0f} {f1:>6} {peak:>8}  {row['how']}")
    return "\n".join(lines)


def best(rows):
    """The ratio to the fastest peer of each precision."""
    found = []
    for precision in dict.fromkeys(row["engine"].split("-")[1] for row in rows):
        peers = [r for r in rows if r["engine"].endswith(f"-{precision}") and r["spanbench_is_faster_by"]]
        if peers:
            first = max(peers, key=lambda row: row["windows_per_s"])
            found.append({"precision": precision, "best_peer": first["engine"], "ratio": first["spanbench_is_faster_by"]})
    return found


def arguments(about, engines):
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=about)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--questions", type=int, help="the first so many alone")
    parser.add_argument("--shape", help="random weights of this shape: bert-base or bert-large")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default=engines)
    parser.add_argument("--spanbench", default="target/release/spanbench")
    parser.add_argument("--candle", default="target/release/examples/candle_bert")
    parser.add_argument("--json", help="where to write everything")
    return parser


def compare(args, spanbench, peer, exports, machine):
    """Everything in turns; `spanbench` and `peer` are what an engine is made by, `machine` is what the JSON says of it."""
    engines = args.engines.split(",")
    with tempfile.TemporaryDirectory() as folder:
        tell = lambda text: print(text, file=sys.stderr, flush=True)
        tell("preparing windows and models")
        code = "import sys; sys.path.insert(0, sys.argv[1]); from prepare import prepare; print(prepare(*sys.argv[2:4], int(sys.argv[4]) or None, *sys.argv[5:7], bool(sys.argv[7])))"
        prepared = subprocess.run([sys.executable, "-c", code, HERE, args.model, args.dataset, str(args.questions or 0), args.shape or "", folder, "yes" if exports else ""],
                                  stdout=subprocess.PIPE, stderr=open(f"{folder}/prepare.log", "w"), text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        if prepared.returncode:
            sys.exit(Path(f"{folder}/prepare.log").read_text()[-3000:])
        model = prepared.stdout.splitlines()[-1]
        args.windows = len(json.loads((Path(folder) / "answers.json").read_text())["windows"])
        running, about = {}, {}
        for engine in engines:
            kind = spanbench if engine.startswith("spanbench-") else peer
            running[engine] = kind(args, engine, folder, model)
            tell(f"{engine}: {running[engine].how}")
        rounds = {engine: [] for engine in engines}
        for number in range(args.rounds):
            turn = number % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                rounds[engine].append(running[engine].round())
                tell(f"round {number + 1}: {engine} {rounds[engine][-1]['windows_per_s']:.2f} windows/s")
        for engine in engines:
            running[engine].stop()
            about[engine] = {"how": running[engine].how, "f1": f1_of(args, engine, folder)}
    rows = summary(args, engines, rounds, about)
    print(table(rows))
    for found in best(rows):
        print(f"{found['precision']}: {found['ratio']:.2f} x the best peer, {found['best_peer']}")
    if args.json:
        kept = {"date": time.strftime("%Y-%m-%d", time.gmtime()), **machine, "threads": args.threads, "windows": args.windows,
                "model": args.shape or args.model, "dataset": Path(args.dataset).name, "rows": rows, "best": best(rows), "rounds": rounds}
        Path(args.json).write_text(json.dumps(kept, indent=1) + "\n")


def main():
    args = arguments(__doc__, ENGINES).parse_args()
    processor = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    compare(args, Spanbench, Peer, True, {"processor": processor})


if __name__ == "__main__":
    main()
