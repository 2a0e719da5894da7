"""Makes leaderboard/expected.json: ranks with intervals and leads by SciPy and NumPy.

Run as `python make_leaderboard.py`, with NumPy and SciPy. The questions are made up; what is drawn
in each resample follows from spanbench's generator (SplitMix64, Lemire's bounded numbers), written
out here, so that the intervals agree exactly and not only to the noise of the draws.
"""

import json
import pathlib
import random

import numpy as np
from scipy.stats import gmean, rankdata

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15
VALUES = [0.0, 0.4, 0.5, 2 / 3, 0.8, 1.0]
FEWEST_PASSAGES = 10


def scramble(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draws(seed, number, units):
    """The units of a resample."""
    state = scramble((seed + (number + 1) * STEP) & MASK)
    drawn = []
    while len(drawn) < units:
        state = (state + STEP) & MASK
        product = scramble(state) * units
        if product & MASK >= (1 << 64) % units:
            drawn.append(product >> 64)
    return drawn


def ranks(sums):
    # Sums of the same scores in another order differ in the last digits.
    return rankdata(-np.round(sums, 9), method="min").astype(int)


def expected(scores, passages, resamples, seed):
    """`scores` has a row a model and a column a question."""
    names = list(dict.fromkeys(passages))
    if len(names) < FEWEST_PASSAGES:
        units = np.eye(len(passages))
    else:
        units = np.array([[p == name for p in passages] for name in names], float)
    sums = units @ scores.T
    sizes = units.sum(axis=1)
    drawn = np.array([draws(seed, number, len(units)) for number in range(resamples)])
    resampled = np.array([ranks(sums[d].sum(axis=0)) for d in drawn])
    ends = np.quantile(resampled, [0.025, 0.975], axis=0, method="inverted_cdf")
    order = sorted(range(len(scores)), key=lambda model: -scores[model].mean())
    best, second = order[:2]
    difference = 100 * (sums[:, best] - sums[:, second])
    means = difference[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return {
        "units": len(units),
        "ranks": ranks(sums.sum(axis=0)).tolist(),
        "lower": ends[0].astype(int).tolist(),
        "upper": ends[1].astype(int).tolist(),
        "best": best,
        "second": second,
        "lead": difference.sum() / len(passages),
        "lead_interval": np.quantile(means, [0.025, 0.975]).tolist(),
    }


def case(models, questions, passages, resamples, seed, twins=()):
    rng = random.Random(seed)
    digits = []
    for model in range(models):
        skill = 0.3 + 0.4 * model / models
        digits.append([
            rng.choice([3, 4, 5, 5]) if rng.random() < skill else rng.choice([0, 0, 1, 2])
            for _ in range(questions)
        ])
    for a, b in twins:
        digits[a] = list(digits[b])
    rng.shuffle(digits)
    of_passage = [rng.randrange(passages) for _ in range(questions)]
    scores = np.array([[VALUES[d] for d in row] for row in digits])
    return {
        "f1": ["".join(map(str, row)) for row in digits],
        "passages": of_passage,
        "resamples": resamples,
        "seed": seed,
        **expected(scores, of_passage, resamples, seed),
    }


def main():
    rng = random.Random(6)
    speeds = [[round(rng.lognormvariate(3, 1), 6) for _ in range(2)] for _ in range(40)]
    out = {
        "values": VALUES,
        "cases": [
            case(2, 30, 14, 1000, 0),
            case(5, 60, 20, 2000, 1, twins=[(1, 3)]),
            case(4, 25, 5, 999, 2),
            case(8, 120, 40, 2000, 3, twins=[(0, 7), (2, 7)]),
            case(20, 150, 60, 3000, 4),
            case(3, 2, 2, 500, 5),
            case(3, 40, 11, 1, 6),
        ],
        "geometric_means": [
            {
                "base": [b for _, b in speeds[:n]],
                "own": [a for a, _ in speeds[:n]],
                "ratio": gmean([a / b for a, b in speeds[:n]]),
            }
            for n in (1, 2, 3, 7, 40)
        ],
    }
    folder = pathlib.Path(__file__).parent / "leaderboard"
    folder.mkdir(exist_ok=True)
    (folder / "expected.json").write_text(json.dumps(out, indent=1) + "\n")


main()
