"""What MLPerf's LoadGen makes of planted latencies, to check src/measure/scenario by.

usage: make_loadgen.py PATH/TO/mlcommons-inference     writes loadgen/ (needs mlcommons-loadgen, numpy, scipy, g++)

runs.json            the real LoadGen, driven through its Python bindings in all four scenarios, with a system
                     that sleeps for planted times: the latencies it recorded (from its trace), what it wrote into
                     mlperf_log_detail.txt and the whole of mlperf_log_summary.txt
early_stopping.json  h for [percentile, t] as the compiled early_stopping.cc finds it, each checked against
                     SciPy's regularised incomplete beta function and binomial distribution
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import mlperf_loadgen as loadgen
from scipy import special, stats

HERE = pathlib.Path(__file__).parent / "loadgen"
POPULATION = 50
SEED = 7
SLOW_S = 0.080  # what a planted slow answer takes; the bounds below are 40 ms
BOUND_NS = 40_000_000


def write(name, value):
    with open(HERE / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, separators=(",", ":"))
        file.write("\n")


def respond(samples):
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])


class Stub:
    """Answers the n-th query after `seconds[n % len(seconds)]`, its samples in `parts` parts."""

    def __init__(self, scenario, seconds, parts):
        self.scenario, self.seconds, self.parts, self.queries = scenario, seconds, parts, 0

    def issue(self, samples):
        seconds = self.seconds[self.queries % len(self.seconds)]
        self.queries += 1
        if self.scenario == "Server":
            threading.Thread(target=self.answer, args=(samples, seconds)).start()
        else:
            self.answer(samples, seconds)

    def answer(self, samples, seconds):
        size = -(-len(samples) // self.parts)
        for start in range(0, len(samples), size):
            time.sleep(seconds / self.parts)
            respond(samples[start:start + size])


def read_detail(path):
    """LoadGen's results in the order it logs them, and the settings in force."""
    results, effective = {}, {}
    for line in path.read_text().splitlines():
        entry = json.loads(line.removeprefix(":::MLLOG "))
        key, value = entry["key"], entry["value"]
        if entry["metadata"]["file"].endswith("results.cc"):
            results[key] = value
        elif key.startswith("effective_"):
            effective[key.removeprefix("effective_")] = value
    return results, effective


def read_trace(path):
    """Latencies of the samples in their order and, from the start of the run, the last query's times."""
    # Line by line: what else is traced has strings quoted twice, which is no JSON.
    lines = path.read_text().splitlines()
    events = [json.loads(line.rstrip(",")) for line in lines if line.startswith(('{"name":"Sample"', '{"name":"SampleLoop"'))]
    ns = lambda event: round(event["ts"] * 1000)
    samples = [event for event in events if event["name"] == "Sample" and event["ph"] == "b"]
    samples.sort(key=lambda event: event["args"]["sample_seq"])
    # Some 100 ns after the start, where it is not known exactly: the queries of offline and
    # the first query of the server are scheduled for the start itself.
    start = min(ns(event) for event in events)
    last = [event for event in samples if event["args"]["query_seq"] == samples[-1]["args"]["query_seq"]]
    scheduled = ns(last[0]) - start
    times = {
        "scheduled_ns": scheduled, "issued_ns": scheduled + last[0]["args"]["issue_start_ns"],
        "completed_ns": scheduled + max(event["args"]["complete_ns"] for event in last),
    }
    queries = len({event["args"]["query_seq"] for event in samples})
    return [event["args"]["complete_ns"] for event in samples], queries, times


def run(name, scenario, seconds, valid, parts=1, percentile=None, **changes):
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = SEED
    settings.server_target_latency_ns = BOUND_NS
    for key, value in changes.items():
        setattr(settings, key, value)
    if percentile:
        family = {"SingleStream": "single_stream", "MultiStream": "multi_stream", "Server": "server"}[scenario]
        setattr(settings, f"{family}_target_latency_percentile", percentile)
    stub = Stub(scenario, seconds, parts)
    with tempfile.TemporaryDirectory() as directory:
        output = loadgen.LogOutputSettings()
        output.outdir = directory
        logs = loadgen.LogSettings()
        logs.log_output, logs.enable_trace = output, True
        system = loadgen.ConstructSUT(stub.issue, lambda: None)
        library = loadgen.ConstructQSL(POPULATION, POPULATION, lambda indices: None, lambda indices: None)
        loadgen.StartTestWithLogSettings(system, library, settings, logs, "")
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)
        folder = pathlib.Path(directory)
        results, effective = read_detail(folder / "mlperf_log_detail.txt")
        latencies, queries, times = read_trace(folder / "mlperf_log_trace.json")
        summary = (folder / "mlperf_log_summary.txt").read_text()
    assert results["result_validity"] == ("VALID" if valid else "INVALID"), (name, results)
    print(name, queries, results["result_validity"], results.get("result_invalid_reason"), results["early_stopping_result"])
    return {
        "name": name, "scenario": scenario, "population": POPULATION, "seed": SEED,
        "min_duration_ms": effective["min_duration_ms"], "min_queries": effective["min_query_count"],
        "samples_per_query": effective["samples_per_query"], "percentile": effective["target_latency_percentile"],
        "target_latency_ns": effective["target_latency_ns"], "target_qps": effective["target_qps"],
        "queries": queries, "last_query": times, "sample_latencies_ns": latencies,
        "results": results, "summary": summary,
    }


def runs():
    rng = random.Random(3)
    short = [rng.uniform(0.0002, 0.0009) for _ in range(997)]
    slow = lambda count, every: [SLOW_S if i % every == every // 2 and i // every < count else s
                                 for i, s in enumerate([0.001] * 3000)]
    single, multi, server = "SingleStream", "MultiStream", "Server"
    yield run("single-stream", single, short, True, min_query_count=150, min_duration_ms=50,
              single_stream_expected_latency_ns=100_000)
    yield run("single-stream with an estimate of p99", single, short, True, min_query_count=850, min_duration_ms=300,
              single_stream_expected_latency_ns=100_000)
    yield run("single-stream at p95", single, short, True, percentile=0.95, min_query_count=140, min_duration_ms=50,
              single_stream_expected_latency_ns=100_000)
    yield run("single-stream, least for early stopping", single, short, True, min_query_count=64, min_duration_ms=10,
              single_stream_expected_latency_ns=1_000_000)
    yield run("single-stream, one too few for early stopping", single, short, False, min_query_count=63,
              min_duration_ms=10, single_stream_expected_latency_ns=1_000_000)
    yield run("single-stream, too few", single, short, False, min_query_count=100, max_query_count=40,
              min_duration_ms=10, single_stream_expected_latency_ns=100_000)
    yield run("single-stream, too short", single, short, False, min_query_count=70, min_duration_ms=2000,
              single_stream_expected_latency_ns=50_000_000)
    yield run("single-stream, one query", single, short, False, min_query_count=2, max_query_count=1,
              min_duration_ms=10, single_stream_expected_latency_ns=100_000)
    yield run("multi-stream", multi, short, True, parts=2, min_query_count=850, min_duration_ms=100,
              multi_stream_samples_per_query=2, multi_stream_expected_latency_ns=100_000)
    yield run("multi-stream at p90", multi, short, True, parts=2, percentile=0.9, min_query_count=100,
              min_duration_ms=50, multi_stream_expected_latency_ns=100_000)
    yield run("multi-stream, too few", multi, short, False, parts=2, min_query_count=100, max_query_count=30,
              min_duration_ms=1000, multi_stream_expected_latency_ns=100_000)
    common = {"server_target_qps": 500, "min_duration_ms": 100}
    yield run("server", server, slow(2, 300), True, min_query_count=850, **common)
    yield run("server at p90", server, slow(9, 20), True, percentile=0.9, min_query_count=200, **common)
    yield run("server, over the bound", server, slow(40, 20), False, min_query_count=300, **common)
    yield run("server, under the bound but early", server, slow(3, 100), False, min_query_count=400, **common)
    yield run("server, too short", server, [0.001], False, min_query_count=200, max_query_count=150,
              server_target_qps=500, min_duration_ms=5000)
    yield run("offline", "Offline", [0.4], True, parts=8, min_query_count=100, min_duration_ms=300,
              offline_expected_qps=800.0)
    yield run("offline, too short", "Offline", [0.05], False, parts=3, min_query_count=100, min_duration_ms=300,
              offline_expected_qps=200.0)


MAIN = """
#include <cstdio>
#include "early_stopping.h"
int main() {
  double p;
  long t;
  // A finder of its own for each question, as the server scenario has.
  while (std::scanf("%lf %ld", &p, &t) == 2) {
    mlperf::loadgen::MinPassingQueriesFinder find;
    std::printf("%ld\\n", static_cast<long>(find(t, p, 0.0, 0.99)));
  }
}
"""


def early_stopping(source):
    counts = [*range(31), 50, 75, 100, 200, 500, 1000, 2000, 5000, 10_000]
    grid = [(p, t) for p in (0.5, 0.9, 0.95, 0.97, 0.99, 0.999) for t in counts]
    grid += [(0.9, 100_000), (0.9, 300_000), (0.95, 50_000), (0.99, 30_000)]
    with tempfile.TemporaryDirectory() as directory:
        main = pathlib.Path(directory) / "main.cc"
        main.write_text(MAIN)
        program = pathlib.Path(directory) / "finder"
        subprocess.run(["g++", "-O2", "-std=c++17", f"-I{source}", main, source / "early_stopping.cc", "-o", program], check=True)
        lines = "".join(f"{p!r} {t}\n" for p, t in grid)
        found = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.split()
    table = []
    for (p, t), h in zip(grid, map(int, found), strict=True):
        passes = lambda h: special.betainc(h, 1 + t, p) < 1 - 0.99
        assert passes(h) and not (h > 1 and passes(h - 1)), (p, t, h)
        assert abs(stats.binom.cdf(t, h + t, 1 - p) / special.betainc(h, 1 + t, p) - 1) < 1e-6
        table.append([p, t, h])
    return table


if __name__ == "__main__":
    write("early_stopping", early_stopping(pathlib.Path(sys.argv[1]) / "loadgen"))
    write("runs", list(runs()))
