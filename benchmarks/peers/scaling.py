#!/usr/bin/env python3
"""How spanbench's speed grows with threads, and whether it holds over many windows.

    cargo build --release --bin spanbench
    python3 benchmarks/peers/scaling.py --model MODEL_DIR --dataset DATASET.json [--dtype int8] [--questions 240] [--times 50]

In each round the first questions are answered with one thread and with all, in turns; the first line printed is the
median over the rounds of the ratio of windows a second. Then the same questions are answered once, all of them so many
times over in one run, and once more: the second line is tokens a second of the long run by the mean of the two short
ones. Nothing but Python's own library is needed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def questions_of(dataset, count):
    """The first questions of SQuAD's JSON, a paragraph each."""
    articles = json.loads(Path(dataset).read_text(encoding="utf-8"))["data"]
    asked = [(p["context"], q) for a in articles for p in a["paragraphs"] for q in p["qas"]][:count]
    return [{"context": context, "qas": [question]} for context, question in asked]


def write(path, paragraphs, times):
    """All of them so many times over, under other ids."""
    again = lambda paragraph, number: {**paragraph, "qas": [{**q, "id": f"{q['id']}-{number}"} for q in paragraph["qas"]]}
    every = [again(paragraph, number) for number in range(times) for paragraph in paragraphs]
    Path(path).write_text(json.dumps({"version": "1.1", "data": [{"title": "all", "paragraphs": every}]}))
    return path


def throughput(args, dataset, threads):
    """Of one run's timed pass."""
    with tempfile.TemporaryDirectory() as out:
        command = [args.spanbench, "run", "--model", args.model, "--dataset", dataset, "--dtype", args.dtype, "--device", "cpu", "--threads",
                   str(threads), "--protocol", "squad-v1", "--min-duration", "0s", "--resamples", "10", "--out", f"{out}/run", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    record = json.loads(done.stdout)
    phases, found = record["phases_s"], record["throughput"]
    beside = sum(phases[name] for name in ("tokenize", "decode", "score")) / phases["forward"]
    told = f"{threads} threads, {record['dataset']['windows']} windows: {found['windows_per_s']:.2f} windows/s, {found['tokens_per_s']:.0f} tokens/s"
    print(f"{told}; tokenising, decoding and scoring take {100 * beside:.2f} % of the forward passes' time", file=sys.stderr, flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--questions", type=int, default=240)
    parser.add_argument("--times", type=int, default=50, help="0 leaves the long run out")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spanbench", default="target/release/spanbench")
    args = parser.parse_args()
    paragraphs = questions_of(args.dataset, args.questions)
    with tempfile.TemporaryDirectory() as folder:
        short = write(f"{folder}/short.json", paragraphs, 1)
        ratios = []
        for number in range(args.rounds):
            order = [1, args.threads] if number % 2 else [args.threads, 1]
            speeds = {threads: throughput(args, short, threads)["windows_per_s"] for threads in order}
            ratios.append(speeds[args.threads] / speeds[1])
        if ratios:
            print(f"{args.dtype}: {args.threads} threads are {statistics.median(ratios):.2f} x as fast as one ({min(ratios):.2f} to {max(ratios):.2f})")
        if args.times:
            long = write(f"{folder}/long.json", paragraphs, args.times)
            before, found, after = (throughput(args, path, args.threads)["tokens_per_s"] for path in (short, long, short))
            print(f"{args.dtype}: {args.times} times as many windows go by at {found / statistics.mean([before, after]):.2f} x the tokens a second")


if __name__ == "__main__":
    main()
