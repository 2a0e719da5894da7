"""All that is checked on a GPU machine: `scripts/gpu-check run PACK --out FOLDER`, which tells the rest."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from pack import PROJECT, TESTS, unpack

SCHEMA = 1
LIMIT_S = 460
PEERS = PROJECT / "benchmarks/peers"
DATASET = PROJECT / "benchmarks/data/mixed-bag.json"
MODEL = PROJECT / "models/bundled/minilm-l6-squad"
DTYPES = ["f32", "f16", "bf16"]
# Questions that are asked of each shape, the bundled ones again and again.
QUESTIONS = {"bert-base": 2208, "bert-large": 1104}
# To compile a model takes PyTorch a minute, for which there is time in the precision that peers are compared in.
SPEEDS = [("bert-base", "f16", ("torch", "compiled")), ("bert-large", "f16", ("torch", "compiled")), ("bert-large", "bf16", ("torch",))]
LEAST_RATIO, LEAST_OF_PEAK = 1.5, 0.45
MATRIX = 8192


class Checks:
    """One after another; what there is no time for is said not to have run."""

    def __init__(self, seconds):
        self.ends, self.found = time.monotonic() + seconds, []

    def run(self, name, check, *arguments, least_s=5):
        left = self.ends - time.monotonic()
        began = time.monotonic()
        print(f"gpu-check: {name}", file=sys.stderr, flush=True)
        if left < least_s:
            found = {"state": "not run", "why": "there was no time left"}
        else:
            try:
                found = check(*arguments, left)
            except subprocess.TimeoutExpired:
                found = {"state": "failed", "why": f"it took more than {left:.0f} s"}
            except (subprocess.CalledProcessError, OSError, ValueError, KeyError) as fault:
                found = {"state": "failed", "why": explained(fault)}
        found = {"check": name, "seconds": round(time.monotonic() - began, 1), **found}
        print(f"gpu-check: {name}: {found['state']}", file=sys.stderr, flush=True)
        self.found.append(found)
        return found


def explained(fault):
    """The fault with the end of what a program said."""
    said = getattr(fault, "stderr", None) or getattr(fault, "output", None) or ""
    return f"{fault}\n{said[-3000:]}".strip()


def command(arguments, left, **more):
    # A failure is the caller's to tell, with what was said.
    return subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=left, check=True, **more)


def environment():
    fields = ["name", "uuid", "driver_version", "memory.total", "power.limit", "clocks.max.sm", "ecc.mode.current", "mig.mode.current"]
    said = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"], stdout=subprocess.PIPE, text=True, check=True)
    cards = [dict(zip(fields, (part.strip() for part in line.split(",")))) for line in said.stdout.splitlines()]
    import torch
    import transformers
    return {"cards": cards, "cuda": torch.version.cuda, "torch": torch.__version__, "transformers": transformers.__version__, "cores": os.cpu_count()}


def tests(binary, left):
    """A test file of the project, on the GPU."""
    own = {**os.environ, "SPANBENCH_TEST_DEVICE": "cuda", "SPANBENCH_PROJECT": str(PROJECT), "RUST_BACKTRACE": "0"}
    more = {"architectures": ["forms", "half_precision", "a_batch", "answers"], "int8": ["a_batch"]}.get(binary.name, [])
    done = subprocess.run([str(binary), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=left, env=own, cwd=PROJECT)
    count = sum(line.endswith("... ok") for line in done.stdout.splitlines())
    if done.returncode:
        return {"state": "failed", "passed": count, "why": done.stdout[-6000:]}
    return {"state": "ok", "passed": count}


def answered(spanbench, device, dtype, folder, left):
    """The record of a run over the bundled questions, and its answers."""
    out = folder / f"{device}-{dtype}"
    command([spanbench, "run", "--device", device, "--dtype", dtype, "--out", out, "--resamples", "10", "--min-duration", "2s"], left)
    return json.loads((out / "run.json").read_text()), json.loads((out / "predictions.json").read_text())


def answers(spanbench, folder, left):
    """The bundled model's answers in each dtype beside the CPU's in f32."""
    ends = time.monotonic() + left
    _, expected = answered(spanbench, "cpu", "f32", folder, left)
    cpu = json.loads((folder / "cpu-f32/run.json").read_text())["accuracy"]["f1"]
    rows, good = [], True
    for dtype in DTYPES:
        record, found = answered(spanbench, "cuda:0", dtype, folder, ends - time.monotonic())
        equal = sum(found[name] == expected[name] for name in expected)
        f1, memory = record["accuracy"]["f1"], record["memory"]
        cards = (record.get("repetitions") or [{}])[0].get("cards") or [{}]
        rows.append({"dtype": dtype, "equal": equal, "of": len(expected), "f1": f1, "cpu_f1": cpu, "ops": record["model"]["ops"],
                     "windows_per_s": record["throughput"]["windows_per_s"], "device_s": record["throughput"].get("device_s"),
                     "forward_s": record["throughput"]["forward_s"], "device_peak_bytes": memory["device_peak_bytes"],
                     "weights_bytes": memory["weights_bytes"], "card": cards[0]})
        good &= equal == len(expected) if dtype == "f32" else abs(f1 - cpu) <= 0.1
        good &= record["model"]["ops"] == "cuda"
    return {"state": "ok" if good else "failed", "rows": rows, "why": "" if good else "answers or F1 are not the CPU's"}


def latency(spanbench, folder, left):
    """Single questions one after another, with what CUDA graphs of them take and what starting their kernels does."""
    out = folder / "single-stream"
    command([spanbench, "run", "--device", "cuda:0", "--dtype", "f16", "--scenario", "single-stream", "--out", out, "--resamples", "10",
             "--min-duration", "5s"], left)
    record = json.loads((out / "run.json").read_text())
    graphs = record["repetitions"][0].get("cuda_graphs", [])
    good = bool(graphs) and not any("CUDA graph" in warning for warning in record["warnings"])
    return {"state": "ok" if good else "failed", "dtype": "f16", "latency_ms": record["latency_ms"], "graphs": graphs,
            "why": "" if good else f"no CUDA graph was made: {record['warnings']}"}


def peak(left):
    """What the card's matrix units reach on one large product, by PyTorch."""
    code = f"""
import time, torch
for dtype in (torch.bfloat16, torch.float16):
    a, b = (torch.randn({MATRIX}, {MATRIX}, device="cuda", dtype=dtype) for _ in range(2))
    took = []
    for number in range(30):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(); a @ b; end.record(); torch.cuda.synchronize()
        took.append(start.elapsed_time(end) / 1e3)
    print(str(dtype).split(".")[1], 2 * {MATRIX} ** 3 / sorted(took[5:])[len(took[5:]) // 2])
"""
    lines = command([sys.executable, "-c", code], left).stdout.split()
    return {"state": "ok", "matrix": MATRIX, "flops_per_s": {lines[i]: float(lines[i + 1]) for i in range(0, len(lines), 2)}}


def repeated(questions, folder):
    """The bundled questions so often that there are enough of them."""
    data = json.loads(DATASET.read_text())
    own = sum(len(p["qas"]) for a in data["data"] for p in a["paragraphs"])
    articles = []
    for time_of in range(-(-questions // own)):
        for article in data["data"]:
            paragraphs = [{**p, "qas": [{**q, "id": f"{q['id']}-{time_of}"} for q in p["qas"]]} for p in article["paragraphs"]]
            articles.append({**article, "paragraphs": paragraphs})
    path = folder / f"repeated-{questions}.json"
    path.write_text(json.dumps({**data, "data": articles}))
    return path


def speed(spanbench, shape, dtype, peers, rounds, peaks, folder, left):
    """spanbench and PyTorch in turns on the same windows: benchmarks/peers/gpu.py."""
    kept = folder / f"{shape}-{dtype}.json"
    engines = ",".join(f"{engine}-{dtype}" for engine in ("spanbench", *peers))
    command([sys.executable, PEERS / "gpu.py", "--spanbench", spanbench, "--model", MODEL, "--shape", shape, "--dataset", repeated(QUESTIONS[shape], folder),
             "--engines", engines, "--rounds", rounds, "--json", kept], left)
    found = json.loads(kept.read_text())
    own = next(row for row in found["rows"] if row["engine"].startswith("spanbench"))
    flops = statistics.median(r["flops_per_s"] for r in found["rounds"][own["engine"]])
    peak = peaks.get({"f16": "float16", "bf16": "bfloat16"}[dtype])
    best = found["best"][0]
    fraction = flops / peak if peak else None
    good = best["ratio"] >= LEAST_RATIO and (shape != "bert-large" or (fraction or 0) >= LEAST_OF_PEAK)
    return {"state": "ok" if good else "missed", "shape": shape, "dtype": dtype, "windows": found["windows"], "rows": found["rows"], "best": best,
            "flops_per_s": flops, "of_peak": fraction, "why": "" if good else f"goals: {LEAST_RATIO} times the best peer, and {100 * LEAST_OF_PEAK:.0f} % of the peak for bert-large"}


def main():
    parser = argparse.ArgumentParser(prog="gpu-check run", description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="a folder for gpu-check.json and gpu-check.md")
    parser.add_argument("--seconds", type=float, default=LIMIT_S, help="what does not end in so many is left out")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        about = unpack(args.pack, folder)
        spanbench = folder / "spanbench"
        checks = Checks(args.seconds)
        try:
            machine = environment()
        except (OSError, subprocess.CalledProcessError, ImportError) as fault:
            sys.exit(f"gpu-check: this machine has no NVIDIA GPU, or its python3 no PyTorch and transformers: {fault}")
        checks.run("answers", answers, spanbench, folder)
        checks.run("latency", latency, spanbench, folder)
        peaks = checks.run("peak", peak).get("flops_per_s", {})
        for test in TESTS:
            checks.run(f"tests/{test}", tests, folder / test)
        for shape, dtype, peers in SPEEDS:
            checks.run(f"speed {shape} {dtype}", speed, spanbench, shape, dtype, peers, args.rounds, peaks, folder, least_s=30)
    result = {"schema": SCHEMA, "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": about["commit"], "machine": machine, "checks": checks.found}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "gpu-check.json").write_text(json.dumps(result, indent=1) + "\n")
    text = report.markdown(result)
    (args.out / "gpu-check.md").write_text(text)
    print(text)
    sys.exit(0 if all(check["state"] == "ok" for check in checks.found) else 1)


if __name__ == "__main__":
    main()
