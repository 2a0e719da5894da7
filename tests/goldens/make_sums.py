"""What the built-in sum() of Python 3.12 and 3.13 makes of integers among floats, and of the v2.0 script's F1.

usage: make_sums.py PATH/TO/evaluate          with CPython 3.12 or 3.13; after make_score.py; writes score/sums.json

3.11 adds plainly and 3.14 treats integers among floats differently.
"""
import functools
import json
import operator
import pathlib
import random
import sys

import official

assert (3, 12) <= sys.version_info[:2] <= (3, 13), sys.version
HERE = pathlib.Path(__file__).parent
articles = json.load(open(HERE.parent.parent / "benchmarks/data/mixed-bag.json", encoding="utf-8"))["data"]
v2 = official.load(sys.argv[1], "squad_v2")
rng = random.Random(12)


def plain(terms):
    return float(functools.reduce(operator.add, terms, 0))


def term():
    return rng.choice([0, 1, 0.0, 1.0, rng.random(), rng.randint(1, 9) / rng.randint(1, 9), rng.randint(0, 9)])


terms = [[term() for _ in range(rng.randint(0, 40))] for _ in range(80)]
terms += [[1e100, 1.0, -1e100], [1.0, 1e100, 1, -1e100], [1e308, 1e308, -1e308], [3, 0.1, 0.2, 0.3], [1] * 9, [0.1] * 10, [-0.0, -0.0]]
sums = [{"terms": t, "plain": repr(plain(t)), "compensated": repr(float(sum(t)))} for t in terms]
different = [s for s in sums if s["plain"] != s["compensated"]]
assert len(different) > 15, len(different)

read = lambda name: json.load(open(HERE / "score" / f"{name}.json", encoding="utf-8"))
predictions, probabilities = read("v2.predictions"), read("v2.na_prob")
f1 = []
for threshold in (None, 0.15, 0.35, 0.5, 0.75):
    given = () if threshold is None else (probabilities, threshold)
    results = {}
    for name, function in (("plain", plain), ("compensated", sum)):
        v2.sum = function
        results[name] = {k: v for k, v in official.v2(v2, articles, predictions, *given).items() if k in ("f1", "HasAns_f1", "NoAns_f1")}
    f1.append({"threshold": threshold, **results})
assert any(case["plain"] != case["compensated"] for case in f1)
with open(HERE / "score" / "sums.json", "w", encoding="utf-8") as file:
    file.write(json.dumps({"sums": sums, "f1": f1}).replace('}, {"t', '},\n{"t') + "\n")
