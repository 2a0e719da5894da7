"""SciPy's and NumPy's figures of comparisons, to check src/compare and its statistics by.

usage: make_compare.py          writes compare/expected.json (needs numpy and scipy)
"""
import json
import pathlib

import numpy as np
import scipy.stats

HERE = pathlib.Path(__file__).parent / "compare"
rng = np.random.default_rng(6)
expected = {}

# McNemar's exact test.
small = [(gained, lost) for gained in range(0, 13) for lost in range(gained, 13)]
large = [
    (20, 41), (100, 131), (150, 150), (150, 151), (37, 400), (3, 1000), (0, 1000), (1500, 1650), (2500, 2499), (4000, 4300),
    (9800, 10_200), (30_000, 30_900), (100_000, 100_500), (500_000, 502_000),
]
expected["mcnemar"] = [
    [gained, lost, float(scipy.stats.binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0]
    for gained, lost in small + large
]

# The chance of so few changes.
expected["binomial_cumulative"] = [
    [n, q, most, float(scipy.stats.binom.cdf(most, n, q))]
    for n in (1, 7, 100, 367, 368, 2000, 10_570)
    for q in (0.001, 0.01, 0.02, 0.5)
    for most in (0, 1, 5, 19)
]

# Paired bootstrap. NumPy's quantiles of as many resamples as the program makes, many times over: their mean, and how far
# one of them lies from it by chance.
RESAMPLES, BATCHES = 10_000, 50


def bootstrap(differences, unit_of, level):
    """Mean and standard deviation over batches of both ends, in percentage points."""
    units = np.unique(unit_of)
    size = np.array([(unit_of == unit).sum() for unit in units])
    total = np.array([differences[unit_of == unit].sum() for unit in units])
    ends = []
    for _ in range(BATCHES):
        drawn = rng.integers(0, len(units), (RESAMPLES, len(units)))
        ratios = 100 * total[drawn].sum(axis=1) / size[drawn].sum(axis=1)
        ends.append(np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]))
    return {"mean": np.mean(ends, axis=0).tolist(), "deviation": np.std(ends, axis=0, ddof=1).tolist()}


def made_up(passages, per_passage, shift):
    """Two models' scores: questions of a passage are alike, and so are both models' answers to a question."""
    rows = []
    for passage in range(passages):
        of_passage = rng.normal(0.8, 0.8)
        of_models = rng.normal(0, 0.4, 2)
        for _ in range(rng.integers(1, 2 * per_passage)):
            of_question = of_passage + rng.normal(0, 1.2)
            row = [passage]
            for model in range(2):
                ease = of_question + of_models[model] + rng.normal(0, 0.8) + shift * model
                row += [1, 1.0] if ease > 0 else [0, max(0.0, round(1 + ease / 2, 2))]
            rows.append(row)
    return rows


expected["bootstrap"] = []
for passages, per_passage, shift, level in ((40, 7, 0.0, 0.95), (60, 4, -0.5, 0.99), (25, 9, 0.6, 0.9), (9, 20, 0.1, 0.95)):
    rows = made_up(passages, per_passage, shift)
    table = np.array(rows, dtype=float)
    # Below ten passages questions are resampled.
    unit_of = table[:, 0] if passages >= 10 else np.arange(len(rows))
    expected["bootstrap"].append({
        # Passage; exact match and F1 of the base; exact match and F1 of the candidate.
        "rows": rows, "level": level, "unit": "passages" if passages >= 10 else "questions",
        "exact_match": bootstrap(table[:, 3] - table[:, 1], unit_of, level),
        "f1": bootstrap(table[:, 4] - table[:, 2], unit_of, level),
        # What one question is worth: exact match over questions moves by no less.
        "step": 0.0 if passages >= 10 else 100 / len(rows),
    })

HERE.mkdir(exist_ok=True)
with open(HERE / "expected.json", "w", encoding="utf-8") as file:
    json.dump(expected, file, separators=(",", ":"))
    file.write("\n")
