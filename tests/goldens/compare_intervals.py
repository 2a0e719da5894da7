"""How often intervals call a difference, on a simulated machine: which one src/stats/paired.rs should have.

usage: compare_intervals.py [ROUNDS]    prints a table (needs numpy and scipy); makes no golden

Two cells in interleaved rounds. Logarithms of ratios scatter normally with the standard deviation of
the first column; a machine's slow drift (AR(1), 0.9 from round to round, 5 %) is in both cells; neighbours slow
one cell of 5 % of rounds down by 30 %, or either cell of any round with 5 % each. Called is what clears 2 %:
"A/A" where there is no difference, "10 %" where the candidate is slower by that. The second table is of
two runs of their own, whose drifts have nothing in common.
"""
import sys

import numpy as np
import scipy.stats

EXPERIMENTS = 20_000
NOISE = np.log(1.02)
rng = np.random.default_rng(6)


def student(d, level):
    return trimmed(d, level, 0)


def trimmed(d, level, cut_one_in=5):
    mean, error, left = trimmed_mean(d, cut_one_in)
    half = scipy.stats.t.ppf((1 + level) / 2, left - 1) * np.sqrt(error)
    return mean - half, mean + half


def trimmed_mean(values, cut_one_in=5):
    n = values.shape[1]
    cut = n // cut_one_in if cut_one_in else 0
    ordered = np.sort(values, axis=1)
    kept = ordered[:, cut : n - cut]
    winsorised = np.clip(ordered, kept[:, :1], kept[:, -1:])
    left = kept.shape[1]
    return kept.mean(axis=1), (n - 1) * winsorised.var(axis=1, ddof=1) / (left * (left - 1)), left


def signed_rank(d, level):
    """Hodges and Lehmann's estimate: the ends are Walsh averages, by the exact null distribution."""
    n = d.shape[1]
    chances = np.array([1.0])
    for rank in range(1, n + 1):
        chances = (np.append(chances, np.zeros(rank)) + np.append(np.zeros(rank), chances)) / 2
    outside = int(np.searchsorted(np.cumsum(chances), (1 - level) / 2 + 1e-15, side="right"))
    if outside == 0:
        return None
    averages = np.sort(np.stack([(d[:, i] + d[:, j]) / 2 for i in range(n) for j in range(i, n)], axis=1), axis=1)
    return averages[:, outside - 1], averages[:, -outside]


def unpaired(base, candidate, level, cut_one_in):
    (mean_b, error_b, left), (mean_c, error_c, _) = trimmed_mean(base, cut_one_in), trimmed_mean(candidate, cut_one_in)
    freedom = (error_b + error_c) ** 2 / ((error_b**2 + error_c**2) / (left - 1))
    half = scipy.stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(error_b + error_c)
    return mean_c - mean_b - half, mean_c - mean_b + half


def drift(n, size):
    noise = rng.normal(0, size, (EXPERIMENTS, n))
    for i in range(1, n):
        noise[:, i] = 0.9 * noise[:, i - 1] + np.sqrt(1 - 0.81) * noise[:, i]
    return noise


def cells(n, scatter, spoiled, drifts):
    base, candidate = drifts + rng.normal(0, scatter, (2, EXPERIMENTS, n))
    if spoiled == "one":
        hit, which = rng.random((EXPERIMENTS, n)) < 0.05, rng.random((EXPERIMENTS, n)) < 0.5
        hits = hit & which, hit & ~which
    else:
        hits = rng.random((2, EXPERIMENTS, n)) < (0.05 if spoiled == "any" else 0)
    return base + np.log(1.3) * hits[0], candidate + np.log(1.3) * hits[1]


def row(*labels, interval):
    if interval is None:
        return
    low, high = interval
    figures = (
        np.mean((low > NOISE) | (high < -NOISE)), np.mean(low + np.log(1.1) > NOISE),
        np.mean((low <= 0) & (high >= 0)), np.median(high - low),
    )
    print("  ".join(f"{x!s:11}" for x in labels), "  ".join(f"{x:7.4f}" for x in figures), flush=True)


n = int(sys.argv[1]) if len(sys.argv) > 1 else 10
print(f"{n} rounds\nscatter      spoiled      interval     level       A/A      10 %     covers   width")
for scatter in (0.014, 0.04, 0.0566, 0.085, 0.113):
    for spoiled in ("none", "one", "any"):
        base, candidate = cells(n, scatter / np.sqrt(2), spoiled, drift(n, 0.05))
        for level in (0.95, 0.99):
            for method in (student, signed_rank, trimmed):
                row(scatter, spoiled, method.__name__, level, interval=method(candidate - base, level))
print("\ntwo runs\nscatter      drift        interval     level       A/A      10 %     covers   width")
for size in (0.0, 0.02):
    for scatter in (0.014, 0.04, 0.0566):
        base, _ = cells(n, scatter / np.sqrt(2), "one", drift(n, size))
        _, candidate = cells(n, scatter / np.sqrt(2), "one", drift(n, size))
        for name, cut_one_in in (("welch", 0), ("trimmed", 5)):
            row(scatter, size, name, 0.95, interval=unpaired(base, candidate, 0.95, cut_one_in))
